"""Plain pages for the links in mails, for development only.

A product has its own pages at these addresses. In production these pages do not exist. Opening a page changes
nothing: the token is after the `#`, which browsers never send to a server. A button sends the token in the body of
POST /graphql.
"""

from pathlib import Path
from string import Template
from typing import Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, Response
from starlette.routing import Route

FOLDER: Final = Path(__file__).parent / "static" / "pages"
TITLES: Final = {
    "invitation": "You are invited",
    "activate": "Activate your login",
    "reset": "Choose a new password",
    "email": "Use a new address",
    "email-undo": "Undo the change of your address",
}
_TYPES: Final = {".js": "text/javascript", ".css": "text/css"}
_FILES: Final = {path.name: path for path in FOLDER.iterdir() if path.suffix in _TYPES}
HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
}


def routes() -> list[Route]:
    """Return the routes of the pages and their files. They must come before any mount of /static."""
    pages = [Route(f"/{name}", _page, name=name) for name in TITLES]
    return [*pages, Route("/static/pages/{name}", _file)]


async def _page(request: Request) -> Response:
    name = request.url.path.strip("/")
    layout = Template((FOLDER / "layout.html").read_text(encoding="utf-8"))
    step = (FOLDER / f"{name}.html").read_text(encoding="utf-8")
    return HTMLResponse(layout.substitute(title=TITLES[name], name=name, step=step), headers=HEADERS)


async def _file(request: Request) -> Response:
    path = _FILES.get(request.path_params["name"])
    if path is None:
        raise HTTPException(404)
    return FileResponse(path, media_type=_TYPES[path.suffix], headers=HEADERS)
