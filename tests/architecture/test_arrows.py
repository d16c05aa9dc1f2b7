"""The allowed imports between the rooms (top-level packages and modules), checked in the source code."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

ALLOWED_IMPORTS = {
    "i18n": set[str](),
    "database": set[str](),
    "executor": set[str](),
    "settings": set[str](),
    "embedded": set[str](),
    "modules": set[str](),
    "auth": {"i18n", "modules"},
    "models": {"database", "auth", "i18n", "modules"},
    "mailer": {"models", "database", "auth", "i18n"},
    "resolvers": {"models", "database", "auth", "i18n", "modules"},
    "schema": {"resolvers", "models", "database", "auth", "i18n", "executor", "modules"},
    "workspace": {"schema", "resolvers", "models", "database", "auth", "i18n", "modules"},
    "server": {"schema", "executor", "resolvers", "models", "database", "auth", "i18n"},
}
"""The rooms that each room may import. app, cli, commands and demo may import all rooms."""

ALLOWED_MODEL_IMPORTS = {
    "base": set[str](),
    "tables": {"base"},
    "throttle": {"base"},
    "outbox": {"base", "throttle"},
    "audit": {"base", "throttle"},
    "persisted_operation": {"base", "audit"},
    "access": {"base", "throttle", "outbox", "audit"},
    "billing": {"base", "throttle", "outbox", "audit", "access"},
    "accounts": {"base", "throttle", "outbox", "audit", "access", "billing"},
    "people": {"base", "throttle", "outbox", "audit", "access", "billing", "accounts"},
    "sharing": {"base", "throttle", "outbox", "audit", "access", "accounts", "people"},
    "bureaus": {"base", "outbox", "audit", "access", "billing", "accounts", "people"},
    "closing": {
        *("base", "throttle", "outbox", "audit", "access", "billing", "accounts", "people", "sharing", "bureaus")
    },
    "live": {"base", "audit", "access", "people"},
    "privacy": {"base", "throttle", "outbox", "audit", "access", "accounts", "people", "sharing", "closing"},
    "scheduled": {"access", "accounts", "audit", "base", "outbox", "closing", "privacy", "sharing"},
    "lists": {"base", "outbox", "audit", "access", "billing", "accounts", "people", "sharing", "bureaus"},
}
"""The rooms of `models/` that each room of `models/` may import."""

ENTRY_POINT_ROOMS = {"app", "cli", "commands", "demo"}
ALLOWED_IMPORTERS = {"mailer": {"app", "commands"}, "embedded": {"commands"}}
"""Rooms that only these entry points may import. demo may not import them."""

MAX_LINES = 400


def rooms() -> set[str]:
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"tests"}
    return packages | {path.stem for path in ROOT.glob("*.py")}


def modules() -> list[Path]:
    return sorted(path for name in rooms() for path in [*ROOT.glob(f"{name}.py"), *ROOT.glob(f"{name}/**/*.py")])


def room(path: Path) -> str:
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def imported_rooms(path: Path) -> Iterator[tuple[int, str]]:
    """Yield each room that a module imports, with the line. Imports inside functions are included."""
    for node in ast.walk(ast.parse(path.read_text())):
        match node:
            case ast.Import():
                names = [alias.name for alias in node.names]
            case ast.ImportFrom():
                assert node.level == 0, f"{path}:{node.lineno}: a relative import"
                names = [node.module or ""]
            case _:
                continue
        yield from ((node.lineno, name.split(".")[0]) for name in names if name.split(".")[0] in rooms())


def relative_path(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def test_every_room_has_its_allowed_imports() -> None:
    assert rooms() == ALLOWED_IMPORTS.keys() | ENTRY_POINT_ROOMS


def test_rooms_import_only_rooms_below_them() -> None:
    violations = [
        f"{relative_path(path)}:{line} imports {target}"
        for path in modules()
        if room(path) not in ENTRY_POINT_ROOMS
        for line, target in imported_rooms(path)
        if target not in ALLOWED_IMPORTS[room(path)] | {room(path)}
    ]

    assert violations == []


def find_cycle(allowed_imports: dict[str, set[str]]) -> dict[str, set[str]]:
    """Repeatedly remove the rooms that import no remaining room. Return the rest; it is empty without a cycle."""
    cycle = {name: set(targets) for name, targets in allowed_imports.items()}
    while leaves := {name for name, targets in cycle.items() if not targets & cycle.keys()}:
        cycle = {name: targets for name, targets in cycle.items() if name not in leaves}
    return cycle


def test_allowed_imports_have_no_cycle() -> None:
    assert find_cycle(ALLOWED_IMPORTS) == {}


def model_room(path: Path) -> str:
    return path.relative_to(ROOT / "models").parts[0].removesuffix(".py")


def model_modules() -> list[Path]:
    return [
        path for path in sorted((ROOT / "models").glob("**/*.py")) if model_room(path) not in {"__init__", "migrations"}
    ]


def model_imports(path: Path) -> Iterator[tuple[int, str]]:
    """Yield each room of `models/` that a module imports, with the line."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            package, *names = node.module.split(".")
            if package == "models":
                yield from ((node.lineno, name) for name in (names[:1] or [alias.name for alias in node.names]))


def test_every_room_of_models_has_its_allowed_imports() -> None:
    assert {model_room(path) for path in model_modules()} == ALLOWED_MODEL_IMPORTS.keys()


def test_rooms_of_models_import_only_rooms_below_them() -> None:
    violations = [
        f"{relative_path(path)}:{line} imports {target}"
        for path in model_modules()
        for line, target in model_imports(path)
        if target not in ALLOWED_MODEL_IMPORTS[model_room(path)] | {model_room(path)}
    ]

    assert violations == []


def test_every_allowed_import_between_rooms_of_models_is_used() -> None:
    used_imports = {(model_room(path), target) for path in model_modules() for _, target in model_imports(path)}

    assert [
        (name, target)
        for name, targets in ALLOWED_MODEL_IMPORTS.items()
        for target in targets
        if (name, target) not in used_imports
    ] == []


def test_allowed_imports_between_rooms_of_models_have_no_cycle() -> None:
    assert find_cycle(ALLOWED_MODEL_IMPORTS) == {}


def test_only_entry_points_import_entry_points() -> None:
    importers = {
        (room(path), target) for path in modules() for _, target in imported_rooms(path) if target in ENTRY_POINT_ROOMS
    }

    assert {(name, target) for name, target in importers if name not in {"cli", "app", "commands"}} == set()
    assert {target for name, target in importers if name == "app"} == set()


@pytest.mark.parametrize("room_name", sorted(ALLOWED_IMPORTERS))
def test_only_entry_points_import_the_mailer_and_the_embedded_database(room_name: str) -> None:
    importers = {room(path) for path in modules() for _, target in imported_rooms(path) if target == room_name}

    assert importers - {room_name} <= ALLOWED_IMPORTERS[room_name]


def public_definitions(tree: ast.Module, path: Path) -> Iterator[tuple[str, ast.AST]]:
    """Yield the public definitions of a module: itself, its functions, its classes and their methods."""
    yield relative_path(path), tree
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and not node.name.startswith("_"):
            yield f"{relative_path(path)}:{node.name}", node
            for inner in node.body if isinstance(node, ast.ClassDef) else []:
                if isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef) and not inner.name.startswith("_"):
                    yield f"{relative_path(path)}:{node.name}.{inner.name}", inner


def test_every_public_definition_has_a_docstring() -> None:
    undocumented_names = [
        name
        for path in modules()
        for name, node in public_definitions(ast.parse(path.read_text()), path)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and not ast.get_docstring(node)
    ]

    assert undocumented_names == []


def test_no_module_is_longer_than_400_lines() -> None:
    lengths = {relative_path(path): len(path.read_text().splitlines()) for path in modules()}

    assert {name: length for name, length in lengths.items() if length > MAX_LINES} == {}


def test_resolver_modules_are_named_after_a_model_or_schema_module() -> None:
    """The exceptions are modules that all resolvers share."""
    exceptions = {"__init__", "context", "ids", "mutation_resolver", "node", "pages", "rights", "role", "row_scope"}
    names = {path.stem for path in (ROOT / "resolvers").glob("*.py")} - exceptions
    namesakes = {path.stem for folder in ("models", "schema") for path in (ROOT / folder).glob("**/*.py")}

    assert names - namesakes == set()


def test_reader_of_imports_finds_rooms_and_ignores_libraries() -> None:
    """`imported_rooms` also finds imports inside functions."""
    targets = {target for _, target in imported_rooms(ROOT / "commands/runtime.py")}

    assert {"demo", "embedded", "models", "settings"} <= targets
    assert "click" not in targets
