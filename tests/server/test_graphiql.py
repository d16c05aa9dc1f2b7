import re

import httpx2
import pytest

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


async def test_a_browser_gets_the_page(production: httpx2.AsyncClient) -> None:
    response = await production.get("/graphql", headers={"Accept": BROWSER})

    assert response.status_code == 200
    assert "<title>Fullmakt" in response.text


async def test_a_browser_gets_the_page_for_an_address_with_a_query(production: httpx2.AsyncClient) -> None:
    response = await production.get("/graphql", params={"query": "{ roles { role } }"}, headers={"Accept": BROWSER})

    assert "<title>Fullmakt" in response.text


@pytest.mark.parametrize("accepts", ["*/*", "application/json", "application/graphql-response+json", None])
async def test_a_program_gets_json(production: httpx2.AsyncClient, accepts: str | None) -> None:
    headers = {} if accepts is None else {"Accept": accepts}

    response = await production.get("/graphql", headers=headers)

    assert response.status_code == 400
    assert response.json()["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"


async def test_the_page_loads_only_files_that_are_here(production: httpx2.AsyncClient) -> None:
    page = (await production.get("/graphql", headers={"Accept": BROWSER})).text

    loaded = re.findall(r'(?:src|href)="([^"]+)"', page)

    assert len(loaded) == 9
    for name in loaded:
        if name == "data:,":
            continue
        assert name.startswith("/static/")
        assert (await production.get(name)).status_code == 200
    assert not re.search(r"<script(?![^>]*src=)|\sstyle=|\son\w+=", page)


async def test_no_script_keeps_the_token_or_talks_to_others(production: httpx2.AsyncClient) -> None:
    script = (await production.get("/static/graphiql/page.js")).text

    assert re.findall(r'fetch\("([^"]+)"', script) == ["/graphql"]
    # A comment names it, to say that it is not used.
    code = "\n".join(line for line in script.splitlines() if not line.strip().startswith("//"))
    assert not re.search(r"localStorage|sessionStorage|indexedDB|document\.cookie|https?://", code)
    assert code.count('"X-Session"] = "cookie"') == 1
