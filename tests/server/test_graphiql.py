import re

import httpx2
import pytest

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


async def test_browser_gets_the_page(production: httpx2.AsyncClient) -> None:
    response = await production.get("/graphql", headers={"Accept": BROWSER})

    assert response.status_code == 200
    assert "<title>Fullmakt" in response.text


async def test_browser_gets_the_page_for_a_url_with_a_query(production: httpx2.AsyncClient) -> None:
    response = await production.get("/graphql", params={"query": "{ roles { role } }"}, headers={"Accept": BROWSER})

    assert "<title>Fullmakt" in response.text


@pytest.mark.parametrize("accept", ["*/*", "application/json", "application/graphql-response+json", None])
async def test_other_clients_get_json(production: httpx2.AsyncClient, accept: str | None) -> None:
    headers = {} if accept is None else {"Accept": accept}

    response = await production.get("/graphql", headers=headers)

    assert response.status_code == 400
    assert response.json()["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"


async def test_page_loads_only_local_files(production: httpx2.AsyncClient) -> None:
    page = (await production.get("/graphql", headers={"Accept": BROWSER})).text

    paths = re.findall(r'(?:src|href)="([^"]+)"', page)

    assert len(paths) == 9
    for name in paths:
        if name == "data:,":
            continue
        assert name.startswith("/static/")
        assert (await production.get(name)).status_code == 200
    assert not re.search(r"<script(?![^>]*src=)|\sstyle=|\son\w+=", page)


async def test_script_stores_no_token_and_contacts_no_other_host(production: httpx2.AsyncClient) -> None:
    script = (await production.get("/static/graphiql/page.js")).text

    assert re.findall(r'fetch\("([^"]+)"', script) == ["/graphql"]
    # A comment names localStorage.
    code = "\n".join(line for line in script.splitlines() if not line.strip().startswith("//"))
    assert not re.search(r"localStorage|sessionStorage|indexedDB|document\.cookie|https?://", code)
    assert code.count('"X-Session"] = "cookie"') == 1
