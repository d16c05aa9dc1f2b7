"""The panel: pages for accounts and access, in the folder panel/. They use the public graph and nothing else.

Each address of the panel is the same HTML page. Its scripts choose what to show. FULLMAKT_PANEL=off leaves it out.
"""

import gzip
import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from string import Template
from typing import Final

import orjson
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

import i18n
from server import operation_file

FOLDER: Final = Path(__file__).parent.parent / "panel"
PAGES: Final = (
    *("/", "/sign-in", "/sign-up", "/activate", "/forgot", "/reset", "/invitation", "/email", "/email-undo"),
    *("/accounts", "/me", "/me/{page:path}", "/a/{page:path}"),
)
"""The addresses that show the panel."""
OPERATIONS: Final = "operations"
"""The file of the operations that every installation has. Those of a module are in the file of its name."""
PRELOADED: Final = ("main.js", "routes.js", "core/*.js", "components/*.js")
"""The scripts that every page needs. The browser fetches them at once, and not one after the other."""
_OPERATIONS_FILE: Final = "operations.json"
LIBRARIES: Final = ("preact.js", "hooks.js", "htm.js")
_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_TYPES: Final = {
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".webmanifest": "application/manifest+json",
}
_MIN_COMPRESSED_BYTES: Final = 500
_GZIP: Final = re.compile(r"(?:^|[,\s])gzip\s*(?:,|$|;\s*q=(?!0(?:\.0*)?\s*(?:,|$)))", re.IGNORECASE)
"""An Accept-Encoding that allows gzip. A quality of 0 forbids it."""


@dataclass(frozen=True, slots=True)
class _File:
    """A static file, with its compressed form."""

    content: bytes
    compressed: bytes
    media_type: str
    etag: str


def routes(*, is_development: bool, modules: Sequence[str]) -> list[BaseRoute]:
    """Return the routes of the panel. They must come before any mount of /static.

    `modules` are the names of the modules whose types are in the graph. The panel gets their operations only, and shows
    the pages of these operations.

    In development, the files are read at each request and not at start, so that a change shows without a restart.
    """
    read_page: Callable[[], str]
    find_file: Callable[[str], _File | None]
    if is_development:
        read_page, find_file, read_texts = _read_page, partial(_find_file, modules=modules), _read_texts
    else:
        page, files = _read_page(), _read_files(modules)
        read_page, find_file, read_texts = lambda: page, files.get, _texts_of

    async def show_page(_: Request) -> Response:
        return Response(read_page(), media_type="text/html", headers={"Content-Security-Policy": _POLICY})

    async def send_file(request: Request) -> Response:
        file = find_file(request.path_params["name"])
        if file is None:
            raise HTTPException(404)
        return _respond(request, file)

    async def send_texts(request: Request) -> Response:
        locale = request.path_params["locale"]
        if locale not in i18n.LOCALES:
            raise HTTPException(404)
        return _respond(request, read_texts(locale))

    return [
        *(Route(path, show_page) for path in PAGES),
        Route("/static/panel/texts/{locale}.json", send_texts),
        Route("/static/panel/{name:path}", send_file),
    ]


def _read_page() -> str:
    scripts = [
        f"/static/panel/{path.relative_to(FOLDER)}" for pattern in PRELOADED for path in sorted(FOLDER.glob(pattern))
    ]
    libraries = [f"/static/vendor/{name}" for name in LIBRARIES]
    preloads = "\n".join(f'<link rel="modulepreload" href="{address}">' for address in (*libraries, *scripts))
    return Template((FOLDER / "index.html").read_text(encoding="utf-8")).substitute(preloads=preloads)


def _list_files() -> dict[str, Path]:
    return {str(path.relative_to(FOLDER)): path for path in FOLDER.rglob("*") if path.suffix in _TYPES}


def _read_files(modules: Sequence[str]) -> dict[str, _File]:
    files = {name: _read_file(path) for name, path in _list_files().items()}
    return {**files, _OPERATIONS_FILE: _operations_file(modules)}


def _find_file(name: str, modules: Sequence[str]) -> _File | None:
    if name == _OPERATIONS_FILE:
        return _operations_file(modules)
    path = _list_files().get(name)
    return _read_file(path) if path else None


def _read_file(path: Path) -> _File:
    return _file(path.read_bytes(), _TYPES[path.suffix])


def _operations_file(modules: Sequence[str]) -> _File:
    return _file(orjson.dumps(_read_operations(modules)), "application/json")


def _read_operations(modules: Sequence[str]) -> dict[str, str]:
    paths = [path for name in (OPERATIONS, *modules) if (path := FOLDER / f"{name}.graphql").exists()]
    return {
        name: text for path in paths for name, text in operation_file.split(path.read_text(encoding="utf-8")).items()
    }


def _read_texts(locale: str) -> _File:
    return _file(orjson.dumps(i18n.read_texts(locale, "panel/")), "application/json")


_texts_of: Final = cache(_read_texts)
"""The texts of a language, read and compressed at the first request for it."""


def _file(content: bytes, media_type: str) -> _File:
    # A strong tag would be that of one encoding only.
    etag = f'W/"{hashlib.sha256(content).hexdigest()[:32]}"'
    return _File(content, gzip.compress(content, mtime=0), media_type, etag)


def _respond(request: Request, file: _File) -> Response:
    headers = {"ETag": file.etag, "Vary": "Accept-Encoding"}
    if file.etag.removeprefix("W/") in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    if len(file.content) >= _MIN_COMPRESSED_BYTES and _GZIP.search(request.headers.get("accept-encoding", "")):
        return Response(file.compressed, media_type=file.media_type, headers={**headers, "Content-Encoding": "gzip"})
    return Response(file.content, media_type=file.media_type, headers=headers)
