"""Copies the files of GraphiQL, React, Preact and htm from npm packages to server/static/vendor.

    web/package.json       the packages            web/package-lock.json  their exact versions and hashes
    web/files.sha256       the hashes of the copied files; if all match, nothing is fetched

The files are complete bundles, so the lock contains only their packages and no dependencies. Preact's hooks import the
bare name `preact`, which a browser resolves only by an import map; REPLACEMENTS gives it a path.

`make` runs this module, which uses only the standard library and web/packages.py.
"""

import hashlib
import os
import shutil
import sys
import tempfile
from pathlib import Path

from web import packages
from web.packages import PackagesError

WEB_FOLDER = Path(__file__).resolve().parent
VENDOR = WEB_FOLDER.parent / "server" / "static" / "vendor"
MANIFEST = WEB_FOLDER / "files.sha256"
USAGE = "usage: python -m web.fetch [--lock]"
SOURCES = {
    "graphiql.min.js": "graphiql/graphiql.min.js",
    "graphiql.min.css": "graphiql/graphiql.min.css",
    "react.production.min.js": "react/umd/react.production.min.js",
    "react-dom.production.min.js": "react-dom/umd/react-dom.production.min.js",
    "explorer.umd.js": "@graphiql/plugin-explorer/dist/index.umd.js",
    "explorer.css": "@graphiql/plugin-explorer/dist/style.css",
    "preact.js": "preact/dist/preact.module.js",
    "hooks.js": "preact/hooks/dist/hooks.module.js",
    "htm.js": "htm/dist/htm.module.js",
}
REPLACEMENTS = {
    "preact.js": [(b"//# sourceMappingURL=preact.module.js.map", b"")],
    "hooks.js": [(b'from"preact"', b'from"./preact.js"'), (b"//# sourceMappingURL=hooks.module.js.map", b"")],
}
"""Texts that are replaced when a file is copied. Each occurs once in its file. The hash is that of the changed file."""


def main(arguments: list[str]) -> int:
    """Fetch missing files, or with --lock update the lock. Returns exit code 0 (success), 1 (failure) or 2 (usage)."""
    if arguments not in ([], ["--lock"]):
        print(USAGE, file=sys.stderr)
        return 2
    try:
        if arguments:
            lock()
        elif not is_complete():
            fetch()
    except PackagesError as error:
        print(f"web: {error}", file=sys.stderr)
        return 1
    return 0


def fetch() -> None:
    """Install the locked packages in a temporary folder and copy the files. Each file is replaced atomically."""
    print("Fetching the files of GraphiQL and of the panel (once)", flush=True)
    with tempfile.TemporaryDirectory(prefix="fullmakt-web-") as folder:
        modules = install(Path(folder))
        for name, digest in read_manifest().items():
            content = read_source(modules, name)
            if hashlib.sha256(content).hexdigest() != digest:
                raise PackagesError(f"{name} does not have the hash in {MANIFEST.name}")
            replace_file(VENDOR / name, content)


def lock() -> None:
    """Write package-lock.json and files.sha256 for the packages in package.json."""
    replace_file(WEB_FOLDER / "package-lock.json", packages.build_lock(WEB_FOLDER, with_dependencies=False))
    with tempfile.TemporaryDirectory(prefix="fullmakt-web-") as folder:
        modules = install(Path(folder))
        lines = [f"{hashlib.sha256(read_source(modules, name)).hexdigest()}  {name}" for name in SOURCES]
    replace_file(MANIFEST, ("\n".join(lines) + "\n").encode())


def read_source(modules: Path, name: str) -> bytes:
    """Return the content of a file in its package, with its replacements."""
    content = (modules / SOURCES[name]).read_bytes()
    for old, new in REPLACEMENTS.get(name, ()):
        if content.count(old) != 1:
            raise PackagesError(f"{SOURCES[name]} has {content.count(old)} times {old.decode()}, not once")
        content = content.replace(old, new)
    return content


def is_complete() -> bool:
    """Return True if all files have the right hashes. Reads 1.6 MB in about 5 ms."""
    return all(
        (VENDOR / name).is_file() and hashlib.sha256((VENDOR / name).read_bytes()).hexdigest() == digest
        for name, digest in read_manifest().items()
    )


def read_manifest() -> dict[str, str]:
    """Return the SHA-256 of each file by name, from files.sha256."""
    pairs = [line.split() for line in MANIFEST.read_text().splitlines() if line]
    return {name: digest for digest, name in pairs}


def install(project: Path) -> Path:
    """Install the packages in `project` from copies of the package lists. Returns the folder node_modules."""
    for name in ("package.json", "package-lock.json"):
        shutil.copy(WEB_FOLDER / name, project)
    return packages.install(project)


def replace_file(target: Path, content: bytes) -> None:
    """Replace a file atomically: a reader sees either the old or the new content."""
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.{os.getpid()}")
    temporary.write_bytes(content)
    temporary.replace(target)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
