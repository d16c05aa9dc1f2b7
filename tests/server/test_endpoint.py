"""Requests that pages of other sites make a browser send: images, links, forms, prefetches and event streams."""

import pytest

from tests.api import Api
from tests.models.throttle_attempts import count_attempts
from tests.server.persisted_requests import OWN_EMAIL, ROLES, apollo, digest, register

GUESS = '{ invitation(token: "a guess") { role } }'
PAGE = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
FOREIGN_REQUESTS = {
    "an image of another site": {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Dest": "image"},
    "an image of a neighbouring host": {"Sec-Fetch-Site": "same-site", "Sec-Fetch-Dest": "image"},
    "a script": {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "script"},
    "a prefetch": {"Sec-Fetch-Site": "cross-site", "Sec-Purpose": "prefetch", "Accept": "*/*"},
    "an event stream": {"Sec-Fetch-Site": "cross-site", "Accept": "text/event-stream"},
    "a fetch in mode no-cors": {"Sec-Fetch-Site": "cross-site", "Accept": "application/json"},
    "a navigation": {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Accept": "application/json"},
    "a fetch with Origin": {"Origin": "https://evil.example.net", "Sec-Fetch-Site": "cross-site"},
    "a fetch of a sandboxed frame": {"Origin": "null"},
}


@pytest.mark.parametrize("headers", FOREIGN_REQUESTS.values(), ids=FOREIGN_REQUESTS.keys())
@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_get_from_another_site_is_refused_before_it_counts(
    api: Api, method: str, headers: dict[str, str]
) -> None:
    response = await api.http.request(method, "/graphql", params={"query": GUESS}, headers=headers)

    assert response.status_code == 403
    assert await count_attempts("link") == 0
    if method == "GET":
        extensions = response.json()["errors"][0]["extensions"]
        assert (extensions["code"], extensions["reason"]) == ("FORBIDDEN", "FOREIGN_ORIGIN")


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Sec-Fetch-Site": "none", "Accept": "application/json"},
        {"Sec-Fetch-Site": "same-origin"},
        {"Origin": "http://fullmakt.example.com", "Sec-Fetch-Site": "same-origin"},
    ],
)
async def test_get_of_programs_and_own_pages_is_executed(api: Api, headers: dict[str, str]) -> None:
    response = await api.http.get("/graphql", params={"query": GUESS}, headers=headers)

    assert response.status_code == 200
    assert await count_attempts("link") == 1


@pytest.mark.parametrize("headers", FOREIGN_REQUESTS.values(), ids=FOREIGN_REQUESTS.keys())
async def test_foreign_get_of_an_operation_is_allowed_if_registered_and_public(
    api: Api, headers: dict[str, str]
) -> None:
    await register(ROLES, OWN_EMAIL, GUESS)
    assert (await api.http.post("/graphql", json={"query": "{ __typename }", **apollo("{ __typename }")})).is_success
    headers = {**headers, "Accept": "application/json"}

    async def status(text: str, **parameters: str) -> int:
        params = {"documentId": digest(text), **parameters}
        return (await api.http.get("/graphql", params=params, headers=headers)).status_code

    assert [await status(ROLES) for _ in range(2)] == [200, 200]
    assert [await status(text) for text in (OWN_EMAIL, GUESS, "{ __typename }")] == [403, 403, 403]
    assert await status(ROLES, query=GUESS) == 403
    assert await count_attempts("link") == 0


async def test_page_is_reached_from_another_site(api: Api) -> None:
    headers = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}

    response = await api.http.get("/graphql", params={"query": GUESS}, headers={**headers, "Accept": PAGE})

    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/html")
    assert await count_attempts("link") == 0


@pytest.mark.parametrize(
    "media_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""]
)
async def test_post_that_needs_no_preflight_is_refused(api: Api, media_type: str) -> None:
    body = '{"query": "{ invitation(token: \\"a guess\\") { role } }", "x": "="}'

    response = await api.http.post("/graphql", content=body, headers={"Content-Type": media_type})

    assert response.status_code == 415
    assert await count_attempts("link") == 0
