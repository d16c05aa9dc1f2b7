"""Credentials of a request: session cookies and bearer tokens, and their rejected combinations."""

import httpx2
import pytest

from auth import tokens
from database import db
from server.credentials import Browsers
from server.errors import RequestError
from tests.api import PASSWORD, PUBLIC_URL, Api, count_rows
from tests.browser import COOKIE_NAME, SESSION_HEADERS, SIGN_IN, SIGN_OUT, VIEWER, Browser

FOREIGN = "https://evil.example.net"


# ---- Cookie or bearer token ---------------------------------------------------------------------


async def test_cookie_and_bearer_tokens_are_not_interchangeable(api: Api, browser: Browser) -> None:
    anna = await api.person("anna@example.com")
    await browser.sign_in(anna.email)
    cookie_token = browser.cookie_value

    assert (await api.ask(VIEWER, by=cookie_token)).data["viewer"] is None
    browser.cookie_value = anna.token
    assert not await browser.is_signed_in()


def refusal(response: httpx2.Response) -> tuple[int, str, str | None]:
    (error,) = response.json()["errors"]
    assert "data" not in response.json()
    assert "set-cookie" not in response.headers
    return response.status_code, error["extensions"]["code"], error["extensions"].get("reason")


HEADER_MISSING = (403, "FORBIDDEN", "SESSION_HEADER_MISSING")
AMBIGUOUS = (400, "BAD_USER_INPUT", "AMBIGUOUS_CREDENTIALS")
FOREIGN_ORIGIN = (403, "FORBIDDEN", "FOREIGN_ORIGIN")


REJECTED_HEADERS = [
    ({}, HEADER_MISSING),
    ({"Sec-Fetch-Site": "same-origin"}, HEADER_MISSING),
    ({"Origin": PUBLIC_URL}, HEADER_MISSING),
    ({"X-Session": "yes"}, (400, "BAD_USER_INPUT", None)),
    ({"X-Session": ""}, (400, "BAD_USER_INPUT", None)),
    (SESSION_HEADERS | {"Authorization": "Bearer x"}, AMBIGUOUS),
    (SESSION_HEADERS | {"Authorization": "bearer"}, AMBIGUOUS),
    (SESSION_HEADERS | {"Authorization": "Bearer "}, AMBIGUOUS),
    ({"Authorization": "Bearer x"}, AMBIGUOUS),
    (SESSION_HEADERS | {"Origin": FOREIGN}, FOREIGN_ORIGIN),
    (SESSION_HEADERS | {"Origin": "null"}, FOREIGN_ORIGIN),
    (SESSION_HEADERS | {"Origin": PUBLIC_URL + ".evil.example.net"}, FOREIGN_ORIGIN),
    (SESSION_HEADERS | {"Origin": PUBLIC_URL + ":8443"}, FOREIGN_ORIGIN),
    (SESSION_HEADERS | {"Origin": PUBLIC_URL.replace("http:", "https:")}, FOREIGN_ORIGIN),
    (SESSION_HEADERS | {"Origin": PUBLIC_URL.replace("://", "://sub.")}, FOREIGN_ORIGIN),
    (SESSION_HEADERS | {"Origin": "https://xfullmakt.example.com"}, FOREIGN_ORIGIN),
    (SESSION_HEADERS | {"Origin": ""}, FOREIGN_ORIGIN),
    (SESSION_HEADERS | {"Sec-Fetch-Site": "cross-site"}, FOREIGN_ORIGIN),
    (SESSION_HEADERS | {"Sec-Fetch-Site": "same-site"}, FOREIGN_ORIGIN),
    (SESSION_HEADERS | {"Origin": FOREIGN, "Sec-Fetch-Site": "cross-site"}, FOREIGN_ORIGIN),
    ({"Origin": FOREIGN}, FOREIGN_ORIGIN),
    ({"Sec-Fetch-Site": "cross-site"}, FOREIGN_ORIGIN),
]


async def test_cookie_without_header_or_from_a_foreign_page_is_rejected(api: Api, browser: Browser) -> None:
    anna = await api.person("anna@example.com")
    await browser.sign_in(anna.email)
    before = await count_rows()

    for extra_headers, expected in REJECTED_HEADERS:
        headers = browser.cookie_header | extra_headers
        get_response = await api.http.get("/graphql", params={"query": VIEWER}, headers=headers)
        post_response = await api.http.post("/graphql", json={"query": SIGN_OUT}, headers=headers)

        assert (refusal(get_response), refusal(post_response)) == (expected, expected), extra_headers

    assert await count_rows() == before
    assert await browser.is_signed_in()


async def test_cookie_from_a_page_of_the_same_origin_is_accepted(api: Api, browser: Browser) -> None:
    anna = await api.person("anna@example.com")
    await browser.sign_in(anna.email)

    for extra_headers in (
        {},
        {"Origin": PUBLIC_URL},
        {"Sec-Fetch-Site": "same-origin"},
        {"Sec-Fetch-Site": "none"},
        {"Origin": PUBLIC_URL, "Sec-Fetch-Site": "same-origin"},
        {"Authorization": "Basic c3RhZ2luZzpzdGFnaW5n"},
    ):
        assert (await browser.ask(VIEWER, headers=SESSION_HEADERS | extra_headers)).data["viewer"]["user"][
            "id"
        ] == anna.user_id
        response = await api.http.get(
            "/graphql", params={"query": VIEWER}, headers=browser.cookie_header | SESSION_HEADERS | extra_headers
        )
        assert response.json()["data"]["viewer"]["user"]["id"] == anna.user_id


async def test_foreign_page_cannot_sign_a_user_in(api: Api, browser: Browser) -> None:
    anna = await api.person("anna@example.com")
    before = await count_rows()

    answer = await browser.ask(
        SIGN_IN, {"input": {"email": anna.email, "password": PASSWORD}}, headers=SESSION_HEADERS | {"Origin": FOREIGN}
    )

    assert (answer.status, answer.codes, browser.set_cookie_headers) == (403, ["FORBIDDEN"], [])
    assert await count_rows() == before


async def test_bearer_token_is_accepted_from_any_origin(api: Api) -> None:
    anna = await api.person("anna@example.com")

    answer = await api.ask(VIEWER, by=anna, headers={"Origin": FOREIGN, "Sec-Fetch-Site": "cross-site"})

    assert answer.data["viewer"]["user"]["id"] == anna.user_id


OTHER_COOKIES = (
    "theme=dark",
    "fullmakt={0}",
    "x__Host-fullmakt={0}",
    "__host-fullmakt={0}",
    "x=__Host-fullmakt",
    "=;;=;",
    "",
)


async def test_other_cookies_are_ignored(api: Api, browser: Browser) -> None:
    anna = await api.person("anna@example.com")
    await browser.sign_in(anna.email)

    for cookies in OTHER_COOKIES:
        headers = {"Cookie": cookies.format(browser.cookie_value)}
        response = await api.http.post("/graphql", json={"query": VIEWER}, headers=headers)
        assert (response.status_code, response.json()) == (200, {"data": {"viewer": None}})


async def test_repeated_cookie_is_rejected(api: Api, browser: Browser) -> None:
    anna = await api.person("anna@example.com")
    await browser.sign_in(anna.email)

    repeated_cookie = {"Cookie": f"{COOKIE_NAME}={tokens.random_token()}; {COOKIE_NAME}={browser.cookie_value}"}
    response = await api.http.post("/graphql", json={"query": VIEWER}, headers=SESSION_HEADERS | repeated_cookie)

    assert refusal(response) == AMBIGUOUS


# ---- Malformed tokens ---------------------------------------------------------------------------

MALFORMED_TOKENS = [
    "",
    "null",
    "undefined",
    "{0}=",
    '"{0}"',
    "{0},{0}",
    "Bearer {0}",
    "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhbm5hIn0.",
    "%00",
    "\x7f",
    "żółć",
    "'; DROP TABLE sessions; --",
    "a" * 8000,
    "0" * 43,
]


async def test_malformed_token_is_anonymous(api: Api, browser: Browser) -> None:
    anna = await api.person("anna@example.com")
    await browser.sign_in(anna.email)

    for token in MALFORMED_TOKENS:
        bearer = {b"Authorization": f"Bearer {token.format(anna.token)}".encode()}
        cookie = {b"Cookie": f"{COOKIE_NAME}={token.format(browser.cookie_value)}".encode(), b"X-Session": b"cookie"}
        for headers in (bearer, cookie):
            response = await api.http.post("/graphql", json={"query": VIEWER}, headers=headers)
            assert (response.status_code, response.json()["data"]) == (200, {"viewer": None})
            is_missing = not token
            assert ("extensions" in response.json()) is not is_missing
    assert {row.digest for row in await db.fetch("SELECT token_digest AS digest FROM sessions", row=db.Row)} == {
        tokens.digest(anna.token),
        tokens.digest(browser.cookie_value or ""),
    }


# ---- Handshakes ---------------------------------------------------------------------------------

OWN_ORIGIN = "https://fullmakt.example.com"
SHOP = "https://shop.example.com"
BROWSERS = Browsers(https=True, allowed_origins=frozenset({SHOP}))


def handshake_token(headers: dict[str, str]) -> str | None:
    lower_case_headers = {name.lower(): value for name, value in {"Host": "fullmakt.example.com", **headers}.items()}
    return BROWSERS.credential(lower_case_headers.get, handshake=True).token


@pytest.mark.parametrize(
    "proof", [{"Origin": OWN_ORIGIN}, {"Origin": SHOP}, {"Sec-Fetch-Site": "same-origin"}, SESSION_HEADERS]
)
def test_handshake_from_an_allowed_page_needs_no_header(proof: dict[str, str]) -> None:
    assert handshake_token({"Cookie": f"{COOKIE_NAME}=token"} | proof) == "token"


@pytest.mark.parametrize(
    ("proof", "reason"),
    [
        ({}, "SESSION_HEADER_MISSING"),
        ({"Sec-Fetch-Site": "none"}, "SESSION_HEADER_MISSING"),
        ({"Sec-Fetch-Site": "cross-site"}, "FOREIGN_ORIGIN"),
        ({"Origin": "null"}, "FOREIGN_ORIGIN"),
        ({"Origin": "http://fullmakt.example.com"}, "FOREIGN_ORIGIN"),
        ({"Origin": FOREIGN}, "FOREIGN_ORIGIN"),
        ({"Origin": OWN_ORIGIN, "Authorization": "Bearer x"}, "AMBIGUOUS_CREDENTIALS"),
    ],
)
def test_handshake_without_an_allowed_page_is_rejected(proof: dict[str, str], reason: str) -> None:
    with pytest.raises(RequestError) as error:
        handshake_token({"Cookie": f"{COOKIE_NAME}=token"} | proof)

    assert error.value.extensions == {"reason": reason}


def test_handshake_without_a_cookie_is_accepted_from_any_origin() -> None:
    assert handshake_token({"Authorization": "Bearer x", "Origin": FOREIGN}) == "x"
    assert handshake_token({}) is None
