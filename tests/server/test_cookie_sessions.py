"""Sessions of browsers, whose token is in a cookie: how it is set and cleared, and when the session expires."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from auth import tokens
from database import db
from models.people.session import COOKIE_IDLE_TIMEOUT, COOKIE_LIFETIME, MAX_PER_USER, Session
from tests.api import PASSWORD, TABLES, Api, count_rows
from tests.browser import COOKIE_NAME, SESSION_HEADERS, SIGN_IN, SIGN_OUT, VIEWER, Browser

# ---- Setting and clearing the cookie ---------------------------------------------------------


async def test_sign_in_with_the_header_sets_only_the_cookie(api: Api, browser: Browser) -> None:
    anna = await api.person("anna@example.com")

    payload = await browser.sign_in(anna.email)

    assert payload == {"accessToken": None, "viewer": {"user": {"id": anna.user_id}}, "errors": []}
    assert browser.cookie_value is not None
    assert len(browser.cookie_value) == 43
    assert browser.set_cookie_headers == [
        f"{COOKIE_NAME}={browser.cookie_value}; Path=/; Secure; HttpOnly; SameSite=Strict"
    ]
    assert await Session.filter(token_digest=tokens.digest(browser.cookie_value), in_cookie=True).count() == 1
    assert (await browser.ask(VIEWER)).data == {"viewer": {"user": {"id": anna.user_id}}}
    assert len(browser.set_cookie_headers) == 1


async def test_sign_in_without_the_header_sets_no_cookie(api: Api, browser: Browser) -> None:
    anna = await api.person("anna@example.com")

    answer = await browser.ask(SIGN_IN, {"input": {"email": anna.email, "password": PASSWORD}}, headers={})

    assert len(answer.data["signIn"]["accessToken"]) == 43
    assert browser.set_cookie_headers == []


async def test_activation_and_acceptance_set_the_cookie(api: Api, browser: Browser) -> None:
    await api.do("register", {"name": "Anna Nowak", "email": "anna@example.com", "password": PASSWORD})
    selection = "{ accessToken viewer { user { email } currentAccount { id } } errors { code } }"
    activate = f"mutation ($input: ActivateInput!) {{ payload: activate(input: $input) {selection} }}"
    token = await api.link("anna@example.com", "activation")
    activation = (await browser.ask(activate, {"input": {"token": token, "password": PASSWORD}})).data["payload"]
    account_id = activation["viewer"]["currentAccount"]["id"]
    invite = "mutation ($input: InviteUserInput!) { inviteUser(input: $input) { errors { code } } }"
    input_ = {"accountId": account_id, "email": "bo@example.com", "role": "ACCOUNTANT"}
    await browser.ask(invite, {"input": input_})
    guest = Browser(api.http)
    accept = f"mutation ($input: AcceptInvitationInput!) {{ payload: acceptInvitation(input: $input) {selection} }}"
    input_ = {"token": await api.link("bo@example.com", "invitation"), "name": "Bo Berg", "password": PASSWORD}

    acceptance = (await guest.ask(accept, {"input": input_})).data["payload"]

    assert [payload["accessToken"] for payload in (activation, acceptance)] == [None, None]
    assert [payload["viewer"]["user"]["email"] for payload in (activation, acceptance)] == [
        "anna@example.com",
        "bo@example.com",
    ]
    assert await browser.is_signed_in()
    assert await guest.is_signed_in()


async def test_failed_sign_in_does_not_change_the_cookie(api: Api, browser: Browser) -> None:
    anna = await api.person("anna@example.com")
    assert (await browser.sign_in(anna.email, "wrong wrong wrong"))["errors"] == [{"code": "INVALID_CREDENTIALS"}]
    assert browser.set_cookie_headers == []
    await browser.sign_in(anna.email)

    await browser.sign_in(anna.email, "wrong wrong wrong")

    assert len(browser.set_cookie_headers) == 1
    assert await browser.is_signed_in()


async def test_sign_in_does_not_adopt_a_planted_token(api: Api, browser: Browser) -> None:
    anna = await api.person("anna@example.com")
    foreign_token = browser.cookie_value = tokens.random_token()

    await browser.sign_in(anna.email)

    assert browser.cookie_value != foreign_token
    browser.cookie_value = foreign_token
    assert not await browser.is_signed_in()


async def test_new_sign_in_ends_the_session_of_the_cookie(api: Api, browser: Browser) -> None:
    anna, bo = await api.person("anna@example.com"), await api.person("bo@example.com")
    await browser.sign_in(anna.email)
    first = browser.cookie_value

    await browser.sign_in(bo.email)

    assert (await browser.ask(VIEWER)).data["viewer"]["user"]["id"] == bo.user_id
    browser.cookie_value = first
    assert not await browser.is_signed_in()
    assert (await api.ask(VIEWER, by=anna)).data["viewer"] is not None


async def test_last_of_two_sign_ins_in_one_request_counts(api: Api, browser: Browser) -> None:
    anna, bo = await api.person("anna@example.com"), await api.person("bo@example.com")
    sign_ins = " ".join(
        f'{name}: signIn(input: {{email: "{person.email}", password: "{PASSWORD}"}}) {{ accessToken }}'
        for name, person in (("a", anna), ("b", bo))
    )

    answer = await browser.ask(f"mutation {{ {sign_ins} }}")

    assert answer.data == {"a": {"accessToken": None}, "b": {"accessToken": None}}
    assert len(browser.set_cookie_headers) == 1
    assert (await browser.ask(VIEWER)).data["viewer"]["user"]["id"] == bo.user_id
    assert await Session.filter(in_cookie=True, ended_at=None).count() == 1


REVOKE = "mutation ($input: RevokeSessionInput!) { revokeSession(input: $input) { viewer { user { id } } } }"
ERASE = "mutation ($input: EraseMeInput!) { eraseMe(input: $input) { errors { code } } }"


@pytest.mark.parametrize("mutation", ["signOut", "revokeSession", "eraseMe"])
async def test_ending_the_session_clears_the_cookie(api: Api, browser: Browser, mutation: str) -> None:
    anna = await api.person("anna@example.com")
    await browser.sign_in(anna.email)
    session_id = (await browser.ask("{ viewer { session { id } } }")).data["viewer"]["session"]["id"]
    operation: tuple[str, dict[str, Any]] = {
        "signOut": (SIGN_OUT, {}),
        "revokeSession": (REVOKE, {"input": {"sessionId": session_id}}),
        "eraseMe": (ERASE, {"input": {"password": PASSWORD}}),
    }[mutation]

    answer = await browser.ask(*operation)

    assert answer.errors == []
    assert browser.set_cookie_headers[1:] == [f"{COOKIE_NAME}=; Max-Age=0; Path=/; Secure; HttpOnly; SameSite=Strict"]
    assert await Session.filter(in_cookie=True, ended_at=None).count() == 0


async def test_ending_another_session_does_not_change_the_cookie(api: Api, browser: Browser) -> None:
    anna = await api.person("anna@example.com")
    await browser.sign_in(anna.email)

    await browser.ask("mutation { revokeOtherSessions { ended } }")
    await browser.ask("mutation ($input: SwitchAccountInput!) { switchAccount(input: $input) { account { id } } }",
                      {"input": {"accountId": anna.account_id}})  # fmt: skip

    assert len(browser.set_cookie_headers) == 1
    assert await browser.is_signed_in()
    assert (await api.ask(VIEWER, by=anna)).data["viewer"] is None


async def test_cookie_of_a_session_that_ended_elsewhere_is_cleared_by_the_next_request(
    api: Api, browser: Browser
) -> None:
    anna = await api.person("anna@example.com")
    await browser.sign_in(anna.email)
    await api.do("revokeOtherSessions", None, by=anna)

    assert (await browser.ask(VIEWER)).data == {"viewer": None}

    assert browser.cookie_value is None
    assert len(browser.set_cookie_headers) == 2


# ---- Expiry -----------------------------------------------------------------------------------


async def test_cookie_session_expires_after_30_minutes_without_use(api: Api, browser: Browser) -> None:
    anna = await api.person("anna@example.com")
    await browser.sign_in(anna.email)
    api.clock.now += COOKIE_IDLE_TIMEOUT - timedelta(seconds=1)
    assert await browser.is_signed_in()

    api.clock.now += COOKIE_IDLE_TIMEOUT

    assert not await browser.is_signed_in()
    assert timedelta(minutes=30) == COOKIE_IDLE_TIMEOUT


async def test_cookie_session_expires_after_12_hours_of_use(api: Api, browser: Browser) -> None:
    anna = await api.person("anna@example.com")
    await browser.sign_in(anna.email)
    for _ in range(24):
        api.clock.forward(minutes=29)
        assert await browser.is_signed_in()
    api.clock.forward(minutes=24, seconds=-1)
    assert await browser.is_signed_in()
    assert timedelta(hours=12) == COOKIE_LIFETIME

    api.clock.forward(seconds=1)

    assert not await browser.is_signed_in()


async def test_cookie_session_reports_its_expiry(api: Api, browser: Browser) -> None:
    anna = await api.person("anna@example.com")
    await browser.sign_in(anna.email)
    query = "{ viewer { session { expiresAt } sessions { nodes { expiresAt isCurrent } } } }"

    viewer = (await browser.ask(query)).data["viewer"]

    in_half_an_hour, in_a_fortnight = (
        (api.clock.now + lasts).isoformat().replace("+00:00", "Z")
        for lasts in (timedelta(minutes=30), timedelta(days=14))
    )
    assert viewer["session"]["expiresAt"] == in_half_an_hour
    assert viewer["sessions"]["nodes"] == [
        {"expiresAt": in_half_an_hour, "isCurrent": True},
        {"expiresAt": in_a_fortnight, "isCurrent": False},
    ]
    api.clock.forward(hours=1)
    nodes = (await api.ask("{ viewer { sessions { nodes { isCurrent } } } }", by=anna)).data["viewer"]["sessions"]
    assert nodes == {"nodes": [{"isCurrent": True}]}


async def test_expired_cookie_sessions_do_not_evict_other_sessions(api: Api, browser: Browser) -> None:
    anna = await api.person("anna@example.com")
    session = await Session.get()
    for number in range(MAX_PER_USER):
        session.id, session.token_digest, session.in_cookie = uuid4(), tokens.digest(f"{number}"), True
        await Session.bulk_create([session])
    api.clock.forward(minutes=31)

    await browser.sign_in(anna.email)

    assert (await api.ask(VIEWER, by=anna)).data["viewer"] is not None


async def test_sign_in_with_cookie_over_an_event_stream_is_rejected(api: Api, browser: Browser) -> None:
    anna = await api.person("anna@example.com")
    before = await count_rows()

    variables = {"input": {"email": anna.email, "password": PASSWORD}}
    answer = await browser.ask(SIGN_IN, variables, headers=SESSION_HEADERS | {"Accept": "text/event-stream"})

    assert (answer.status, answer.codes) == (406, ["BAD_USER_INPUT"])
    assert await count_rows() == before


# ---- Disclosure ----------------------------------------------------------------------------------


async def test_failed_sign_ins_have_identical_responses(api: Api, browser: Browser) -> None:
    await api.person("anna@example.com")
    erased_user = await api.person("gone@example.com")
    await api.do("eraseMe", {"password": PASSWORD}, by=erased_user)
    await api.do("register", {"name": "Bo", "email": "bo@example.com", "password": PASSWORD})
    answers = set[tuple[object, ...]]()

    for email in ("anna@example.com", "bo@example.com", erased_user.email, "nobody@example.com", "no address"):
        for request_headers in (SESSION_HEADERS, {}):
            body = {"query": SIGN_IN, "variables": {"input": {"email": email, "password": "wrong wrong wrong"}}}
            response = await api.http.post("/graphql", json=body, headers=request_headers)
            headers = {name: value for name, value in response.headers.items() if name != "x-request-id"}
            answers.add((response.status_code, response.text, *sorted(headers.items())))

    assert len(answers) == 1
    assert "set-cookie" not in str(answers)
    assert "INVALID_CREDENTIALS" in str(answers)


async def test_token_of_the_cookie_is_in_no_table_or_response(api: Api, browser: Browser) -> None:
    anna = await api.person("anna@example.com")
    await browser.sign_in(anna.email)
    token = browser.cookie_value
    assert token is not None

    viewer_query = (
        "{ viewer { session { id } sessions { nodes { userAgent } } events { nodes { type before after } } } }"
    )
    bodies = [(await browser.ask(viewer_query)).body, (await browser.ask("{ viewer { session { token } } }")).body]
    export = await browser.ask(
        "mutation ($input: ExportMyDataInput!) { exportMyData(input: $input) { document } }",
        {"input": {"password": PASSWORD}},
    )
    dumps = [str(await db.fetch(f"SELECT t::text AS row FROM {table} t", row=db.Row)) for table in TABLES]

    assert export.errors == []
    assert token not in str(dumps)
    for text in map(str, (*bodies, export.body)):
        assert token not in text
        assert tokens.digest(token).hex() not in text
