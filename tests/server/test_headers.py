"""Headers of every response, and unknown paths and methods."""

import httpx2
import pytest
from starlette.routing import Mount, Route, WebSocketRoute

import app
from settings import Settings
from tests.api import KEY, Api

UNKNOWN_MAIL = "/mailbox/00000000-0000-7000-8000-000000000000"
PAGE = {"Accept": "text/html,*/*;q=0.8"}
JSON = {"Content-Type": "application/json"}
COOKIE = {"Cookie": "__Host-fullmakt=x"}
REQUESTS: list[tuple[str, str, dict[str, str], str, int]] = [
    ("GET", "/livez", {}, "", 200),
    ("GET", "/readyz", {}, "", 200),
    ("DELETE", "/livez", {}, "", 405),
    ("GET", "/graphql", {}, "", 400),
    ("GET", "/graphql", PAGE, "", 200),
    ("HEAD", "/graphql", PAGE, "", 200),
    ("GET", "/graphql?query={roles{role}}", {}, "", 200),
    ("GET", "/graphql?query=mutation{signOut{errors{code}}}", {}, "", 405),
    ("GET", "/graphql?query={roles{role}}", {"Accept": "image/png"}, "", 406),
    ("POST", "/graphql", {}, "", 415),
    ("POST", "/graphql", JSON, "", 400),
    ("POST", "/graphql", JSON, '{"query": "{ roles { role } }"}', 200),
    ("POST", "/graphql", JSON, '{"query": "mutation { signOut { errors { code } } }"}', 200),
    ("POST", "/graphql", JSON, '{"query": "{ nothing }"}', 400),
    ("POST", "/graphql", JSON, " " * 200_000, 413),
    ("POST", "/graphql", JSON | COOKIE, '{"query": "{ roles { role } }"}', 403),
    ("POST", "/graphql", JSON | {"X-Session": "no"}, '{"query": "{ roles { role } }"}', 400),
    ("OPTIONS", "/graphql", {}, "", 405),
    ("PUT", "/graphql", {}, "", 405),
    ("GET", "/nothing", {}, "", 404),
    ("GET", "/graphql/", {}, "", 404),
    ("GET", "/static/graphiql", {}, "", 404),
    ("GET", "/static/graphiql/", {}, "", 404),
    ("GET", "/static/graphiql/page.js", {}, "", 200),
    ("GET", "/static/graphiql/none.js", {}, "", 404),
    ("POST", "/static/graphiql/page.js", {}, "", 405),
    ("GET", "/static/vendor/graphiql.min.js", {}, "", 200),
    ("GET", "/", {}, "", 200),
    ("GET", "/sign-in", {}, "", 200),
    ("GET", "/sign-up", {}, "", 200),
    ("GET", "/activate", {}, "", 200),
    ("GET", "/forgot", {}, "", 200),
    ("GET", "/reset", {}, "", 200),
    ("POST", "/reset", {}, "", 405),
    ("GET", "/invitation", {}, "", 200),
    ("GET", "/email", {}, "", 200),
    ("GET", "/email-undo", {}, "", 200),
    ("GET", "/accounts", {}, "", 200),
    ("GET", "/me", {}, "", 200),
    ("GET", "/me/profile", {}, "", 200),
    ("GET", "/a/1/users", {}, "", 200),
    ("GET", "/static/panel/style.css", {}, "", 200),
    ("GET", "/static/panel/none.css", {}, "", 404),
    ("GET", "/static/panel/texts/pl.json", {}, "", 200),
    ("GET", "/static/panel/texts/de.json", {}, "", 404),
    ("GET", "/mailbox", {}, "", 200),
    ("GET", "/mailbox.json", {}, "", 200),
    ("GET", UNKNOWN_MAIL, {}, "", 404),
    ("GET", "/mailbox/x", {}, "", 404),
    ("GET", "/unsubscribe/x/y", {}, "", 404),
    ("POST", "/unsubscribe/x/y", {}, "", 404),
    ("POST", "/unsubscribe/x/y/undo", {}, "", 404),
    ("GET", "/exports/x", {}, "", 404),
    ("HEAD", "/exports/x", {}, "", 404),
    ("GET", "/exports/x", {"Sec-Purpose": "prefetch"}, "", 503),
    ("POST", "/exports/x", {}, "", 405),
    ("GET", "/document-files/x", {}, "", 404),
]
DEVELOPMENT_PATHS = ("/mailbox",)
FORBIDDEN_HEADERS = ("server", "x-powered-by", "access-control-allow-origin", "set-cookie", "location")


def check(response: httpx2.Response, *, https: bool) -> None:
    """Assert that a response has all security headers."""
    headers, policy, path = response.headers, response.headers["content-security-policy"], response.url.path
    assert len(headers["x-request-id"]) == 32
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cross-origin-opener-policy"] == headers["cross-origin-resource-policy"] == "same-origin"
    assert headers.get("strict-transport-security") == ("max-age=63072000" if https else None)
    # Static files are revalidated on each use.
    assert headers["cache-control"] == "no-store" or (headers["cache-control"] == "no-cache" and "/static/" in path)
    assert policy.startswith("default-src 'none'; ")
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy or path == "/mailbox"  # displays mails, which have inline styles
    assert not [name for name in FORBIDDEN_HEADERS if name in headers]
    names = [name for name, _ in headers.multi_items()]
    assert len(names) == len({*names})


async def test_every_response_has_security_headers(production: httpx2.AsyncClient, api: Api) -> None:
    for method, path, request_headers, body, status in REQUESTS:
        in_production = await production.request(method, path, headers=request_headers, content=body)
        in_development = await api.http.request(method, path, headers=request_headers, content=body)

        check(in_production, https=True)
        check(in_development, https=False)
        assert in_development.status_code == status, path
        assert in_production.status_code == (404 if path.startswith(DEVELOPMENT_PATHS) else status), path


def test_table_covers_all_routes() -> None:
    application = app.create(Settings(env="development", secret_key=KEY, public_url="http://127.0.0.1:8000"))
    paths = {path.partition("?")[0] for _, path, *_ in REQUESTS}

    for route in application.routes:
        if isinstance(route, WebSocketRoute):
            continue
        assert isinstance(route, (Route, Mount))
        assert any(route.path_regex.match(path) for path in paths), route.path


async def test_graphiql_page_has_its_own_content_security_policy(production: httpx2.AsyncClient) -> None:
    response = await production.get("/graphql", headers={"Accept": "text/html,*/*;q=0.8"})

    assert response.headers["content-type"] == "text/html; charset=utf-8"
    policy = response.headers["content-security-policy"]
    assert "script-src 'self'" in policy
    assert "unsafe-inline" not in policy.partition("script-src")[2].partition(";")[0]
    assert "frame-ancestors 'none'" in policy
    assert response.headers["cache-control"] == "no-store"


async def test_request_id_of_the_client_is_ignored(production: httpx2.AsyncClient) -> None:
    request_headers = {"X-Request-Id": "theirs"}

    ids = {(await production.get("/nothing", headers=request_headers)).headers["x-request-id"] for _ in range(3)}

    assert len(ids) == 3
    assert "theirs" not in ids


async def test_plain_http_sends_no_hsts_header(api: Api) -> None:
    assert "strict-transport-security" not in (await api.http.get("/livez")).headers


# ---- Unknown paths and methods ---------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    [
        "/nothing",
        "/graphql/",
        "/.env",
        "/.git/config",
        "/metrics",
        "/.well-known/security.txt",
        "/debug",
        "/debug/pprof/",
        "/server-status",
        "/docs",
        "/static/",
        "/static/../app.py",
    ],
)
async def test_unknown_path_is_404_with_a_code(production: httpx2.AsyncClient, path: str) -> None:
    response = await production.get(path)

    assert response.status_code == 404
    (error,) = response.json()["errors"]
    assert error["extensions"] == {"code": "NOT_FOUND", "requestId": response.headers["x-request-id"]}


@pytest.mark.parametrize("path", ["/static/graphiql/..%2f..%2f..%2fapp.py", "/static/vendor/%2e%2e/%2e%2e/endpoint.py"])
async def test_path_traversal_in_static_files_is_404(production: httpx2.AsyncClient, path: str) -> None:
    assert (await production.get(path)).status_code == 404


@pytest.mark.parametrize("path", ["/mailbox", "/mailbox.json"])
async def test_development_pages_are_404_in_production(production: httpx2.AsyncClient, api: Api, path: str) -> None:
    assert (await production.get(path)).status_code == 404
    assert (await api.http.get(path)).status_code == 200


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "TRACE", "OPTIONS", "PROPFIND"])
async def test_wrong_method_is_405_with_allow(production: httpx2.AsyncClient, method: str) -> None:
    response = await production.request(method, "/graphql")

    assert response.status_code == 405
    assert set(response.headers["allow"].split(", ")) == {"GET", "HEAD", "POST"}
    (error,) = response.json()["errors"]
    assert error["extensions"] == {"code": "BAD_USER_INPUT", "requestId": response.headers["x-request-id"]}


async def test_static_file_is_read_only(production: httpx2.AsyncClient) -> None:
    response = await production.post("/static/graphiql/page.js")

    assert response.status_code == 405
    assert response.headers["allow"] == "GET, HEAD"
