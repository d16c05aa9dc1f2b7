import importlib.metadata
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LOCKS = sorted(ROOT.glob("requirements*.lock"))
# Put together, so that this file is not its own first offender.
REGISTRY_HOSTS = re.compile(
    "|".join(
        (
            r"pypi\." + "org",
            "python" + r"hosted\.org",
            r"npmjs\." + "(org|com)",
            r"yarnpkg\." + "com",
            r"unpkg\." + "com",
            r"jsdelivr\." + "net",
        )
    )
)
MACHINE_PATHS = re.compile(r"(?<![\w.<>-])/(" + "home|root|Users|work|" + "tmp" + r")/[\w.]")


def committed() -> list[Path]:
    done = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return [ROOT / name for name in done.stdout.split("\0") if name and (ROOT / name).is_file()]


def offences(pattern: re.Pattern[str]) -> list[str]:
    return [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()[:80]}"
        for path in committed()
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1)
        if pattern.search(line)
    ]


def test_there_is_a_lock_for_each_list() -> None:
    wanted = [path.with_suffix(".lock") for path in sorted(ROOT.glob("requirements*.in"))]

    assert wanted == LOCKS


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.name)
def test_every_locked_package_has_one_version_and_a_hash(lock: Path) -> None:
    entries = [entry for entry in re.split(r"\n(?=[a-z0-9])", lock.read_text()) if not entry.startswith("#")]

    assert entries
    for entry in entries:
        first = entry.splitlines()[0]
        assert re.match(r"[a-z0-9._-]+==[\w.]+( ; .+)? \\$", first), first
        assert "--hash=sha256:" in entry, first


def test_what_tests_run_on_is_what_is_served() -> None:
    def pins(lock: str) -> dict[str, str]:
        return dict(re.findall(r"^([a-z0-9._-]+)==([\w.]+)", (ROOT / lock).read_text(), re.MULTILINE))

    served, traced, tested = (pins(f"requirements{which}.lock") for which in ("", "-otel", "-dev"))

    assert {name: tested.get(name) for name in served} == served
    assert {name: tested.get(name) for name in traced} == traced


def test_no_file_names_a_registry() -> None:
    assert offences(REGISTRY_HOSTS) == []


@pytest.mark.parametrize("folder", ["web", "tests/clients"])
def test_an_npm_lock_has_hashes_and_no_address(folder: str) -> None:
    text = (ROOT / folder / "package-lock.json").read_text()

    packages = {name: entry for name, entry in json.loads(text)["packages"].items() if name}
    assert "://" not in text
    assert packages
    assert [name for name, entry in packages.items() if not entry["integrity"].startswith("sha512-")] == []
    assert [name for name, entry in packages.items() if not re.fullmatch(r"[\w.-]+", entry["version"])] == []


@pytest.mark.parametrize("folder", ["web", "tests/clients"])
def test_an_npm_lock_is_that_of_its_list(folder: str) -> None:
    wanted = json.loads((ROOT / folder / "package.json").read_text())
    packages = json.loads((ROOT / folder / "package-lock.json").read_text())["packages"]

    assert {name: packages[f"node_modules/{name}"]["version"] for name in wanted["dependencies"]} == wanted[
        "dependencies"
    ]
    assert packages[""]["engines"] == wanted["engines"]


def test_no_file_names_a_path_of_one_machine() -> None:
    assert offences(MACHINE_PATHS) == []


def test_nothing_installed_owns_a_name_of_ours() -> None:
    ours = {path.stem for path in ROOT.glob("*.py")} | {path.parent.name for path in ROOT.glob("*/__init__.py")}
    owners = importlib.metadata.packages_distributions()

    assert {name: owners[name] for name in ours if name in owners} == {}


def test_our_names_come_from_the_checkout() -> None:
    import settings

    assert Path(settings.__file__).parent == ROOT


def test_the_command_runs_from_anywhere(tmp_path: Path) -> None:
    command = Path(sys.executable).parent / "fullmakt"

    done = subprocess.run([command, "--help"], cwd=tmp_path, capture_output=True, text=True, check=False)

    assert (done.returncode, done.stderr) == (0, "")
    assert all(name in done.stdout for name in ("serve", "migrate", "demo", "matrix", "schema", "credit"))


def test_graphiql_files_are_those_of_the_list() -> None:
    done = subprocess.run(
        [sys.executable, "-c", "import sys; from web import fetch; sys.exit(not fetch.is_complete())"],
        cwd=ROOT,
        check=False,
    )

    assert done.returncode == 0
    assert len((ROOT / "web" / "files.sha256").read_text().splitlines()) == 6


def test_every_text_ends_with_a_line_break_and_has_no_carriage_return() -> None:
    contents = {path: path.read_bytes() for path in committed() if path.stat().st_size}

    assert [path for path, content in contents.items() if b"\r" in content or not content.endswith(b"\n")] == []
