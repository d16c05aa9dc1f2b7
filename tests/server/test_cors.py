"""Front ends at other addresses: those that are listed may ask, with their users' cookies; nobody else is told so."""

from collections.abc import AsyncIterator

import httpx2
import pytest

import app
from settings import Settings
from tests.api import KEY, PASSWORD, Api, Clock, running
from tests.browser import ASKS, SIGN_IN, WHO, Browser
from tests.server.conftest import PRODUCTION_URL

FRONT_END = "https://app.example.com"
OTHER_PORT = "https://shop.example.com:8443"
LOOK_ALIKES = [
    "null",
    "*",
    "",
    "https://evil.example.net",
    "https://app.example.com.evil.example.net",
    "https://evilapp.example.com",
    "https://sub.app.example.com",
    "https://example.com",
    "http://app.example.com",
    "https://app.example.com:8443",
    "https://app.example.com:443",
    "https://shop.example.com",
    "https://APP.example.com",
    "https://app.example.com/",
    "https://app.example.com, https://shop.example.com:8443",
    "app.example.com",
    PRODUCTION_URL,  # its own pages need no leave
]
GRANTS = ("access-control-allow-origin", "access-control-allow-credentials", "access-control-allow-headers")


@pytest.fixture
async def api(database_url: str, clock: Clock) -> AsyncIterator[Api]:
    """The application as it stands in production, with two front ends elsewhere."""
    application = app.create(
        Settings(
            database_url=database_url,
            secret_key=KEY,
            public_url=PRODUCTION_URL,
            allowed_origins=(FRONT_END, OTHER_PORT),
        ),
        clock=clock,
    )
    async with running(application, PRODUCTION_URL) as http:
        yield Api(http, clock)


async def preflight(http: httpx2.AsyncClient, origin: str) -> httpx2.Response:
    headers = {
        "Origin": origin,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "content-type,x-session",
    }
    return await http.request("OPTIONS", "/graphql", headers=headers)


@pytest.mark.parametrize("origin", [FRONT_END, OTHER_PORT])
async def test_a_listed_front_end_signs_in_and_is_known_by_its_cookie(api: Api, origin: str) -> None:
    anna = await api.person("anna@example.com")
    browser = Browser(api.http)
    asked = await preflight(api.http, origin)
    assert (asked.status_code, asked.content) == (204, b"")
    assert asked.headers["access-control-allow-origin"] == origin
    assert asked.headers["access-control-allow-credentials"] == "true"
    assert asked.headers["access-control-allow-methods"] == "GET, POST"
    assert {"content-type", "authorization", "x-account", "x-session", "x-view-as"} <= set(
        asked.headers["access-control-allow-headers"].lower().split(", ")
    )
    assert asked.headers["access-control-max-age"] == "600"
    from_there = ASKS | {"Origin": origin, "Sec-Fetch-Site": "same-site"}

    await browser.ask(SIGN_IN, {"input": {"email": anna.email, "password": PASSWORD}}, headers=from_there)
    response = await api.http.post("/graphql", json={"query": WHO}, headers=browser.cookie | from_there)

    assert response.json() == {"data": {"viewer": {"user": {"id": anna.user_id}}}}
    assert response.headers["access-control-allow-origin"] == origin
    assert response.headers["access-control-allow-credentials"] == "true"
    assert response.headers["access-control-expose-headers"] == "X-Request-Id, Retry-After"
    assert response.headers["vary"] == "Origin"
    refused = await api.http.post("/graphql", content=b"{", headers=from_there | {"Content-Type": "application/json"})
    assert (refused.status_code, refused.headers["access-control-allow-origin"]) == (400, origin)


async def test_a_look_alike_gets_no_leave_and_no_cookie_counts_from_there(api: Api) -> None:
    anna = await api.person("anna@example.com")
    browser = Browser(api.http)
    await browser.sign_in(anna.email)

    for origin in LOOK_ALIKES:
        asked = await preflight(api.http, origin)
        free = await api.http.post("/graphql", json={"query": WHO}, headers={"Origin": origin})
        kept = await api.http.post("/graphql", json={"query": WHO}, headers=browser.cookie | ASKS | {"Origin": origin})

        assert asked.status_code == 405
        assert free.json() == {"data": {"viewer": None}}
        if origin != PRODUCTION_URL:
            assert (kept.status_code, kept.json()["errors"][0]["extensions"]["reason"]) == (403, "FOREIGN_ORIGIN")
        for response in (asked, free, kept):
            assert response.headers["vary"] == "Origin"
            assert not {*GRANTS} & {*response.headers}


async def test_only_the_graph_is_for_other_origins(api: Api) -> None:
    for path in ("/livez", "/readyz", "/static/graphiql/page.js", "/nothing"):
        response = await api.http.get(path, headers={"Origin": FRONT_END})

        assert not {*GRANTS, "vary"} & {*response.headers}


async def test_what_is_no_preflight_is_a_wrong_method(api: Api) -> None:
    response = await api.http.request("OPTIONS", "/graphql", headers={"Origin": FRONT_END})

    assert response.status_code == 405


async def test_without_a_list_nobody_elsewhere_has_leave(production: httpx2.AsyncClient) -> None:
    asked = await preflight(production, FRONT_END)
    response = await production.post("/graphql", json={"query": WHO}, headers={"Origin": FRONT_END})

    assert (asked.status_code, response.status_code) == (405, 200)
    for answer in (asked, response):
        assert not {*GRANTS} & {*answer.headers}
