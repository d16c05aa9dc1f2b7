"""The allowed imports between the folders of the panel, checked in the source code.

    core <- components <- pages <- routes.js (when a page is opened)

Preact is imported by core/view.js only, so that the rest of the panel does not depend on it.
"""

import re
from collections.abc import Iterator
from pathlib import Path

PANEL = Path(__file__).resolve().parents[2] / "panel"
STATIC_IMPORT = re.compile(r'^(?:import|export)\b[^;"]*?(?:from\s*)?"([^"]+)";', re.MULTILINE)
DYNAMIC_IMPORT = re.compile(r"\bimport\(([^)]*)\)")
VENDOR_IMPORTER = "core/view.js"
ALLOWED_IMPORTS = {
    "core": {"core"},
    "components": {"core", "components", "routes.js"},
    "pages": {"core", "components", "pages"},
    "routes.js": {"core"},
    "main.js": {"core", "components", "routes.js"},
}
"""The folders and files that each folder or file may import statically. The navigation reads the table of pages."""


def part_of(path: Path) -> str:
    return path.relative_to(PANEL).parts[0]


def name_of(path: Path) -> str:
    return path.relative_to(PANEL).as_posix()


def scripts() -> list[Path]:
    return sorted(PANEL.rglob("*.js"))


def imported_paths(path: Path) -> Iterator[Path]:
    """Yield each script of the panel that a script imports statically."""
    for target in STATIC_IMPORT.findall(path.read_text()):
        if target.startswith("."):
            yield (path.parent / target).resolve()


def test_every_part_of_the_panel_has_its_allowed_imports() -> None:
    assert {part_of(path) for path in scripts()} == ALLOWED_IMPORTS.keys()


def test_scripts_import_only_scripts_below_them() -> None:
    violations = [
        f"{name_of(path)} imports {name_of(target)}"
        for path in scripts()
        for target in imported_paths(path)
        if part_of(target) not in ALLOWED_IMPORTS[part_of(path)]
    ]

    assert violations == []


def test_imported_scripts_exist() -> None:
    targets = [(path, target) for path in scripts() for target in imported_paths(path)]

    assert [f"{name_of(path)} imports {target}" for path, target in targets if not target.is_file()] == []


def test_only_the_views_import_a_library() -> None:
    importers = {name_of(path) for path in scripts() if '"/static/vendor/' in path.read_text()}
    other_targets = [
        (name_of(path), target)
        for path in scripts()
        for target in STATIC_IMPORT.findall(path.read_text())
        if not target.startswith((".", "/static/vendor/"))
    ]

    assert importers == {VENDOR_IMPORTER}
    assert other_targets == []


def test_pages_are_loaded_by_the_table_of_pages_only() -> None:
    targets = {
        name_of(path): [target.strip().strip('"') for target in DYNAMIC_IMPORT.findall(source)]
        for path in scripts()
        if DYNAMIC_IMPORT.search(source := "\n".join(code_lines(path)))
    }

    assert targets.keys() == {"routes.js"}
    assert all(target.startswith("./pages/") and (PANEL / target).is_file() for target in targets["routes.js"])


def test_every_page_is_opened_by_the_table_or_imported_by_another_page() -> None:
    pages = {path for path in scripts() if part_of(path) == "pages"}
    targets = DYNAMIC_IMPORT.findall((PANEL / "routes.js").read_text())
    opened = {(PANEL / target.strip('"')).resolve() for target in targets}
    imported = {target for path in scripts() for target in imported_paths(path)}

    assert {name_of(path) for path in pages - opened - imported} == set()


def code_lines(path: Path) -> list[str]:
    return [line for line in path.read_text().splitlines() if not re.match(r"\s*(//|/?\*)", line)]
