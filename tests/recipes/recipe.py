"""Applies the recipes of docs/recipes.md to a scratch copy of the tree.

A recipe is a section of the page. Its steps are fenced blocks, in order:

- `diff`: the first line is the path of a file. Lines with `+` are added, lines with `-` are removed, other lines are
  context. The lines without `+` must stand in the file exactly once, one after the other. A block of `+` lines alone
  makes a new file.
- `po`: an English text, then a line for each language with its translation, which fills the empty one that
  `make catalogues` wrote.
- `sh`: commands, run in the scratch copy.
"""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "recipes.md"
STEP = re.compile(r"^```(diff|po|sh)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


class StepError(Exception):
    """A step that cannot be applied as it stands."""


@dataclass(frozen=True)
class Recipe:
    """A section of the page: its title and its steps, each with its kind."""

    title: str
    steps: tuple[tuple[str, str], ...]

    def apply(self, tree: Path) -> None:
        """Take all steps in the copy `tree`. Raises StepError or CalledProcessError."""
        for kind, text in self.steps:
            apply = {"diff": edit, "po": translate, "sh": run}[kind]
            apply(tree, text)


def recipes() -> Iterator[Recipe]:
    """The recipes of the page, in order."""
    for section in re.split(r"^## ", PAGE.read_text(), flags=re.MULTILINE)[1:]:
        steps = tuple((kind, text) for kind, text in STEP.findall(section))
        if steps:
            yield Recipe(section.splitlines()[0], steps)


def edit(tree: Path, text: str) -> None:
    """Apply one `diff` block. Raises StepError where its context does not stand in the file exactly once."""
    name, *lines = text.splitlines(keepends=True)
    path = tree / name.strip()
    before = "".join(line[1:] for line in lines if not line.startswith("+"))
    after = "".join(line[1:] for line in lines if not line.startswith("-"))
    if not before:
        if path.exists():
            raise StepError(f"{name.strip()} exists already, and the block has no context.")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(after)
        return
    content = path.read_text()
    if content.count(before) != 1:
        raise StepError(f"{name.strip()} has the context {content.count(before)} times:\n{before}")
    path.write_text(content.replace(before, after))


def translate(tree: Path, text: str) -> None:
    """Apply one `po` block. Raises StepError where a catalogue lacks the empty translation."""
    message, *lines = text.splitlines()
    for line in lines:
        language, _, translation = line.partition(" ")
        edit(tree, f'i18n/locales/{language}.po\n msgid "{message}"\n-msgstr ""\n+msgstr "{translation}"\n')


def run(tree: Path, commands: str) -> None:
    """Run one `sh` block. Raises CalledProcessError with all output in the message."""
    environment = {name: value for name, value in os.environ.items() if name not in {"MAKEFLAGS", "MAKELEVEL"}}
    process = subprocess.run(
        ["sh", "-ec", commands],
        cwd=tree,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if process.returncode:
        raise StepError(f"{commands}\nended with {process.returncode}:\n{process.stdout[-6000:]}")


def scratch_copy(tree: Path) -> None:
    """Copy what git knows or would take, and the environment by links, so that `make` finds everything set up."""
    names = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split("\0")
    for name in filter(None, names):
        source = ROOT / name
        if source.is_file():
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, tree / name)
    vendor = ROOT / "server" / "static" / "vendor"
    shutil.copytree(vendor, tree / "server" / "static" / "vendor", dirs_exist_ok=True)
    environment = tree / ".venv"
    (environment / "bin").mkdir(parents=True)
    for tool in (ROOT / ".venv" / "bin").iterdir():
        if tool.name != "fullmakt":
            (environment / "bin" / tool.name).symlink_to(tool)
    # The command finds the checkout by its own folder, so it has to be a file of the copy.
    shutil.copy2(ROOT / ".venv" / "bin" / "fullmakt", environment / "bin" / "fullmakt")
    for name in ("lib", "include"):
        (environment / name).symlink_to(ROOT / ".venv" / name)
    shutil.copy2(ROOT / ".venv" / "pyvenv.cfg", environment / "pyvenv.cfg")
    for stamp in (".uv", ".runtime", ".dev", ".web"):
        (environment / stamp).touch()
    # mypy then checks only the modules that the recipes change, and those that import them.
    if (cache := ROOT / ".mypy_cache").is_dir():
        shutil.copytree(cache, tree / ".mypy_cache")
    subprocess.run(["git", "init", "-q"], cwd=tree, check=True)
    subprocess.run(["git", "add", "-A"], cwd=tree, check=True)
