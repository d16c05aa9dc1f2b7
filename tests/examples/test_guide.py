"""docs/guard-your-own-types.md agrees with the example and with the texts of defects."""

import ast
import re
from collections import defaultdict
from pathlib import Path

from tests.examples.copies import EXAMPLE, PACKAGE, ROOT
from tests.examples.test_defects import AT_START, IN_THE_DATABASE

GUIDE = (ROOT / "docs" / "guard-your-own-types.md").read_text()
FILES = sorted(path for path in (EXAMPLE / PACKAGE).glob("**/*.py") if "tests" not in path.parts[-2:-1])
TESTS = sorted((EXAMPLE / PACKAGE / "tests").glob("*.py"))
OMISSION = "...\n"
"""A line of a block that stands for lines of the file that the guide leaves out."""


def blocks() -> list[tuple[str, str]]:
    """Each Python block of the guide, with the name of its file."""
    return re.findall(r"^`([\w/.]+)`\n\n```python\n(.*?)^```$", GUIDE, re.MULTILINE | re.DOTALL)


def test_each_block_is_a_part_of_the_file_that_it_names() -> None:
    assert GUIDE.count("```python") == len(blocks()) >= 12
    for name, block in blocks():
        text, start = (EXAMPLE / name).read_text(), 0
        for part in map(str.strip, block.split(OMISSION)):
            assert part in text[start:], f"{name}: {part}"
            start = text.index(part, start) + len(part)


def test_each_file_of_the_example_is_in_the_guide() -> None:
    names = {path.name for path in [*FILES, *TESTS]} - {"__init__.py"}

    assert names - {name.rpartition("/")[2] for name, _ in blocks()} == set()


def test_figures_of_the_guide_are_true() -> None:
    def count_lines(paths: list[Path]) -> int:
        return sum(len(path.read_text().splitlines()) for path in paths)

    figures = re.search(r"\*\*(\d+) files with (\d+) lines\*\*, and one file of tests with (\d+) lines", GUIDE)

    assert figures is not None
    assert [int(figure) for figure in figures.groups()] == [len(FILES), count_lines(FILES), count_lines(TESTS)]


def imported_names() -> dict[str, set[str]]:
    """The names of the product that the example imports, by their module. Of an imported module, those that it uses."""
    names: dict[str, set[str]] = defaultdict(set)
    rooms = {path.parent.name for path in ROOT.glob("*/__init__.py")} | {path.stem for path in ROOT.glob("*.py")}
    for path in FILES:
        tree = ast.parse(path.read_text())
        uses = {ast.unparse(node) for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] in rooms:
                imports = [(f"{node.module}.{alias.name}", alias.name) for alias in node.names]
            elif isinstance(node, ast.Import):
                imports = [(alias.name, alias.name) for alias in node.names if alias.name.split(".")[0] in rooms]
            else:
                continue
            for target, alias in imports:
                module, _, name = target.rpartition(".")
                if (ROOT / f"{target.replace('.', '/')}.py").exists():
                    names[target] |= {use.split(".")[-1] for use in uses if use.rpartition(".")[0] == alias}
                else:
                    names[module].add(name)
    return names


def test_list_of_public_names_has_the_names_that_the_example_imports() -> None:
    rows = re.findall(r"^\| `([\w.]+)` \| (.+) \|$", GUIDE.split("## Public names")[1], re.MULTILINE)

    assert {module: {*re.findall(r"`(\w+)`", names)} for module, names in rows} == imported_names()


def test_each_text_of_a_defect_is_in_the_guide() -> None:
    texts = re.findall(r"`([^`]+)`", GUIDE.split("## What can go wrong")[1].split("## Releases")[0])

    assert [text for _, text in [*AT_START, *IN_THE_DATABASE] if not any(part in text for part in texts)] == []
