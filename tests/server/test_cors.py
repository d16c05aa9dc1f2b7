"""CORS: pages of the allowed origins may call /graphql with cookies. Other origins get no CORS headers."""

from collections.abc import AsyncIterator

import httpx2
import pytest

import app
from settings import Settings
from tests.api import KEY, PASSWORD, PUBLIC_URL, Api, Clock, run_application
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


INSTRUMENTATION_HEADERS = "baggage,sentry-trace,x-datadog-trace-id, x-datadog-origin,x-requested-with,b3,newrelic"


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


@pytest.fixture
async def development(database_url: str) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of the application in development mode."""
    application = app.create(
        Settings(env="development", database_url=database_url, secret_key=KEY, public_url=PUBLIC_URL)
    )
    async with run_application(application) as http:
        yield http


async def preflight(
    http: httpx2.AsyncClient, origin: str, header_names: str = "content-type,x-session"
) -> httpx2.Response:
    headers = {
        "Origin": origin,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": header_names,
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


def allowed_headers(response: httpx2.Response) -> set[str]:
    return {name.strip().lower() for name in response.headers["access-control-allow-headers"].split(",")}


async def test_headers_of_instrumentation_are_allowed(api: Api) -> None:
    header_names = {name.strip() for name in INSTRUMENTATION_HEADERS.split(",")}

    response = await preflight(api.http, FRONT_END, INSTRUMENTATION_HEADERS)

    assert (response.status_code, allowed_headers(response) >= header_names) == (204, True)
    assert "x-account" in allowed_headers(response)


@pytest.mark.parametrize("header_names", ["", "a b", "a,,b", "a;b", "x" * 3_000])
async def test_malformed_list_of_headers_is_not_repeated(api: Api, header_names: str) -> None:
    response = await preflight(api.http, FRONT_END, header_names)

    assert header_names not in allowed_headers(response)
    assert {"content-type", "x-session"} <= allowed_headers(response)


async def test_cookie_mode_from_another_site_is_refused_with_the_reason(api: Api) -> None:
    anna = await api.person("anna@example.com")
    page_headers = {"Origin": FRONT_END, "Sec-Fetch-Site": "cross-site"}
    sign_in = {"query": SIGN_IN, "variables": {"input": {"email": anna.email, "password": PASSWORD}}}

    with_cookie = await api.http.post("/graphql", json=sign_in, headers=SESSION_HEADERS | page_headers)
    with_token = await api.http.post("/graphql", json=sign_in, headers=page_headers)

    assert with_cookie.status_code == 403
    assert with_cookie.json()["errors"][0]["extensions"]["reason"] == "CROSS_SITE_COOKIE"
    assert with_cookie.headers["access-control-allow-origin"] == FRONT_END
    assert "set-cookie" not in with_cookie.headers
    assert with_token.json()["data"]["signIn"]["accessToken"]


LOOPBACK_ORIGINS = ["http://localhost:5173", "http://127.0.0.1:3000", "https://[::1]:8443", "http://localhost"]


@pytest.mark.parametrize("origin", LOOPBACK_ORIGINS)
async def test_loopback_origin_is_allowed_in_development_only(
    development: httpx2.AsyncClient, production: httpx2.AsyncClient, origin: str
) -> None:
    development_response = await preflight(development, origin)
    production_response = await preflight(production, origin)

    assert (development_response.status_code, production_response.status_code) == (204, 405)
    assert development_response.headers["access-control-allow-origin"] == origin


@pytest.mark.parametrize(
    "origin", ["http://localhost.example.com", "http://127.0.0.1.example.com", "http://localhost:1@evil.example.com"]
)
async def test_name_that_begins_like_loopback_is_not_allowed(development: httpx2.AsyncClient, origin: str) -> None:
    assert (await preflight(development, origin)).status_code == 405


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
