"""The arrows of the house: who may import whom, read from the code itself."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

ARROWS = {
    "i18n": set[str](),
    "database": set[str](),
    "executor": set[str](),
    "settings": set[str](),
    "embedded": set[str](),
    "auth": {"i18n"},
    "models": {"database", "auth", "i18n"},
    "mailer": {"models", "database", "auth", "i18n"},
    "resolvers": {"models", "database", "auth", "i18n"},
    "schema": {"resolvers", "models", "database", "auth", "i18n", "executor"},
    "server": {"schema", "executor", "resolvers", "models", "database", "auth", "i18n"},
}
"""The rooms that each room may import. app, cli, commands and demo stand outside and may import all."""

MODEL_ARROWS = {
    "base": set[str](),
    "tables": {"base"},
    "throttle": {"base"},
    "outbox": {"base"},
    "audit": {"base", "throttle"},
    "persisted_operation": {"base", "audit"},
    "access": {"base", "throttle", "outbox", "audit"},
    "billing": {"base", "throttle", "audit", "access"},
    "accounts": {"base", "audit", "access", "billing"},
    "people": {"base", "throttle", "outbox", "audit", "access", "accounts"},
    "sharing": {"base", "throttle", "outbox", "audit", "access", "accounts", "people"},
    "bureaus": {"base", "throttle", "outbox", "audit", "access", "accounts", "people"},
    "live": {"base", "audit", "access", "people"},
    "privacy": {"base", "outbox", "audit", "access", "accounts", "people", "sharing", "bureaus"},
    "scheduled": {"base", "outbox", "access", "billing", "accounts", "sharing"},
    "lists": {"base", "outbox", "audit", "access", "billing", "accounts", "people", "sharing", "bureaus"},
}
"""The rooms of `models/` that each of its rooms may import."""

OUTSIDE = {"app", "cli", "commands", "demo"}
MAY_IMPORT = {"mailer": {"app", "commands"}, "embedded": {"commands"}}
"""Rooms that only these outside modules import (and demo nothing of them)."""

LONGEST = 400


def rooms() -> set[str]:
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"tests"}
    return packages | {path.stem for path in ROOT.glob("*.py")}


def modules() -> list[Path]:
    return sorted(path for name in rooms() for path in [*ROOT.glob(f"{name}.py"), *ROOT.glob(f"{name}/**/*.py")])


def room(path: Path) -> str:
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def imported(path: Path) -> Iterator[tuple[int, str]]:
    """The rooms of ours that a module imports, wherever in it, each with its line."""
    for node in ast.walk(ast.parse(path.read_text())):
        match node:
            case ast.Import():
                names = [alias.name for alias in node.names]
            case ast.ImportFrom():
                assert node.level == 0, f"{path}:{node.lineno}: imports are absolute"
                names = [node.module or ""]
            case _:
                continue
        yield from ((node.lineno, name.split(".")[0]) for name in names if name.split(".")[0] in rooms())


def place(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def test_every_room_of_the_house_has_its_arrows() -> None:
    assert rooms() == ARROWS.keys() | OUTSIDE


def test_no_arrow_points_back() -> None:
    wrong = [
        f"{place(path)}:{line} imports {other}"
        for path in modules()
        if room(path) not in OUTSIDE
        for line, other in imported(path)
        if other not in ARROWS[room(path)] | {room(path)}
    ]

    assert wrong == []


def circle(arrows: dict[str, set[str]]) -> dict[str, set[str]]:
    """What remains of `arrows` after rooms that import no remaining room were taken away again and again."""
    remaining = {name: set(targets) for name, targets in arrows.items()}
    while leaves := {name for name, targets in remaining.items() if not targets & remaining.keys()}:
        remaining = {name: targets for name, targets in remaining.items() if name not in leaves}
    return remaining


def test_the_arrows_make_no_circle() -> None:
    assert circle(ARROWS) == {}


def model_room(path: Path) -> str:
    return path.relative_to(ROOT / "models").parts[0].removesuffix(".py")


def model_modules() -> list[Path]:
    return [
        path for path in sorted((ROOT / "models").glob("**/*.py")) if model_room(path) not in {"__init__", "migrations"}
    ]


def model_imports(path: Path) -> Iterator[tuple[int, str]]:
    """The rooms of `models/` that a module imports, each with its line."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            first, *rest = node.module.split(".")
            if first == "models":
                yield from ((node.lineno, name) for name in (rest[:1] or [alias.name for alias in node.names]))


def test_each_room_of_models_has_its_arrows() -> None:
    assert {model_room(path) for path in model_modules()} == MODEL_ARROWS.keys()


def test_rooms_of_models_import_only_rooms_below_them() -> None:
    wrong = [
        f"{place(path)}:{line} imports {target}"
        for path in model_modules()
        for line, target in model_imports(path)
        if target not in MODEL_ARROWS[model_room(path)] | {model_room(path)}
    ]

    assert wrong == []


def test_each_arrow_between_rooms_of_models_is_used() -> None:
    used = {(model_room(path), target) for path in model_modules() for _, target in model_imports(path)}

    assert [
        (name, target) for name, targets in MODEL_ARROWS.items() for target in targets if (name, target) not in used
    ] == []


def test_arrows_between_rooms_of_models_make_no_circle() -> None:
    assert circle(MODEL_ARROWS) == {}


def test_nobody_imports_the_composition_root_the_command_line_or_the_demo() -> None:
    importers = {(room(path), other) for path in modules() for _, other in imported(path) if other in OUTSIDE}

    assert {(one, other) for one, other in importers if one not in {"cli", "app", "commands"}} == set()
    assert {other for one, other in importers if one == "app"} == set()


@pytest.mark.parametrize("kept", sorted(MAY_IMPORT))
def test_only_the_outside_imports_the_mailer_and_the_embedded_database(kept: str) -> None:
    importers = {room(path) for path in modules() for _, other in imported(path) if other == kept} - {kept}

    assert importers <= MAY_IMPORT[kept]


def public(tree: ast.Module, path: Path) -> Iterator[tuple[str, ast.AST]]:
    """What a module shows to others: itself, its functions, its classes and their methods."""
    yield place(path), tree
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and not node.name.startswith("_"):
            yield f"{place(path)}:{node.name}", node
            for inner in node.body if isinstance(node, ast.ClassDef) else []:
                if isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef) and not inner.name.startswith("_"):
                    yield f"{place(path)}:{node.name}.{inner.name}", inner


def test_everything_that_others_can_call_says_what_it_does() -> None:
    silent = [
        name
        for path in modules()
        for name, node in public(ast.parse(path.read_text()), path)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and not ast.get_docstring(node)
    ]

    assert silent == []


def test_no_module_is_two_articles() -> None:
    lengths = {place(path): len(path.read_text().splitlines()) for path in modules()}

    assert {name: length for name, length in lengths.items() if length > LONGEST} == {}


def test_knowing_one_name_finds_everything() -> None:
    """A resolver module is named after the model or the part of the schema that it answers for."""
    own = {"__init__", "context", "ids", "mutation_resolver", "node", "pages", "rights", "role"}
    names = {path.stem for path in (ROOT / "resolvers").glob("*.py")} - own
    twins = {path.stem for folder in ("models", "schema") for path in (ROOT / folder).glob("**/*.py")}

    assert names - twins == set()


def test_the_marks_of_bare_and_foreign_imports_are_seen() -> None:
    """The reader of imports itself: it sees those inside functions, and tells our rooms from others'."""
    seen = {other for _, other in imported(ROOT / "commands/runtime.py")}

    assert {"demo", "embedded", "models", "settings"} <= seen
    assert "click" not in seen
