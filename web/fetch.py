"""Copies the six files of GraphiQL and React that the server serves, out of npm packages, into server/static/vendor.

    web/package.json       what is wanted          web/package-lock.json  which bytes of it, by hash
    web/files.sha256       the six files that come out, by hash; when they are all in place nothing is done

The files are complete bundles, so the lock names only the packages they lie in and none of their dependencies.
Run by make, from nothing but the standard library and packages.py beside it.
"""

import hashlib
import os
import shutil
import sys
import tempfile
from pathlib import Path

from web import packages
from web.packages import PackagesError

HERE = Path(__file__).resolve().parent
VENDOR = HERE.parent / "server" / "static" / "vendor"
MANIFEST = HERE / "files.sha256"
USAGE = "usage: python -m web.fetch [--lock]"
SOURCES = {
    "graphiql.min.js": "graphiql/graphiql.min.js",
    "graphiql.min.css": "graphiql/graphiql.min.css",
    "react.production.min.js": "react/umd/react.production.min.js",
    "react-dom.production.min.js": "react-dom/umd/react-dom.production.min.js",
    "explorer.umd.js": "@graphiql/plugin-explorer/dist/index.umd.js",
    "explorer.css": "@graphiql/plugin-explorer/dist/style.css",
}


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
    except PackagesError as error:
        print(f"GraphiQL: {error}", file=sys.stderr)
        return 1
    return 0


def fetch() -> None:
    """Install the locked packages in a temporary folder and move the six files into place, each whole or not at all."""
    print("Fetching GraphiQL's files (once)", flush=True)
    with tempfile.TemporaryDirectory(prefix="fullmakt-web-") as folder:
        modules = installed(Path(folder))
        for name, expected in manifest().items():
            content = (modules / SOURCES[name]).read_bytes()
            if hashlib.sha256(content).hexdigest() != expected:
                raise PackagesError(f"{name} is not the file that {MANIFEST.name} names")
            put(VENDOR / name, content)


def lock() -> None:
    """Write package-lock.json and files.sha256 for what package.json asks."""
    put(HERE / "package-lock.json", packages.locked(HERE, whole=False))
    with tempfile.TemporaryDirectory(prefix="fullmakt-web-") as folder:
        modules = installed(Path(folder))
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


def installed(project: Path) -> Path:
    """Install the packages from a copy of our lists in `project`. The folder where they lie."""
    for name in ("package.json", "package-lock.json"):
        shutil.copy(HERE / name, project)
    return packages.install(project)


def put(target: Path, content: bytes) -> None:
    """Write a file whole: a reader sees the old bytes or the new."""
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.{os.getpid()}")
    temporary.write_bytes(content)
    temporary.replace(target)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
