"""GraphiQL with a sign-in form, served from local files only."""

from pathlib import Path
from typing import Final

from starlette.responses import HTMLResponse
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles

_STATIC: Final = Path(__file__).parent / "static"
_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; font-src data:; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS: Final = {"Content-Security-Policy": _POLICY}


def page_response() -> HTMLResponse:
    """Return the page. All its scripts and styles come from /static."""
    return HTMLResponse((_STATIC / "graphiql" / "page.html").read_text(), headers=_HEADERS)


def routes() -> list[Mount]:
    """Return the routes to the static files of the page."""
    return [
        Mount("/static/graphiql", StaticFiles(directory=_STATIC / "graphiql")),
        Mount("/static/vendor", StaticFiles(directory=_STATIC / "vendor", check_dir=False)),
    ]
