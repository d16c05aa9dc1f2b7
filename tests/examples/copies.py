"""Scratch copies of an example, and processes that have its module installed, as on the machine of a host."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.api import KEY
from tests.serving import PUBLIC_URL

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "examples" / "timesheets"
PACKAGE = "timesheets"


def copy_example(folder: Path) -> Path:
    """Copy the example into a folder outside of the checkout. Returns the folder that holds the package."""
    target = folder / "host"
    _ = shutil.copytree(EXAMPLE, target, ignore=shutil.ignore_patterns("__pycache__"))
    return target


def edit(path: Path, old: str, new: str) -> None:
    """Replace a text that stands once in a file."""
    text = path.read_text()
    assert text.count(old) == 1, f"{path.name}: {text.count(old)} times {old!r}"
    _ = path.write_text(text.replace(old, new))


def run(folder: Path, *arguments: str, modules: str = PACKAGE, **variables: str) -> "subprocess.CompletedProcess[str]":
    """Run Python in the checkout, with the copy on the path and its module installed."""
    host_variables = {"PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1", **variables}
    if modules:
        host_variables["FULLMAKT_MODULES"] = modules
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env=os.environ | host_variables,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


def run_command(
    folder: Path, database_url: str, *arguments: str, modules: str = PACKAGE, **variables: str
) -> "subprocess.CompletedProcess[str]":
    """Run a command of the command line in production, with the module of the copy installed."""
    settings = {
        "FULLMAKT_DATABASE_URL": database_url,
        "FULLMAKT_SECRET_KEY": KEY,
        "FULLMAKT_PUBLIC_URL": PUBLIC_URL,
    }
    return run(folder, "cli.py", *arguments, modules=modules, **settings, **variables)
