import httpx2
import pytest

from tests.api import Api

ANSWERS = [
    ("GET", "/livez", 200),
    ("GET", "/readyz", 200),
    ("GET", "/graphql", 400),
    ("POST", "/graphql", 415),
    ("GET", "/nothing", 404),
    ("DELETE", "/livez", 405),
    ("GET", "/static/graphiql/page.js", 200),
    ("GET", "/static/graphiql/none.js", 404),
    ("POST", "/static/graphiql/page.js", 405),
    ("OPTIONS", "/graphql", 405),
]
ABSENT = ("server", "x-powered-by", "access-control-allow-origin", "set-cookie", "location")


@pytest.mark.parametrize(("method", "path", "status"), ANSWERS)
async def test_every_answer_keeps_browsers_careful(
    production: httpx2.AsyncClient, method: str, path: str, status: int
) -> None:
    response = await production.request(method, path)

    assert response.status_code == status
    assert len(response.headers["x-request-id"]) == 32
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["referrer-policy"] == "no-referrer"
    assert response.headers["strict-transport-security"] == "max-age=63072000"
    assert response.headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
    assert response.headers["cache-control"] == ("no-cache" if path.startswith("/static/") else "no-store")
    for name in ABSENT:
        assert name not in response.headers


async def test_the_page_has_a_policy_of_its_own(production: httpx2.AsyncClient) -> None:
    response = await production.get("/graphql", headers={"Accept": "text/html,*/*;q=0.8"})

    assert response.headers["content-type"] == "text/html; charset=utf-8"
    policy = response.headers["content-security-policy"]
    assert "script-src 'self'" in policy
    assert "unsafe-inline" not in policy.partition("script-src")[2].partition(";")[0]
    assert "frame-ancestors 'none'" in policy
    assert response.headers["cache-control"] == "no-store"


async def test_each_request_has_an_id_of_ours(production: httpx2.AsyncClient) -> None:
    sent = {"X-Request-Id": "theirs"}

    ids = {(await production.get("/nothing", headers=sent)).headers["x-request-id"] for _ in range(3)}

    assert len(ids) == 3
    assert "theirs" not in ids


async def test_plain_http_promises_no_https(api: Api) -> None:
    assert "strict-transport-security" not in (await api.http.get("/livez")).headers


# ---- What is not there -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    [
        "/",
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
async def test_an_unknown_address_is_a_coded_404(production: httpx2.AsyncClient, path: str) -> None:
    response = await production.get(path)

    assert response.status_code == 404
    (error,) = response.json()["errors"]
    assert error["extensions"] == {"code": "NOT_FOUND", "requestId": response.headers["x-request-id"]}


@pytest.mark.parametrize("path", ["/static/graphiql/..%2f..%2f..%2fapp.py", "/static/vendor/%2e%2e/%2e%2e/endpoint.py"])
async def test_files_do_not_leave_their_folder(production: httpx2.AsyncClient, path: str) -> None:
    assert (await production.get(path)).status_code == 404


@pytest.mark.parametrize("path", ["/mailbox", "/mailbox.json", "/invitation", "/activate", "/reset"])
async def test_what_development_has_production_has_not(production: httpx2.AsyncClient, api: Api, path: str) -> None:
    assert (await production.get(path)).status_code == 404
    assert (await api.http.get(path)).status_code == 200


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "TRACE", "OPTIONS", "PROPFIND"])
async def test_a_wrong_method_is_told_the_right_ones(production: httpx2.AsyncClient, method: str) -> None:
    response = await production.request(method, "/graphql")

    assert response.status_code == 405
    assert set(response.headers["allow"].split(", ")) == {"GET", "HEAD", "POST"}
    (error,) = response.json()["errors"]
    assert error["extensions"] == {"code": "BAD_USER_INPUT", "requestId": response.headers["x-request-id"]}


async def test_a_file_is_only_for_reading(production: httpx2.AsyncClient) -> None:
    response = await production.post("/static/graphiql/page.js")

    assert response.status_code == 405
    assert response.headers["allow"] == "GET, HEAD"
