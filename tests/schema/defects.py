"""Seeded defects: one rule or condition taken away at a time, and the tests must see each of them.

    .venv/bin/python tests/schema/defects.py            all of them, 5 to 10 minutes
    .venv/bin/python tests/schema/defects.py cursor     those with the word in their name

Works on a copy of what is committed, changes nothing here, and exits 1 when a defect goes unseen or
when its place in the code is not found any more.
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
GATE = "tests/schema/test_scalars.py"


@dataclass(frozen=True)
class Defect:
    """What is wrong, where, and the tests that must go red."""

    name: str
    file: str
    right: str
    wrong: str
    tests: str


DEFECTS = [
    Defect(
        "settings without their rule",
        "schema/account.py",
        "needs(Permission.SETTINGS_READ), column=",
        "column=",
        MATRIX,
    ),
    Defect(
        "an address for everybody",
        "schema/user.py",
        "email: str | None = field(FULL, ",
        "email: str | None = field(",
        MATRIX,
    ),
    Defect(
        "every session one's own",
        "resolvers/rights.py",
        'found = _with_own([_base(context)] * len(rows), rows, "user_id", context)',
        "found = [_base(context) | SELF] * len(rows)",
        MATRIX,
    ),
    Defect(
        "what one account gives given in all",
        "resolvers/rights.py",
        "in_all = reduce(and_, map(",
        "in_all = reduce(or_, map(",
        RIGHTS,
    ),
    Defect(
        "users readable because one of them is",
        "resolvers/rights.py",
        "base | _USERS_READ if readable.issuperset(keys) else base, each",
        "base | _USERS_READ if readable.intersection(keys) else base, each",
        RIGHTS,
    ),
    Defect(
        "one refusal for all",
        "resolvers/rights.py",
        "return [reasons[id(standing)] for standing in standings]",
        "return [*reasons.values()][:1] * len(standings)",
        RIGHTS,
    ),
    Defect(
        "every grant one's own",
        "resolvers/rights.py",
        'of_grants = OfGrant(own="user_id")',
        'of_grants = OfGrant(own="granted_by_id")',
        MATRIX,
    ),
    Defect(
        "an event of anybody's one's own",
        "resolvers/rights.py",
        'of_events = OfAccount(own="actor_id")',
        "of_events = OfAccount()",
        MATRIX,
    ),
    Defect(
        "mutations of oneself for nobody",
        "schema/mutation.py",
        "@graph_type(None, rights.of_viewer, ",
        "@graph_type(None, ",
        MATRIX,
    ),
    Defect(
        "node without the rule of its type", "resolvers/node.py", 'if bits & marks["rule"].bits]', "if bits]", MATRIX
    ),
    Defect(
        "every user known",
        "resolvers/node.py",
        "for key in keys if key in known]",
        "for key in keys if known is not None]",
        MATRIX,
    ),
    Defect(
        "accounts without access",
        "resolvers/account.py",
        "if key is not None and context.access.bits(key)]",
        "if key is not None]",
        IDS,
    ),
    Defect(
        "a mutation without its permission",
        "models/access/access.py",
        "    demand(access, permission)\n    return Act",
        "    return Act",
        MATRIX,
    ),
    Defect(
        "a role with one permission more",
        "auth/policy.py",
        'Permission.SETTINGS_READ:        "x x x . x ."',
        'Permission.SETTINGS_READ:        "x x x x x ."',
        PRINT,
    ),
    Defect(
        "all grants in one's list",
        "models/lists/grants.py",
        'return _grants("g.user_id = {key}"',
        'return _grants("g.user_id <> {key}"',
        ISOLATION,
    ),
    Defect(
        "grants where one may not read users",
        "models/lists/grants.py",
        "AND {holds})",
        "AND ({holds} OR TRUE))",
        ISOLATION,
    ),
    Defect(
        "the end as an oracle",
        "models/lists/accounts.py",
        "a.subscription_until < {{}} AND {_SEES_END}",
        "a.subscription_until < {{}}",
        ISOLATION,
    ),
    Defect(
        "the end in a cursor",
        "models/lists/accounts.py",
        "CASE WHEN {_SEES_END} THEN",
        "CASE WHEN TRUE THEN",
        ISOLATION,
    ),
    Defect(
        "access kept after a mutation", "resolvers/mutation_resolver.py", "        context.forget()\n", "", ISOLATION
    ),
    Defect(
        "a payload of what does not exist",
        "resolvers/rights.py",
        "return found is None or found.exists(entity, context)",
        "return True",
        ISOLATION,
    ),
    Defect(
        "a count without its parent",
        "database/listing.py",
        'conditions = " AND ".join([self.parent.format(key="k.key"), *self.where])',
        'conditions = " AND ".join(["TRUE", *self.where])',
        ISOLATION,
    ),
    Defect("cursors of any list", "database/listing.py", "if mark != self._mark:", "if mark is None:", PAGES),
    Defect(
        "one filter for all counts",
        "resolvers/pages.py",
        "return [found[id(connection.listing), connection.key]",
        "return [next(iter(found.values()))",
        PAGES,
    ),
    Defect(
        "an id of any type",
        "resolvers/ids.py",
        "if found is not None and found[0] == type_name else",
        "if found is not None else",
        IDS,
    ),
    Defect(
        "other spellings of an id",
        "resolvers/ids.py",
        "not _FORM.fullmatch(text)",
        "not _FORM.match(text.lower().strip())",
        IDS,
    ),
    Defect("no gate", "schema/build.py", "    gate(arguments)\n", "", GATE),
    Defect(
        "fields without a rule",
        "schema/build.py",
        "    rule = declared.rule or type_rule.rule\n",
        "    rule = declared.rule or type_rule.rule or written.metadata['rule']\n",
        BUILD,
    ),
]


def copy(into: Path) -> None:
    """What is committed, with the environment of this checkout."""
    done = subprocess.run(["git", "archive", "HEAD"], cwd=ROOT, capture_output=True, check=True)
    _ = subprocess.run(["tar", "-x"], input=done.stdout, cwd=into, check=True)
    (into / ".venv").symlink_to(ROOT / ".venv")


def seen(defect: Defect, house: Path) -> str:
    """How the tests took the defect: seen, UNSEEN, or LOST when the code has moved on."""
    path = house / defect.file
    text = path.read_text()
    if text.count(defect.right) != 1:
        return "LOST"
    _ = path.write_text(text.replace(defect.right, defect.wrong))
    try:
        command = [".venv/bin/python", "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *defect.tests.split()]
        done = subprocess.run(command, cwd=house, capture_output=True, text=True, check=False)
    finally:
        _ = path.write_text(text)
    return "UNSEEN" if done.returncode == 0 else "seen"


def main() -> int:
    """Seed them one by one."""
    chosen = [defect for defect in DEFECTS if not sys.argv[1:] or sys.argv[1] in defect.name]
    house = Path(tempfile.mkdtemp(prefix="fullmakt-defects-"))
    outcomes: set[str] = set()
    try:
        copy(house)
        for defect in chosen:
            outcome = seen(defect, house)
            outcomes.add(outcome)
            _ = sys.stdout.write(f"{outcome:<7} {defect.name}\n")
            _ = sys.stdout.flush()
    finally:
        shutil.rmtree(house, ignore_errors=True)
    return int(outcomes != {"seen"})


if __name__ == "__main__":
    raise SystemExit(main())
