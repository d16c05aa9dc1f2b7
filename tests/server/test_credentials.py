"""A browser's cookie and a bearer token: which counts when, and what is refused."""

import httpx2
import pytest

from auth import tokens
from database import db
from server.credentials import Browsers
from server.errors import Rejected
from tests.api import PASSWORD, PUBLIC_URL, Api, counts
from tests.browser import ASKS, NAME, SIGN_IN, SIGN_OUT, WHO, Browser

FOREIGN = "https://evil.example.net"


# ---- Neither is taken for the other -------------------------------------------------------------


async def test_the_token_of_a_cookie_is_no_bearer_token_and_the_other_way_round(api: Api, browser: Browser) -> None:
    anna = await api.person("anna@example.com")
    await browser.sign_in(anna.email)
    kept = browser.kept

    assert (await api.ask(WHO, by=kept)).data["viewer"] is None
    browser.kept = anna.token
    assert not await browser.is_known()


def refusal(response: httpx2.Response) -> tuple[int, str, str | None]:
    (error,) = response.json()["errors"]
    assert "data" not in response.json()
    assert "set-cookie" not in response.headers
    return response.status_code, error["extensions"]["code"], error["extensions"].get("reason")


ALONE = (403, "FORBIDDEN", "SESSION_HEADER_MISSING")
BOTH = (400, "BAD_USER_INPUT", "AMBIGUOUS_CREDENTIALS")
STRANGE = (403, "FORBIDDEN", "FOREIGN_ORIGIN")


REFUSED = [
    ({}, ALONE),
    ({"Sec-Fetch-Site": "same-origin"}, ALONE),
    ({"Origin": PUBLIC_URL}, ALONE),
    ({"X-Session": "yes"}, (400, "BAD_USER_INPUT", None)),
    ({"X-Session": ""}, (400, "BAD_USER_INPUT", None)),
    (ASKS | {"Authorization": "Bearer x"}, BOTH),
    (ASKS | {"Authorization": "bearer"}, BOTH),
    (ASKS | {"Authorization": "Bearer "}, BOTH),
    ({"Authorization": "Bearer x"}, BOTH),
    (ASKS | {"Origin": FOREIGN}, STRANGE),
    (ASKS | {"Origin": "null"}, STRANGE),
    (ASKS | {"Origin": PUBLIC_URL + ".evil.example.net"}, STRANGE),
    (ASKS | {"Origin": PUBLIC_URL + ":8443"}, STRANGE),
    (ASKS | {"Origin": PUBLIC_URL.replace("http:", "https:")}, STRANGE),
    (ASKS | {"Origin": PUBLIC_URL.replace("://", "://sub.")}, STRANGE),
    (ASKS | {"Origin": "https://xfullmakt.example.com"}, STRANGE),
    (ASKS | {"Origin": ""}, STRANGE),
    (ASKS | {"Sec-Fetch-Site": "cross-site"}, STRANGE),
    (ASKS | {"Sec-Fetch-Site": "same-site"}, STRANGE),
    (ASKS | {"Origin": FOREIGN, "Sec-Fetch-Site": "cross-site"}, STRANGE),
    ({"Origin": FOREIGN}, STRANGE),
    ({"Sec-Fetch-Site": "cross-site"}, STRANGE),
]


async def test_a_cookie_counts_only_with_its_header_from_a_page_of_ours(api: Api, browser: Browser) -> None:
    anna = await api.person("anna@example.com")
    await browser.sign_in(anna.email)
    before = await counts()

    for sent, expected in REFUSED:
        headers = browser.cookie | sent
        got = await api.http.get("/graphql", params={"query": WHO}, headers=headers)
        posted = await api.http.post("/graphql", json={"query": SIGN_OUT}, headers=headers)

        assert (refusal(got), refusal(posted)) == (expected, expected), sent

    assert await counts() == before
    assert await browser.is_known()


async def test_a_page_of_ours_is_let_in(api: Api, browser: Browser) -> None:
    anna = await api.person("anna@example.com")
    await browser.sign_in(anna.email)

    for sent in (
        {},
        {"Origin": PUBLIC_URL},
        {"Sec-Fetch-Site": "same-origin"},
        {"Sec-Fetch-Site": "none"},
        {"Origin": PUBLIC_URL, "Sec-Fetch-Site": "same-origin"},
        {"Authorization": "Basic c3RhZ2luZzpzdGFnaW5n"},
    ):
        assert (await browser.ask(WHO, headers=ASKS | sent)).data["viewer"]["user"]["id"] == anna.user_id
        got = await api.http.get("/graphql", params={"query": WHO}, headers=browser.cookie | ASKS | sent)
        assert got.json()["data"]["viewer"]["user"]["id"] == anna.user_id


async def test_a_foreign_page_does_not_even_sign_somebody_in(api: Api, browser: Browser) -> None:
    anna = await api.person("anna@example.com")
    before = await counts()

    answer = await browser.ask(
        SIGN_IN, {"input": {"email": anna.email, "password": PASSWORD}}, headers=ASKS | {"Origin": FOREIGN}
    )

    assert (answer.status, answer.codes, browser.said) == (403, ["FORBIDDEN"], [])
    assert await counts() == before


async def test_a_bearer_request_needs_no_proof_of_where_it_comes_from(api: Api) -> None:
    anna = await api.person("anna@example.com")

    answer = await api.ask(WHO, by=anna, headers={"Origin": FOREIGN, "Sec-Fetch-Site": "cross-site"})

    assert answer.data["viewer"]["user"]["id"] == anna.user_id


OTHERS = ("theme=dark", "fullmakt={0}", "x__Host-fullmakt={0}", "__host-fullmakt={0}", "x=__Host-fullmakt", "=;;=;", "")


async def test_cookies_of_others_say_nothing(api: Api, browser: Browser) -> None:
    anna = await api.person("anna@example.com")
    await browser.sign_in(anna.email)

    for cookies in OTHERS:
        headers = {"Cookie": cookies.format(browser.kept)}
        response = await api.http.post("/graphql", json={"query": WHO}, headers=headers)
        assert (response.status_code, response.json()) == (200, {"data": {"viewer": None}})


async def test_a_cookie_that_is_there_twice_is_refused(api: Api, browser: Browser) -> None:
    anna = await api.person("anna@example.com")
    await browser.sign_in(anna.email)

    twice = {"Cookie": f"{NAME}={tokens.random_token()}; {NAME}={browser.kept}"}
    response = await api.http.post("/graphql", json={"query": WHO}, headers=ASKS | twice)

    assert refusal(response) == BOTH


# ---- Tokens that are none -----------------------------------------------------------------------

ODD = [
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


async def test_an_odd_token_is_nobodys(api: Api, browser: Browser) -> None:
    anna = await api.person("anna@example.com")
    await browser.sign_in(anna.email)

    for odd in ODD:
        bearer = {b"Authorization": f"Bearer {odd.format(anna.token)}".encode()}
        cookie = {b"Cookie": f"{NAME}={odd.format(browser.kept)}".encode(), b"X-Session": b"cookie"}
        for headers in (bearer, cookie):
            response = await api.http.post("/graphql", json={"query": WHO}, headers=headers)
            assert (response.status_code, response.json()) == (200, {"data": {"viewer": None}})
    assert {row.digest for row in await db.fetch("SELECT token_digest AS digest FROM sessions", row=db.Row)} == {
        tokens.digest(anna.token),
        tokens.digest(browser.kept or ""),
    }


# ---- A handshake --------------------------------------------------------------------------------

OURS = "https://fullmakt.example.com"
SHOP = "https://shop.example.com"
BROWSERS = Browsers(https=True, allowed=frozenset({SHOP}))


def shown(headers: dict[str, str]) -> str | None:
    given = {name.lower(): value for name, value in {"Host": "fullmakt.example.com", **headers}.items()}
    return BROWSERS.credential(given.get, handshake=True).token


@pytest.mark.parametrize("proof", [{"Origin": OURS}, {"Origin": SHOP}, {"Sec-Fetch-Site": "same-origin"}, ASKS])
def test_a_handshake_from_a_page_of_ours_needs_no_header(proof: dict[str, str]) -> None:
    assert shown({"Cookie": f"{NAME}=token"} | proof) == "token"


@pytest.mark.parametrize(
    ("proof", "reason"),
    [
        ({}, "SESSION_HEADER_MISSING"),
        ({"Sec-Fetch-Site": "none"}, "SESSION_HEADER_MISSING"),
        ({"Sec-Fetch-Site": "cross-site"}, "FOREIGN_ORIGIN"),
        ({"Origin": "null"}, "FOREIGN_ORIGIN"),
        ({"Origin": "http://fullmakt.example.com"}, "FOREIGN_ORIGIN"),
        ({"Origin": FOREIGN}, "FOREIGN_ORIGIN"),
        ({"Origin": OURS, "Authorization": "Bearer x"}, "AMBIGUOUS_CREDENTIALS"),
    ],
)
def test_a_handshake_without_proof_is_refused(proof: dict[str, str], reason: str) -> None:
    with pytest.raises(Rejected) as caught:
        shown({"Cookie": f"{NAME}=token"} | proof)

    assert caught.value.more == {"reason": reason}


def test_a_handshake_without_a_cookie_is_as_free_as_any_request() -> None:
    assert shown({"Authorization": "Bearer x", "Origin": FOREIGN}) == "x"
    assert shown({}) is None
