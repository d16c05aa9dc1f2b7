"""Seeded defects: one rule or condition is removed at a time, and a test must fail each time.

    .venv/bin/python tests/schema/defects.py            all of them, 5 to 10 minutes
    .venv/bin/python tests/schema/defects.py cursor     those whose name contains the word

Works on a copy of the last commit and changes nothing here. Exits with 1 if a defect makes no test fail, or if its
code is not found exactly once.
"""

import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MATRIX = "tests/schema/test_matrix.py"
ISOLATION = "tests/resolvers/test_isolation.py"
IDS = "tests/resolvers/test_ids.py"
RIGHTS = "tests/resolvers/test_rights.py"
PAGES = "tests/resolvers/test_pages.py"
PRINT = "tests/schema/test_print.py"
BUILD = "tests/schema/test_build.py"
SCALARS = "tests/schema/test_scalars.py"


@dataclass(frozen=True)
class Defect:
    """A replacement in a file, and the tests that must fail with it."""

    name: str
    file: str
    code: str
    defect: str
    tests: str


DEFECTS = [
    Defect(
        "settings without their rule",
        "schema/account.py",
        "needs(Permission.SETTINGS_READ),\n        column=",
        "column=",
        MATRIX,
    ),
    Defect(
        "e-mail address without its rule",
        "schema/user.py",
        "email: str | None = field(\n        FULL_PROFILE, ",
        "email: str | None = field(\n        ",
        MATRIX,
    ),
    Defect(
        "every session belongs to the caller",
        "resolvers/rights.py",
        'rights = _add_self_rights([_base(context)] * len(rows), rows, "user_id", context)',
        "rights = [_base(context) | SELF_BIT] * len(rows)",
        MATRIX,
    ),
    Defect(
        "permission in one account counts in all",
        "resolvers/rights.py",
        "in_all = reduce(and_, map(",
        "in_all = reduce(or_, map(",
        RIGHTS,
    ),
    Defect(
        "all users readable because one of them is",
        "resolvers/rights.py",
        "base | _USERS_READ if readable.issuperset(keys) else base, compute",
        "base | _USERS_READ if readable.intersection(keys) else base, compute",
        RIGHTS,
    ),
    Defect(
        "one refusal for all rows",
        "resolvers/rights.py",
        "return [errors[id(facts)] for facts in grant_facts]",
        "return [*errors.values()][:1] * len(grant_facts)",
        RIGHTS,
    ),
    Defect(
        "every grant belongs to its giver",
        "resolvers/rights.py",
        'of_grants = OfGrant(self_column="user_id")',
        'of_grants = OfGrant(self_column="granted_by_id")',
        MATRIX,
    ),
    Defect(
        "no event belongs to its actor",
        "resolvers/rights.py",
        'of_events = OfAccount(self_column="actor_id")',
        "of_events = OfAccount()",
        MATRIX,
    ),
    Defect(
        "mutations without the caller's self right",
        "schema/mutation.py",
        "@graph_type(None, rights.of_viewer, ",
        "@graph_type(None, ",
        MATRIX,
    ),
    Defect(
        "node without the rule of its type", "resolvers/node.py", 'if bits & metadata["rule"].bits]', "if bits]", MATRIX
    ),
    Defect(
        "every user visible",
        "resolvers/node.py",
        "for key in keys if key in visible_keys]",
        "for key in keys if visible_keys is not None]",
        MATRIX,
    ),
    Defect(
        "accounts without a grant visible",
        "resolvers/account.py",
        "if key is not None and context.access.bits(key)]",
        "if key is not None]",
        IDS,
    ),
    Defect(
        "mutation without its permission",
        "models/access/operation.py",
        "    require(access, permission, while_closing=while_closing)\n    return OperationContext",
        "    return OperationContext",
        MATRIX,
    ),
    Defect(
        "role with an additional permission",
        "auth/policy.py",
        'Permission.SETTINGS_READ:        "x x x . x ."',
        'Permission.SETTINGS_READ:        "x x x x x ."',
        PRINT,
    ),
    Defect(
        "grants of other users in the viewer's list",
        "models/lists/grants.py",
        'return _grants("g.user_id = {key}"',
        'return _grants("g.user_id <> {key}"',
        ISOLATION,
    ),
    Defect(
        "grants of accounts without USERS_READ",
        "models/lists/grants.py",
        "AND {may_read_users})",
        "AND ({may_read_users} OR TRUE))",
        ISOLATION,
    ),
    Defect(
        "filter by an unreadable subscription end",
        "models/lists/accounts.py",
        "a.subscription_until < {{}} AND {_MAY_READ_END}",
        "a.subscription_until < {{}}",
        ISOLATION,
    ),
    Defect(
        "unreadable subscription end in a cursor",
        "models/lists/accounts.py",
        "CASE WHEN {_MAY_READ_END} THEN",
        "CASE WHEN TRUE THEN",
        ISOLATION,
    ),
    Defect(
        "cached access after a mutation",
        "resolvers/mutation_resolver.py",
        "        context.clear_caches()\n",
        "",
        ISOLATION,
    ),
    Defect(
        "payload with an invisible object",
        "resolvers/rights.py",
        "return of_rows is None or of_rows.exists(entity, context)",
        "return True",
        ISOLATION,
    ),
    Defect(
        "count without its parent",
        "database/listing.py",
        'conditions = " AND ".join([self.parent.format(key="k.key"), *self.conditions])',
        'conditions = " AND ".join(["TRUE", *self.conditions])',
        ISOLATION,
    ),
    Defect("cursor of another list", "database/listing.py", "if tag != self._tag:", "if tag is None:", PAGES),
    Defect(
        "one filter for all counts",
        "resolvers/pages.py",
        "return [counts_by_list[id(connection.query), connection.key]",
        "return [next(iter(counts_by_list.values()))",
        PAGES,
    ),
    Defect(
        "id of another type",
        "resolvers/ids.py",
        "if type_and_key is not None and type_and_key[0] == type_name else",
        "if type_and_key is not None else",
        IDS,
    ),
    Defect(
        "other spelling of an id",
        "resolvers/ids.py",
        "not _FORM.fullmatch(text)",
        "not _FORM.match(text.lower().strip())",
        IDS,
    ),
    Defect("arguments without sanitize", "schema/build.py", "    sanitize(arguments)\n", "", SCALARS),
    Defect(
        "field without a rule",
        "schema/build.py",
        "    rule = declaration.rule or type_rule.rule\n",
        "    rule = declaration.rule or type_rule.rule or definition.metadata['rule']\n",
        BUILD,
    ),
]


def copy_commit(directory: Path) -> None:
    """Copy the last commit, with the virtual environment of this checkout."""
    archive = subprocess.run(["git", "archive", "HEAD"], cwd=ROOT, capture_output=True, check=True)
    _ = subprocess.run(["tar", "-x"], input=archive.stdout, cwd=directory, check=True)
    (directory / ".venv").symlink_to(ROOT / ".venv")


def run_tests(defect: Defect, directory: Path) -> str:
    """The outcome: `seen` if a test fails, `UNSEEN` if none does, `LOST` if the code is not found exactly once."""
    path = directory / defect.file
    text = path.read_text()
    if text.count(defect.code) != 1:
        return "LOST"
    _ = path.write_text(text.replace(defect.code, defect.defect))
    try:
        command = [".venv/bin/python", "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *defect.tests.split()]
        result = subprocess.run(command, cwd=directory, capture_output=True, text=True, check=False)
    finally:
        _ = path.write_text(text)
    return "UNSEEN" if result.returncode == 0 else "seen"


def main() -> int:
    """Seed the chosen defects one by one."""
    defects = [defect for defect in DEFECTS if not sys.argv[1:] or sys.argv[1] in defect.name]
    directory = Path(tempfile.mkdtemp(prefix="fullmakt-defects-"))
    outcomes: set[str] = set()
    try:
        copy_commit(directory)
        for defect in defects:
            outcome = run_tests(defect, directory)
            outcomes.add(outcome)
            _ = sys.stdout.write(f"{outcome:<7} {defect.name}\n")
            _ = sys.stdout.flush()
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    return int(outcomes != {"seen"})


if __name__ == "__main__":
    raise SystemExit(main())
