"""A session whose token a browser keeps in a cookie: how it gets there, how it leaves, and how long it lasts."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from auth import tokens
from database import db
from models.people.session import IDLE_IN_COOKIE_AFTER, LASTS_IN_COOKIE, MOST_PER_USER, Session
from tests.api import PASSWORD, TABLES, Api, counts
from tests.browser import ASKS, NAME, SIGN_IN, SIGN_OUT, WHO, Browser

# ---- Into the cookie, and out of it ----------------------------------------------------------


async def test_signing_in_with_the_header_gives_the_token_to_the_cookie_alone(api: Api, browser: Browser) -> None:
    anna = await api.person("anna@example.com")

    payload = await browser.sign_in(anna.email)

    assert payload == {"accessToken": None, "viewer": {"user": {"id": anna.user_id}}, "errors": []}
    assert browser.kept is not None
    assert len(browser.kept) == 43
    assert browser.said == [f"{NAME}={browser.kept}; Path=/; Secure; HttpOnly; SameSite=Strict"]
    assert await Session.filter(token_digest=tokens.digest(browser.kept), in_cookie=True).count() == 1
    assert (await browser.ask(WHO)).data == {"viewer": {"user": {"id": anna.user_id}}}
    assert len(browser.said) == 1


async def test_without_the_header_no_cookie_is_set(api: Api, browser: Browser) -> None:
    anna = await api.person("anna@example.com")

    answer = await browser.ask(SIGN_IN, {"input": {"email": anna.email, "password": PASSWORD}}, headers={})

    assert len(answer.data["signIn"]["accessToken"]) == 43
    assert browser.said == []


async def test_every_way_to_a_session_ends_in_the_cookie(api: Api, browser: Browser) -> None:
    await api.do("register", {"name": "Anna Nowak", "email": "anna@example.com", "password": PASSWORD})
    shown = "{ accessToken viewer { user { email } currentAccount { id } } errors { code } }"
    activate = f"mutation ($input: ActivateInput!) {{ done: activate(input: $input) {shown} }}"
    token = await api.link("anna@example.com", "activation")
    activated = (await browser.ask(activate, {"input": {"token": token}})).data["done"]
    account_id = activated["viewer"]["currentAccount"]["id"]
    invite = "mutation ($input: InviteUserInput!) { inviteUser(input: $input) { errors { code } } }"
    given = {"accountId": account_id, "email": "bo@example.com", "role": "ACCOUNTANT"}
    await browser.ask(invite, {"input": given})
    guest = Browser(api.http)
    accept = f"mutation ($input: AcceptInvitationInput!) {{ done: acceptInvitation(input: $input) {shown} }}"
    given = {"token": await api.link("bo@example.com", "invitation"), "name": "Bo Berg", "password": PASSWORD}

    accepted = (await guest.ask(accept, {"input": given})).data["done"]

    assert [done["accessToken"] for done in (activated, accepted)] == [None, None]
    assert [done["viewer"]["user"]["email"] for done in (activated, accepted)] == ["anna@example.com", "bo@example.com"]
    assert await browser.is_known()
    assert await guest.is_known()


async def test_a_refused_sign_in_leaves_the_cookie_as_it_is(api: Api, browser: Browser) -> None:
    anna = await api.person("anna@example.com")
    assert (await browser.sign_in(anna.email, "wrong wrong wrong"))["errors"] == [{"code": "INVALID_CREDENTIALS"}]
    assert browser.said == []
    await browser.sign_in(anna.email)

    await browser.sign_in(anna.email, "wrong wrong wrong")

    assert len(browser.said) == 1
    assert await browser.is_known()


async def test_a_cookie_that_was_planted_before_signing_in_is_never_adopted(api: Api, browser: Browser) -> None:
    anna = await api.person("anna@example.com")
    planted = browser.kept = tokens.random_token()

    await browser.sign_in(anna.email)

    assert browser.kept != planted
    browser.kept = planted
    assert not await browser.is_known()


async def test_signing_in_anew_ends_the_session_that_the_cookie_held(api: Api, browser: Browser) -> None:
    anna, bo = await api.person("anna@example.com"), await api.person("bo@example.com")
    await browser.sign_in(anna.email)
    first = browser.kept

    await browser.sign_in(bo.email)

    assert (await browser.ask(WHO)).data["viewer"]["user"]["id"] == bo.user_id
    browser.kept = first
    assert not await browser.is_known()
    assert (await api.ask(WHO, by=anna)).data["viewer"] is not None


async def test_of_two_sign_ins_in_one_request_the_last_one_holds(api: Api, browser: Browser) -> None:
    anna, bo = await api.person("anna@example.com"), await api.person("bo@example.com")
    two = " ".join(
        f'{name}: signIn(input: {{email: "{person.email}", password: "{PASSWORD}"}}) {{ accessToken }}'
        for name, person in (("a", anna), ("b", bo))
    )

    answer = await browser.ask(f"mutation {{ {two} }}")

    assert answer.data == {"a": {"accessToken": None}, "b": {"accessToken": None}}
    assert len(browser.said) == 1
    assert (await browser.ask(WHO)).data["viewer"]["user"]["id"] == bo.user_id
    assert await Session.filter(in_cookie=True, ended_at=None).count() == 1


REVOKE = "mutation ($input: RevokeSessionInput!) { revokeSession(input: $input) { viewer { user { id } } } }"
ERASE = "mutation ($input: EraseMeInput!) { eraseMe(input: $input) { errors { code } } }"


@pytest.mark.parametrize("way", ["signOut", "revokeSession", "eraseMe"])
async def test_whoever_ends_his_session_loses_the_cookie(api: Api, browser: Browser, way: str) -> None:
    anna = await api.person("anna@example.com")
    await browser.sign_in(anna.email)
    own = (await browser.ask("{ viewer { session { id } } }")).data["viewer"]["session"]["id"]
    operation: tuple[str, dict[str, Any]] = {
        "signOut": (SIGN_OUT, {}),
        "revokeSession": (REVOKE, {"input": {"sessionId": own}}),
        "eraseMe": (ERASE, {"input": {"password": PASSWORD}}),
    }[way]

    answer = await browser.ask(*operation)

    assert answer.errors == []
    assert browser.said[1:] == [f"{NAME}=; Max-Age=0; Path=/; Secure; HttpOnly; SameSite=Strict"]
    assert await Session.filter(in_cookie=True, ended_at=None).count() == 0


async def test_ending_another_session_keeps_the_cookie(api: Api, browser: Browser) -> None:
    anna = await api.person("anna@example.com")
    await browser.sign_in(anna.email)

    await browser.ask("mutation { revokeOtherSessions { ended } }")
    await browser.ask("mutation ($input: SwitchAccountInput!) { switchAccount(input: $input) { account { id } } }",
                      {"input": {"accountId": anna.account_id}})  # fmt: skip

    assert len(browser.said) == 1
    assert await browser.is_known()
    assert (await api.ask(WHO, by=anna)).data["viewer"] is None


async def test_a_cookie_whose_session_was_ended_elsewhere_is_cleared_with_the_next_request(
    api: Api, browser: Browser
) -> None:
    anna = await api.person("anna@example.com")
    await browser.sign_in(anna.email)
    await api.do("revokeOtherSessions", None, by=anna)

    assert (await browser.ask(WHO)).data == {"viewer": None}

    assert browser.kept is None
    assert len(browser.said) == 2


# ---- How long ---------------------------------------------------------------------------------


async def test_a_browsers_session_unused_for_half_an_hour_is_over(api: Api, browser: Browser) -> None:
    anna = await api.person("anna@example.com")
    await browser.sign_in(anna.email)
    api.clock.now += IDLE_IN_COOKIE_AFTER - timedelta(seconds=1)
    assert await browser.is_known()

    api.clock.now += IDLE_IN_COOKIE_AFTER

    assert not await browser.is_known()
    assert timedelta(minutes=30) == IDLE_IN_COOKIE_AFTER


async def test_a_browsers_session_is_over_after_twelve_hours_however_used(api: Api, browser: Browser) -> None:
    anna = await api.person("anna@example.com")
    await browser.sign_in(anna.email)
    for _ in range(24):
        api.clock.forward(minutes=29)
        assert await browser.is_known()
    api.clock.forward(minutes=24, seconds=-1)
    assert await browser.is_known()
    assert timedelta(hours=12) == LASTS_IN_COOKIE

    api.clock.forward(seconds=1)

    assert not await browser.is_known()


async def test_a_browsers_session_says_when_it_ends(api: Api, browser: Browser) -> None:
    anna = await api.person("anna@example.com")
    await browser.sign_in(anna.email)
    ends = "{ viewer { session { expiresAt } sessions { nodes { expiresAt isCurrent } } } }"

    seen = (await browser.ask(ends)).data["viewer"]

    in_half_an_hour, in_a_fortnight = (
        (api.clock.now + lasts).isoformat().replace("+00:00", "Z")
        for lasts in (timedelta(minutes=30), timedelta(days=14))
    )
    assert seen["session"]["expiresAt"] == in_half_an_hour
    assert seen["sessions"]["nodes"] == [
        {"expiresAt": in_half_an_hour, "isCurrent": True},
        {"expiresAt": in_a_fortnight, "isCurrent": False},
    ]
    api.clock.forward(hours=1)
    nodes = (await api.ask("{ viewer { sessions { nodes { isCurrent } } } }", by=anna)).data["viewer"]["sessions"]
    assert nodes == {"nodes": [{"isCurrent": True}]}


async def test_browsers_left_alone_push_no_telephone_out(api: Api, browser: Browser) -> None:
    anna = await api.person("anna@example.com")
    left = await Session.get()
    for number in range(MOST_PER_USER):
        left.id, left.token_digest, left.in_cookie = uuid4(), tokens.digest(f"{number}"), True
        await Session.bulk_create([left])
    api.clock.forward(minutes=31)

    await browser.sign_in(anna.email)

    assert (await api.ask(WHO, by=anna)).data["viewer"] is not None


async def test_over_an_event_stream_nobody_signs_in_into_a_cookie(api: Api, browser: Browser) -> None:
    anna = await api.person("anna@example.com")
    before = await counts()

    given = {"input": {"email": anna.email, "password": PASSWORD}}
    answer = await browser.ask(SIGN_IN, given, headers=ASKS | {"Accept": "text/event-stream"})

    assert (answer.status, answer.codes) == (406, ["BAD_USER_INPUT"])
    assert await counts() == before


# ---- What nobody can tell ------------------------------------------------------------------------


async def test_whoever_does_not_get_in_gets_the_same_answer_with_the_same_headers(api: Api, browser: Browser) -> None:
    await api.person("anna@example.com")
    gone = await api.person("gone@example.com")
    await api.do("eraseMe", {"password": PASSWORD}, by=gone)
    await api.do("register", {"name": "Bo", "email": "bo@example.com", "password": PASSWORD})
    answers = set[tuple[object, ...]]()

    for email in ("anna@example.com", "bo@example.com", gone.email, "nobody@example.com", "no address"):
        for sent in (ASKS, {}):
            body = {"query": SIGN_IN, "variables": {"input": {"email": email, "password": "wrong wrong wrong"}}}
            response = await api.http.post("/graphql", json=body, headers=sent)
            headers = {name: value for name, value in response.headers.items() if name != "x-request-id"}
            answers.add((response.status_code, response.text, *sorted(headers.items())))

    assert len(answers) == 1
    assert "set-cookie" not in str(answers)
    assert "INVALID_CREDENTIALS" in str(answers)


async def test_the_token_is_in_no_table_answer_or_mail(api: Api, browser: Browser) -> None:
    anna = await api.person("anna@example.com")
    await browser.sign_in(anna.email)
    kept = browser.kept
    assert kept is not None

    everything = "{ viewer { session { id } sessions { nodes { userAgent } } events { nodes { type before after } } } }"
    told = [(await browser.ask(everything)).body, (await browser.ask("{ viewer { session { token } } }")).body]
    exported = await browser.ask(
        "mutation ($input: ExportMyDataInput!) { exportMyData(input: $input) { document } }",
        {"input": {"password": PASSWORD}},
    )
    dumps = [str(await db.fetch(f"SELECT t::text AS row FROM {table} t", row=db.Row)) for table in TABLES]

    assert exported.errors == []
    assert kept not in str(dumps)
    for text in map(str, (*told, exported.body)):
        assert kept not in text
        assert tokens.digest(kept).hex() not in text
