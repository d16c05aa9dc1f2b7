import re
from collections.abc import AsyncIterator

import httpx2
import pytest
from starlette.applications import Starlette

from server import pages

PAGES = ["/invitation", "/activate", "/reset", "/email", "/email-undo"]


@pytest.fixture
async def browser() -> AsyncIterator[httpx2.AsyncClient]:
    transport = httpx2.ASGITransport(app=Starlette(routes=pages.routes()))
    async with httpx2.AsyncClient(transport=transport, base_url="http://localhost") as browser:
        yield browser


@pytest.mark.parametrize("path", PAGES)
async def test_page_has_security_headers_and_loads_only_local_files(browser: httpx2.AsyncClient, path: str) -> None:
    page = await browser.get(path)

    assert page.status_code == 200
    assert page.headers["content-security-policy"] == (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    assert page.headers["referrer-policy"] == "no-referrer"
    assert page.headers["cache-control"] == "no-store"
    assert page.headers["x-content-type-options"] == "nosniff"
    paths = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert paths == ["/static/pages/page.css", f"/static/pages{path}.js"]
    for name in paths:
        assert (await browser.get(name)).status_code == 200
    assert not re.search(r"<script(?![^>]*src=)|\sstyle=|\son\w+=", page.text)


@pytest.mark.parametrize("path", PAGES)
async def test_page_is_accessible(browser: httpx2.AsyncClient, path: str) -> None:
    text = (await browser.get(path)).text

    for field in re.finditer(r"<input ", text):
        assert "<label>" in text[text.rfind("\n", 0, field.start()) : field.start()]
    assert 'role="alert"' in text
    assert 'aria-live="polite"' in text
    assert '<html lang="en">' in text


@pytest.mark.parametrize(
    ("name", "content_type"),
    [("graph.js", "text/javascript"), ("invitation.js", "text/javascript"), ("page.css", "text/css")],
)
async def test_file_has_its_content_type(browser: httpx2.AsyncClient, name: str, content_type: str) -> None:
    response = await browser.get(f"/static/pages/{name}")

    assert response.headers["content-type"].split(";")[0] == content_type
    assert response.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("name", ["layout.html", "invitation.html", "..%2fpages.py", "nothing.js"])
async def test_other_files_are_not_served(browser: httpx2.AsyncClient, name: str) -> None:
    assert (await browser.get(f"/static/pages/{name}")).status_code == 404


@pytest.mark.parametrize("path", PAGES)
async def test_page_allows_only_get(browser: httpx2.AsyncClient, path: str) -> None:
    assert (await browser.post(path)).status_code == 405


def test_scripts_put_no_token_into_urls_and_no_text_into_html() -> None:
    for path in pages.FOLDER.glob("*.js"):
        script = path.read_text()
        assert re.findall(r'fetch\("([^"]+)"', script) in ([], ["/graphql"])
        assert not re.search(r"innerHTML|insertAdjacentHTML|document\.write|location\.(href|assign|search)", script)
