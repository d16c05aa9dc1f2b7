"""CORS: pages of the allowed origins may call /graphql with cookies. Other origins get no CORS headers."""

from collections.abc import AsyncIterator

import httpx2
import pytest

import app
from settings import Settings
from tests.api import KEY, PASSWORD, Api, Clock, run_application
from tests.browser import SESSION_HEADERS, SIGN_IN, VIEWER, Browser
from tests.server.conftest import PRODUCTION_URL

FRONT_END = "https://app.example.com"
OTHER_PORT = "https://shop.example.com:8443"
SIMILAR_ORIGINS = [
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
    PRODUCTION_URL,  # the same origin needs no CORS headers
]
CORS_HEADERS = ("access-control-allow-origin", "access-control-allow-credentials", "access-control-allow-headers")


@pytest.fixture
async def api(database_url: str, clock: Clock) -> AsyncIterator[Api]:
    """The application in production mode, with two allowed origins."""
    application = app.create(
        Settings(
            database_url=database_url,
            secret_key=KEY,
            public_url=PRODUCTION_URL,
            allowed_origins=(FRONT_END, OTHER_PORT),
        ),
        clock=clock,
    )
    async with run_application(application, PRODUCTION_URL) as http:
        yield Api(http, clock)


async def preflight(http: httpx2.AsyncClient, origin: str) -> httpx2.Response:
    headers = {
        "Origin": origin,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "content-type,x-session",
    }
    return await http.request("OPTIONS", "/graphql", headers=headers)


@pytest.mark.parametrize("origin", [FRONT_END, OTHER_PORT])
async def test_allowed_origin_can_sign_in_and_use_the_cookie(api: Api, origin: str) -> None:
    anna = await api.person("anna@example.com")
    browser = Browser(api.http)
    preflight_response = await preflight(api.http, origin)
    assert (preflight_response.status_code, preflight_response.content) == (204, b"")
    assert preflight_response.headers["access-control-allow-origin"] == origin
    assert preflight_response.headers["access-control-allow-credentials"] == "true"
    assert preflight_response.headers["access-control-allow-methods"] == "GET, POST"
    assert {"content-type", "authorization", "x-account", "x-session", "x-view-as"} <= set(
        preflight_response.headers["access-control-allow-headers"].lower().split(", ")
    )
    assert preflight_response.headers["access-control-max-age"] == "600"
    origin_headers = SESSION_HEADERS | {"Origin": origin, "Sec-Fetch-Site": "same-site"}

    await browser.ask(SIGN_IN, {"input": {"email": anna.email, "password": PASSWORD}}, headers=origin_headers)
    response = await api.http.post("/graphql", json={"query": VIEWER}, headers=browser.cookie_header | origin_headers)

    assert response.json() == {"data": {"viewer": {"user": {"id": anna.user_id}}}}
    assert response.headers["access-control-allow-origin"] == origin
    assert response.headers["access-control-allow-credentials"] == "true"
    assert response.headers["access-control-expose-headers"] == "X-Request-Id, Retry-After"
    assert response.headers["vary"] == "Origin"
    parse_error = await api.http.post(
        "/graphql", content=b"{", headers=origin_headers | {"Content-Type": "application/json"}
    )
    assert (parse_error.status_code, parse_error.headers["access-control-allow-origin"]) == (400, origin)


async def test_similar_origin_gets_no_cors_headers_and_cannot_use_the_cookie(api: Api) -> None:
    anna = await api.person("anna@example.com")
    browser = Browser(api.http)
    await browser.sign_in(anna.email)

    for origin in SIMILAR_ORIGINS:
        preflight_response = await preflight(api.http, origin)
        without_cookie = await api.http.post("/graphql", json={"query": VIEWER}, headers={"Origin": origin})
        with_cookie = await api.http.post(
            "/graphql", json={"query": VIEWER}, headers=browser.cookie_header | SESSION_HEADERS | {"Origin": origin}
        )

        assert preflight_response.status_code == 405
        assert without_cookie.json() == {"data": {"viewer": None}}
        if origin != PRODUCTION_URL:
            assert (with_cookie.status_code, with_cookie.json()["errors"][0]["extensions"]["reason"]) == (
                403,
                "FOREIGN_ORIGIN",
            )
        for response in (preflight_response, without_cookie, with_cookie):
            assert response.headers["vary"] == "Origin"
            assert not {*CORS_HEADERS} & {*response.headers}


async def test_cors_headers_are_sent_only_for_graphql(api: Api) -> None:
    for path in ("/livez", "/readyz", "/static/graphiql/page.js", "/nothing"):
        response = await api.http.get(path, headers={"Origin": FRONT_END})

        assert not {*CORS_HEADERS, "vary"} & {*response.headers}


async def test_options_without_preflight_header_is_rejected(api: Api) -> None:
    response = await api.http.request("OPTIONS", "/graphql", headers={"Origin": FRONT_END})

    assert response.status_code == 405


async def test_no_origin_is_allowed_by_default(production: httpx2.AsyncClient) -> None:
    preflight_response = await preflight(production, FRONT_END)
    response = await production.post("/graphql", json={"query": VIEWER}, headers={"Origin": FRONT_END})

    assert (preflight_response.status_code, response.status_code) == (405, 200)
    for answer in (preflight_response, response):
        assert not {*CORS_HEADERS} & {*answer.headers}
