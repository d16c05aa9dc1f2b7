import importlib.metadata
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from web import fetch
from web.packages import PackagesError

ROOT = Path(__file__).resolve().parents[2]
LOCKS = sorted(ROOT.glob("requirements*.lock"))
LOCK_NAMES = ("requirements.lock", "requirements-otel.lock", "requirements-dev.lock")
# Joined from parts, so that this file does not match the pattern.
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


def committed_files() -> list[Path]:
    process = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return [ROOT / name for name in process.stdout.split("\0") if name and (ROOT / name).is_file()]


def matching_lines(pattern: re.Pattern[str]) -> list[str]:
    return [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()[:80]}"
        for path in committed_files()
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1)
        if pattern.search(line)
    ]


def test_every_requirements_list_has_a_lock() -> None:
    expected_locks = [path.with_suffix(".lock") for path in sorted(ROOT.glob("requirements*.in"))]

    assert expected_locks == LOCKS


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.name)
def test_every_locked_package_has_one_version_and_a_hash(lock: Path) -> None:
    entries = [entry for entry in re.split(r"\n(?=[a-z0-9])", lock.read_text()) if not entry.startswith("#")]

    assert entries
    for entry in entries:
        first = entry.splitlines()[0]
        assert re.match(r"[a-z0-9._-]+==[\w.]+( ; .+)? \\$", first), first
        assert "--hash=sha256:" in entry, first


def test_tests_use_the_same_versions_as_the_server() -> None:
    def pins(lock_name: str) -> dict[str, str]:
        return dict(re.findall(r"^([a-z0-9._-]+)==([\w.]+)", (ROOT / lock_name).read_text(), re.MULTILINE))

    runtime_pins, tracing_pins, development_pins = map(pins, LOCK_NAMES)

    assert {name: development_pins.get(name) for name in runtime_pins} == runtime_pins
    assert {name: development_pins.get(name) for name in tracing_pins} == tracing_pins


def test_no_file_names_a_registry() -> None:
    assert matching_lines(REGISTRY_HOSTS) == []


@pytest.mark.parametrize("folder", ["web", "tests/clients"])
def test_npm_lock_has_hashes_and_no_address(folder: str) -> None:
    text = (ROOT / folder / "package-lock.json").read_text()

    packages = {name: entry for name, entry in json.loads(text)["packages"].items() if name}
    assert "://" not in text
    assert packages
    assert [name for name, entry in packages.items() if not entry["integrity"].startswith("sha512-")] == []
    assert [name for name, entry in packages.items() if not re.fullmatch(r"[\w.-]+", entry["version"])] == []


@pytest.mark.parametrize("folder", ["web", "tests/clients"])
def test_npm_lock_has_the_versions_of_its_package_file(folder: str) -> None:
    package = json.loads((ROOT / folder / "package.json").read_text())
    packages = json.loads((ROOT / folder / "package-lock.json").read_text())["packages"]

    assert {name: packages[f"node_modules/{name}"]["version"] for name in package["dependencies"]} == package[
        "dependencies"
    ]
    assert packages[""]["engines"] == package["engines"]


def test_no_file_names_a_path_of_one_machine() -> None:
    assert matching_lines(MACHINE_PATHS) == []


def test_no_installed_package_has_the_name_of_a_room() -> None:
    names = {path.stem for path in ROOT.glob("*.py")} | {path.parent.name for path in ROOT.glob("*/__init__.py")}
    owners = importlib.metadata.packages_distributions()

    assert {name: owners[name] for name in names if name in owners} == {}


def test_modules_are_imported_from_the_checkout() -> None:
    import settings

    assert Path(settings.__file__).parent == ROOT


def test_command_runs_in_any_folder(tmp_path: Path) -> None:
    command = Path(sys.executable).parent / "fullmakt"

    process = subprocess.run([command, "--help"], cwd=tmp_path, capture_output=True, text=True, check=False)

    assert (process.returncode, process.stderr) == (0, "")
    assert all(name in process.stdout for name in ("serve", "migrate", "demo", "matrix", "schema", "credit"))


def test_files_of_npm_packages_match_their_hashes() -> None:
    process = subprocess.run(
        [sys.executable, "-c", "import sys; from web import fetch; sys.exit(not fetch.is_complete())"],
        cwd=ROOT,
        check=False,
    )

    assert process.returncode == 0
    assert len((ROOT / "web" / "files.sha256").read_text().splitlines()) == 9


def test_names_in_libraries_are_replaced(tmp_path: Path) -> None:
    path = tmp_path / fetch.SOURCES["hooks.js"]
    path.parent.mkdir(parents=True)
    _ = path.write_text('import{options as n}from"preact";//# sourceMappingURL=hooks.module.js.map')

    assert fetch.read_source(tmp_path, "hooks.js") == b'import{options as n}from"./preact.js";'

    # A new version of a package may import in another way. This stops `make lock`, and not the panel.
    _ = path.write_text("import{options as n}from'preact';")
    with pytest.raises(PackagesError, match="0 times"):
        _ = fetch.read_source(tmp_path, "hooks.js")


def test_client_tests_check_the_types_of_the_same_libraries() -> None:
    served_packages, client_packages = (
        json.loads((ROOT / folder / "package.json").read_text())["dependencies"] for folder in ("web", "tests/clients")
    )

    for name in ("preact", "htm"):
        assert client_packages[name] == served_packages[name]


def test_every_file_ends_with_a_line_break_and_has_no_carriage_return() -> None:
    texts = [path for path in committed_files() if path.stat().st_size and path.suffix != ".png"]
    contents = {path: path.read_bytes() for path in texts}

    assert [path for path, content in contents.items() if b"\r" in content or not content.endswith(b"\n")] == []
