"""Sessions: tokens, lifetime, listing and ending."""

from datetime import timedelta
from typing import Any

import pytest

from auth import tokens
from database import db
from models.people.session import IDLE_TIMEOUT, LIFETIME, MAX_PER_USER, Session
from tests.api import PASSWORD, UNKNOWN_ID, Api, Person
from tests.models.refusals import events, refusal_codes, rejection

USER_QUERY = "{ viewer { user { id } } }"
SESSIONS_QUERY = "{ viewer { sessions { totalCount nodes { id isCurrent userAgent ipAddress } } } }"


async def sign_in(api: Api, email: str) -> str:
    payload = await api.do("signIn", {"email": email, "password": PASSWORD}, "accessToken")
    token: str = payload["accessToken"]
    return token


async def is_open(api: Api, token: str | Person) -> bool:
    return (await api.ask(USER_QUERY, by=token)).data["viewer"] is not None


# ---- Tokens ----------------------------------------------------------------------------------


async def test_database_stores_the_digest_and_not_the_token(api: Api) -> None:
    anna = await api.person("anna@example.com")

    row = await Session.get()

    assert row.token_digest == tokens.digest(anna.token)
    assert anna.token not in str(await db.fetch("SELECT s::text FROM sessions s", row=db.Row))


async def test_each_sign_in_gets_a_new_token(api: Api) -> None:
    anna = await api.person("anna@example.com")

    tokens_of_anna = {anna.token, await sign_in(api, anna.email), await sign_in(api, anna.email)}

    assert len(tokens_of_anna) == 3
    assert min(map(len, tokens_of_anna)) == 43


async def test_token_sent_with_the_sign_in_is_not_adopted(api: Api) -> None:
    anna = await api.person("anna@example.com")
    planted_token = tokens.random_token()

    payload = await api.do("signIn", {"email": anna.email, "password": PASSWORD}, "accessToken", by=planted_token)

    assert payload["accessToken"] != planted_token
    assert not await is_open(api, planted_token)


@pytest.mark.parametrize("change", [lambda t: t[:-1], lambda t: t + "A", lambda t: t.swapcase(), lambda _: "ż" * 43])
async def test_altered_token_opens_no_session(api: Api, change: Any) -> None:
    anna = await api.person("anna@example.com")
    token = change(anna.token).encode("ascii", "replace").decode()

    assert not await is_open(api, token)


# ---- Lifetime --------------------------------------------------------------------------------


async def test_session_unused_for_14_days_is_ended(api: Api) -> None:
    anna = await api.person("anna@example.com")
    api.clock.now += IDLE_TIMEOUT - timedelta(seconds=1)
    assert await is_open(api, anna)

    api.clock.now += IDLE_TIMEOUT

    assert not await is_open(api, anna)


async def test_session_ends_after_30_days_of_use(api: Api) -> None:
    anna = await api.person("anna@example.com")
    for _ in range(2):
        api.clock.forward(days=10)
        assert await is_open(api, anna)
    api.clock.forward(days=10, seconds=-1)
    assert await is_open(api, anna)
    assert timedelta(days=30) == LIFETIME

    api.clock.forward(seconds=1)

    assert not await is_open(api, anna)


async def test_session_shows_its_idle_end(api: Api) -> None:
    anna = await api.person("anna@example.com")
    api.clock.forward(days=1)

    await api.ask(USER_QUERY, by=anna)

    response = await api.ask("{ viewer { session { lastUsedAt expiresAt } } }", by=anna)

    assert response.data["viewer"]["session"] == {
        "lastUsedAt": api.clock.now.isoformat().replace("+00:00", "Z"),
        "expiresAt": (api.clock.now + IDLE_TIMEOUT).isoformat().replace("+00:00", "Z"),
    }


async def test_21st_session_ends_the_least_recently_used(api: Api) -> None:
    anna = await api.person("anna@example.com")
    session_tokens = [anna.token]
    for _ in range(MAX_PER_USER - 1):
        api.clock.forward(minutes=2)
        session_tokens.append(await sign_in(api, anna.email))
    api.clock.forward(minutes=2)
    assert await is_open(api, session_tokens[0])  # this use makes the second session the least recently used

    session_tokens.append(await sign_in(api, anna.email))

    assert [await is_open(api, token) for token in session_tokens] == [True, False, *[True] * (MAX_PER_USER - 1)]
    assert await Session.filter(ended_at=None).count() == MAX_PER_USER


# ---- Listing and ending ----------------------------------------------------------------------


async def test_list_marks_the_current_session(api: Api) -> None:
    anna = await api.person("anna@example.com")
    await api.person("bo@example.com")
    await api.ask(
        f'mutation {{ signIn(input: {{email: "{anna.email}", password: "{PASSWORD}"}}) {{ accessToken }} }}',
        headers={"User-Agent": "Telephone"},
    )

    connection = (await api.ask(SESSIONS_QUERY, by=anna)).data["viewer"]["sessions"]

    assert connection["totalCount"] == 2
    assert [node["isCurrent"] for node in connection["nodes"]] == [False, True]
    assert connection["nodes"][0]["userAgent"] == "Telephone"


async def test_user_ends_another_own_session(api: Api) -> None:
    anna = await api.person("anna@example.com")
    other_token = await sign_in(api, anna.email)
    newest = (await api.ask(SESSIONS_QUERY, by=anna)).data["viewer"]["sessions"]["nodes"][0]["id"]

    payload = await api.do("revokeSession", {"sessionId": newest}, "sessionId", by=anna)

    assert payload == {"sessionId": newest, "errors": []}
    assert (await is_open(api, anna), await is_open(api, other_token)) == (True, False)
    assert await refusal_codes(api, "revokeSession", {"sessionId": newest}, by=anna) == [("NOT_FOUND", ["sessionId"])]


async def test_session_that_is_over_is_not_ended_again(api: Api) -> None:
    """It is in no list any more. An answer that it has ended now would be wrong."""
    anna = await api.person("anna@example.com")
    over = (await api.ask(SESSIONS_QUERY, by=anna)).data["viewer"]["sessions"]["nodes"][0]["id"]
    api.clock.now += IDLE_TIMEOUT
    anna = await api.sign_in(anna)

    assert await refusal_codes(api, "revokeSession", {"sessionId": over}, by=anna) == [("NOT_FOUND", ["sessionId"])]


async def test_session_of_another_user_is_not_found(api: Api) -> None:
    anna, bo = await api.person("anna@example.com"), await api.person("bo@example.com")
    session_id = (await api.ask(SESSIONS_QUERY, by=bo)).data["viewer"]["sessions"]["nodes"][0]["id"]

    outcomes = [
        await refusal_codes(api, "revokeSession", {"sessionId": key}, by=anna)
        for key in (session_id, UNKNOWN_ID, anna.account_id, "x")
    ]

    assert outcomes == [[("NOT_FOUND", ["sessionId"])]] * 4
    assert await is_open(api, bo)


async def test_sessions_that_were_over_are_not_counted_as_ended(api: Api) -> None:
    anna = await api.person("anna@example.com")
    for _ in range(2):
        await sign_in(api, anna.email)
    api.clock.now += IDLE_TIMEOUT
    new_tokens = [await sign_in(api, anna.email) for _ in range(2)]

    payload = await api.do("revokeOtherSessions", None, "ended", by=new_tokens[0])

    assert payload == {"ended": 1, "errors": []}
    assert [await is_open(api, token) for token in new_tokens] == [True, False]
    assert await Session.filter(ended_at=None).count() == 1


@pytest.mark.parametrize("token", ["expired", "made up"])
async def test_ended_token_is_told_apart_from_none(api: Api, token: str) -> None:
    anna = await api.person("anna@example.com")
    api.clock.now += IDLE_TIMEOUT
    by = anna.token if token == "expired" else "made-up"

    answers = [await api.ask("{ viewer { user { id } } }", by=caller) for caller in (by, None)]
    sign_in_answer = await api.ask(
        "mutation ($i: SignInInput!) { signIn(input: $i) { errors { code } } }",
        {"i": {"email": anna.email, "password": PASSWORD}},
        by=by,
    )

    assert [answer.status for answer in answers] == [200, 200]
    assert answers[0].body == {"data": {"viewer": None}, "extensions": {"code": "SESSION_ENDED"}}
    assert answers[1].body == {"data": {"viewer": None}}
    assert sign_in_answer.body == {"data": {"signIn": {"errors": []}}}, "the new session is open"


async def test_user_ends_all_other_own_sessions(api: Api) -> None:
    anna, bo = await api.person("anna@example.com"), await api.person("bo@example.com")
    other_tokens = [await sign_in(api, anna.email) for _ in range(3)]

    payload = await api.do("revokeOtherSessions", None, "ended", by=anna)

    assert payload == {"ended": 3, "errors": []}
    assert [await is_open(api, token) for token in (anna.token, bo.token, *other_tokens)] == [
        True,
        True,
        False,
        False,
        False,
    ]


async def test_sign_out_ends_the_current_session(api: Api) -> None:
    anna = await api.person("anna@example.com")
    other_token = await sign_in(api, anna.email)

    payload = await api.do("signOut", None, by=anna)

    assert payload == {"errors": []}
    assert (await is_open(api, anna), await is_open(api, other_token)) == (False, True)
    assert len(await events("user:session:end")) == 1


@pytest.mark.parametrize(
    ("mutation", "arguments"),
    [
        ("signOut", None),
        ("revokeOtherSessions", None),
        ("revokeSession", {"sessionId": UNKNOWN_ID}),
        ("changePassword", {"currentPassword": "a", "newPassword": "b"}),
        ("updateProfile", {"name": "A"}),
        ("createAccount", {"name": "A"}),
        ("switchAccount", {"accountId": UNKNOWN_ID}),
        ("inviteUser", {"accountId": UNKNOWN_ID, "email": "a@example.com", "role": "ACCOUNTANT"}),
        ("revokeGrant", {"grantId": UNKNOWN_ID}),
        ("resignGrant", {"grantId": UNKNOWN_ID}),
        ("extendSubscription", {"accountId": UNKNOWN_ID, "payerAccountId": UNKNOWN_ID, "days": 10}),
        ("redeemVoucher", {"accountId": UNKNOWN_ID, "code": "ABCDE"}),
        ("acceptInvitation", {"invitationId": UNKNOWN_ID}),
        ("declineInvitation", {"invitationId": UNKNOWN_ID}),
    ],
)
async def test_operation_needs_a_signed_in_user(api: Api, mutation: str, arguments: dict[str, Any] | None) -> None:
    assert (await rejection(api, mutation, arguments)).codes == ["UNAUTHENTICATED"]
