"""Each statement that writes grants is in one module, and each that gives or takes access needs a permit."""

import ast
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from auth.policy import Role
from models.access import grant_store
from models.access.grant_rules import OWNER, Exemption, Permit, Terms, is_permitted

ROOT: Final = Path(__file__).resolve().parents[3]
STORE: Final = "models/access/grant_store.py"
RULES: Final = "models/access/grant_rules.py"
WRITES: Final = re.compile(
    r"\b(INSERT\s+INTO|UPDATE|DELETE\s+FROM|MERGE\s+INTO|COPY|TRUNCATE)\s+(ONLY\s+)?\"?grants\b", re.IGNORECASE
)
MODEL_WRITES: Final = {
    *("create", "bulk_create", "bulk_update", "get_or_create", "update_or_create", "update", "delete", "save", "raw"),
}
WITHOUT_PERMIT: Final = {"expire", "reschedule", "reschedule_all", "hand_over", "record_use"}
"""Their SQL gives and takes nothing by the choice of a user: the module's docstring has the reason of each."""
BULK_WRITERS: Final = {"benchmarks/seed.py", "models/migrations/0026_engagement_defaults.py"}
"""Write made-up rows into an empty database, and mark the rows of a former version."""


def product_files() -> list[Path]:
    folders = {path.parent for path in ROOT.glob("*/__init__.py")} - {ROOT / "tests"}
    paths = [*ROOT.glob("*.py"), *(path for folder in folders for path in folder.rglob("*.py"))]
    return sorted(path for path in paths if path.relative_to(ROOT).as_posix() not in BULK_WRITERS)


def texts(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Each string constant of a module, also the parts of an f-string."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.lineno, node.value


def model_writes(tree: ast.AST) -> Iterator[int]:
    """The lines that call a writing method of the model `Grant`, or of a query or an instance of it."""
    names = {"Grant"}
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign | ast.NamedExpr) and _mentions(node.value, {"Grant"}):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names |= {target.id for target in targets if isinstance(target, ast.Name)}
        elif isinstance(node, ast.arg) and node.annotation is not None and _mentions(node.annotation, {"Grant"}):
            names.add(node.arg)
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            method = node.func
            if method.attr in MODEL_WRITES and _mentions(method.value, names):
                yield node.lineno


def _mentions(node: ast.AST, names: set[str]) -> bool:
    return any(isinstance(part, ast.Name) and part.id in names for part in ast.walk(node)) or any(
        isinstance(part, ast.Attribute) and part.attr == "Grant" for part in ast.walk(node)
    )


def test_only_the_store_writes_grants() -> None:
    writes: list[str] = []
    for path in product_files():
        tree, name = ast.parse(path.read_text()), path.relative_to(ROOT).as_posix()
        lines = [line for line, text in texts(tree) if WRITES.search(text)] + [*model_writes(tree)]
        if name != STORE:
            writes += [f"{name}:{line}" for line in lines]

    assert writes == []


def test_scan_finds_each_way_to_write() -> None:
    """The scan above must not be blind."""
    ways = [
        'x = "UPDATE grants g SET role = $1"',
        "await Grant.create(role=role)",
        "await Grant.filter(id=key).update(role=role)",
        "await grant.Grant.filter(id=key).delete()",
        "row = await Grant.get(id=key)\nawait row.save()",
        "async def f(row: Grant) -> None:\n    await row.save()",
    ]

    found_ways = [
        way
        for way in ways
        if [*model_writes(ast.parse(way))] or [line for line, text in texts(ast.parse(way)) if WRITES.search(text)]
    ]

    assert found_ways == ways


def test_each_statement_that_gives_or_takes_needs_a_permit() -> None:
    functions = {
        name: inspect.signature(function)
        for name, function in vars(grant_store).items()
        if inspect.iscoroutinefunction(function) and function.__module__ == grant_store.__name__
    }
    with_permit = {
        name
        for name, signature in functions.items()
        if "Permit" in str([parameter.annotation for parameter in signature.parameters.values()])
    }

    assert functions.keys() - with_permit == WITHOUT_PERMIT
    assert with_permit == {"create", "change", "restore", "change_ownership", "end"}


def test_only_the_rules_create_permits() -> None:
    creators = [
        f"{path.relative_to(ROOT).as_posix()}:{node.lineno}"
        for path in product_files()
        if "grant_rules" in path.read_text() or path.stem == "grant_rules"
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
        and (node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")) == Permit.__name__
    ]

    assert {creator.rpartition(":")[0] for creator in creators} == {RULES}
    assert len(creators) == 2, "in `permit`: for an exemption and for a user"


EXEMPT: Final = {
    "HOLDER": {"models/access/grant_operation.py", "models/people/placeholder_owner.py", "models/privacy/departure.py"},
    "BUREAU": {
        "models/access/derived_grant.py",
        "models/bureaus/consultant.py",
        "models/bureaus/engagement.py",
        "models/bureaus/pending_client.py",
    },
    "CLOSURE": {
        "models/access/derived_grant.py",
        "models/access/grant_operation.py",
        "models/bureaus/pending_client.py",
        "models/closing/closure.py",
    },
    "ASSIGNMENT": {"models/bureaus/assignment.py"},
    "OPENING": {"models/accounts/account.py", "models/bureaus/client.py"},
    "UNCLAIMED": {"models/bureaus/assignment.py"},
    "TRANSFER": {"models/sharing/ownership.py"},
}
"""The modules that use each exemption. Every other change of a grant is checked by the rights of a user."""


def test_each_exemption_has_its_modules() -> None:
    uses: dict[str, set[str]] = {exemption.name: set() for exemption in Exemption}
    for path in product_files():
        name = path.relative_to(ROOT).as_posix()
        for node in ast.walk(ast.parse(path.read_text())):
            is_use = isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)
            if is_use and isinstance(node, ast.Attribute) and ast.unparse(node.value) == "Exemption" and name != RULES:
                uses[node.attr].add(name)

    assert uses == EXEMPT


@pytest.mark.parametrize("exemption", Exemption)
def test_exemption_allows_only_its_kind_of_change(exemption: Exemption) -> None:
    small, large = Terms(Role.SIMPLE_USER, 1, None), Terms(Role.ADMINISTRATOR, None, None)
    waiting_terms = Terms(Role.CONSULTANT, None, None)
    changes = {
        "opening": (None, large),
        "collaborator": (None, Terms(Role.COLLABORATOR, None, None)),
        "waiting": (None, waiting_terms),
        "raise": (small, large),
        "lower": (large, small),
        "end": (large, None),
        "to owner": (small, OWNER),
        "from owner": (OWNER, large),
    }

    allowed_changes = {name for name, change in changes.items() if is_permitted(exemption, *change)}

    takes = {"end"}
    assert (
        allowed_changes
        == {
            Exemption.HOLDER: takes,
            Exemption.BUREAU: takes,
            Exemption.CLOSURE: takes,
            Exemption.ASSIGNMENT: {"waiting"},
            Exemption.OPENING: {"opening", "collaborator", "waiting"},
            Exemption.UNCLAIMED: {"collaborator", "waiting"},
            Exemption.TRANSFER: {"to owner", "from owner"},
        }[exemption]
    )


def test_statements_without_permit_write_no_role_and_no_allowlist() -> None:
    statements = {
        name: value
        for name, value in vars(grant_store).items()
        if isinstance(value, str) and WRITES.search(value) and name.startswith("_")
    }

    assert {"_EXPIRE", "_RESCHEDULE", "_HAND_OVER", "_RECORD_USE"} <= statements.keys()
    for name in ("_EXPIRE", "_RESCHEDULE", "_HAND_OVER", "_RECORD_USE"):
        assignments = statements[name].partition(" SET ")[2].partition("WHERE")[0]
        assert not re.search(r"\b(role|listed|engagement_id)\s*=", assignments), name
