"""Sessions, from the sign-in to their end, and switching between accounts."""

from datetime import timedelta
from typing import Any

import pytest

from auth import tokens
from database import db
from models.people.session import IDLE_AFTER, LASTS, MOST_PER_USER, Session
from tests.api import NOWHERE, PASSWORD, Api, Person
from tests.models.refusals import events, refused, rejected

WHO = "{ viewer { user { id } } }"
LIST = "{ viewer { sessions { totalCount nodes { id isCurrent userAgent ipAddress } } } }"
WHERE = "{ viewer { currentAccount { id } currentGrant { role } } }"


async def sign_in(api: Api, email: str) -> str:
    done = await api.do("signIn", {"email": email, "password": PASSWORD}, "accessToken")
    token: str = done["accessToken"]
    return token


async def is_open(api: Api, token: str | Person) -> bool:
    return (await api.ask(WHO, by=token)).data["viewer"] is not None


async def current_account(api: Api, by: str | Person, *, account: str | None = None) -> Any:
    found = (await api.ask(WHERE, by=by, account=account)).data["viewer"]["currentAccount"]
    return found and found["id"]


# ---- Tokens ----------------------------------------------------------------------------------


async def test_the_digest_and_not_the_token_is_kept(api: Api) -> None:
    anna = await api.person("anna@example.com")

    row = await Session.get()

    assert row.token_digest == tokens.digest(anna.token)
    assert anna.token not in str(await db.fetch("SELECT s::text FROM sessions s", row=db.Row))


async def test_each_sign_in_has_a_token_of_its_own(api: Api) -> None:
    anna = await api.person("anna@example.com")

    found = {anna.token, await sign_in(api, anna.email), await sign_in(api, anna.email)}

    assert len(found) == 3
    assert min(map(len, found)) == 43


async def test_a_token_that_was_sent_before_signing_in_is_never_adopted(api: Api) -> None:
    anna = await api.person("anna@example.com")
    planted = tokens.random_token()

    done = await api.do("signIn", {"email": anna.email, "password": PASSWORD}, "accessToken", by=planted)

    assert done["accessToken"] != planted
    assert not await is_open(api, planted)


@pytest.mark.parametrize("change", [lambda t: t[:-1], lambda t: t + "A", lambda t: t.swapcase(), lambda _: "ż" * 43])
async def test_a_token_that_is_not_exactly_one_is_nobodys(api: Api, change: Any) -> None:
    anna = await api.person("anna@example.com")
    token = change(anna.token).encode("ascii", "replace").decode()

    assert not await is_open(api, token)


# ---- Lifetime --------------------------------------------------------------------------------


async def test_a_session_unused_for_14_days_is_over(api: Api) -> None:
    anna = await api.person("anna@example.com")
    api.clock.now += IDLE_AFTER - timedelta(seconds=1)
    assert await is_open(api, anna)

    api.clock.now += IDLE_AFTER

    assert not await is_open(api, anna)


async def test_a_session_is_over_after_30_days_however_used(api: Api) -> None:
    anna = await api.person("anna@example.com")
    for _ in range(2):
        api.clock.forward(days=10)
        assert await is_open(api, anna)
    api.clock.forward(days=10, seconds=-1)
    assert await is_open(api, anna)
    assert timedelta(days=30) == LASTS

    api.clock.forward(seconds=1)

    assert not await is_open(api, anna)


async def test_a_session_says_when_it_ends_unless_used(api: Api) -> None:
    anna = await api.person("anna@example.com")
    api.clock.forward(days=1)

    await api.ask(WHO, by=anna)

    seen = await api.ask("{ viewer { session { lastUsedAt expiresAt } } }", by=anna)

    assert seen.data["viewer"]["session"] == {
        "lastUsedAt": api.clock.now.isoformat().replace("+00:00", "Z"),
        "expiresAt": (api.clock.now + IDLE_AFTER).isoformat().replace("+00:00", "Z"),
    }


async def test_of_21_sessions_the_one_unused_longest_is_over(api: Api) -> None:
    anna = await api.person("anna@example.com")
    opened = [anna.token]
    for _ in range(MOST_PER_USER - 1):
        api.clock.forward(minutes=2)
        opened.append(await sign_in(api, anna.email))
    api.clock.forward(minutes=2)
    assert await is_open(api, opened[0])  # used now, so that the second is the oldest

    opened.append(await sign_in(api, anna.email))

    assert [await is_open(api, token) for token in opened] == [True, False, *[True] * (MOST_PER_USER - 1)]
    assert await Session.filter(ended_at=None).count() == MOST_PER_USER


# ---- Listing and ending ----------------------------------------------------------------------


async def test_sessions_are_listed_with_the_one_that_asks(api: Api) -> None:
    anna = await api.person("anna@example.com")
    await api.person("bo@example.com")
    await api.ask(
        f'mutation {{ signIn(input: {{email: "{anna.email}", password: "{PASSWORD}"}}) {{ accessToken }} }}',
        headers={"User-Agent": "Telephone"},
    )

    seen = (await api.ask(LIST, by=anna)).data["viewer"]["sessions"]

    assert seen["totalCount"] == 2
    assert [node["isCurrent"] for node in seen["nodes"]] == [False, True]
    assert seen["nodes"][0]["userAgent"] == "Telephone"


async def test_a_session_is_ended_by_its_user(api: Api) -> None:
    anna = await api.person("anna@example.com")
    other = await sign_in(api, anna.email)
    newest = (await api.ask(LIST, by=anna)).data["viewer"]["sessions"]["nodes"][0]["id"]

    done = await api.do("revokeSession", {"sessionId": newest}, "sessionId", by=anna)

    assert done == {"sessionId": newest, "errors": []}
    assert (await is_open(api, anna), await is_open(api, other)) == (True, False)
    assert await refused(api, "revokeSession", {"sessionId": newest}, by=anna) == [("NOT_FOUND", ["sessionId"])]


async def test_a_session_of_somebody_else_does_not_exist(api: Api) -> None:
    anna, bo = await api.person("anna@example.com"), await api.person("bo@example.com")
    his = (await api.ask(LIST, by=bo)).data["viewer"]["sessions"]["nodes"][0]["id"]

    answers = [
        await refused(api, "revokeSession", {"sessionId": key}, by=anna) for key in (his, NOWHERE, anna.account_id, "x")
    ]

    assert answers == [[("NOT_FOUND", ["sessionId"])]] * 4
    assert await is_open(api, bo)


async def test_all_others_are_ended_at_once(api: Api) -> None:
    anna, bo = await api.person("anna@example.com"), await api.person("bo@example.com")
    others = [await sign_in(api, anna.email) for _ in range(3)]

    done = await api.do("revokeOtherSessions", None, "ended", by=anna)

    assert done == {"ended": 3, "errors": []}
    assert [await is_open(api, token) for token in (anna.token, bo.token, *others)] == [True, True, False, False, False]


async def test_signing_out_ends_the_session_that_asks(api: Api) -> None:
    anna = await api.person("anna@example.com")
    other = await sign_in(api, anna.email)

    done = await api.do("signOut", None, by=anna)

    assert done == {"errors": []}
    assert (await is_open(api, anna), await is_open(api, other)) == (False, True)
    assert len(await events("user:session:end")) == 1


@pytest.mark.parametrize(
    ("mutation", "given"),
    [
        ("signOut", None),
        ("revokeOtherSessions", None),
        ("revokeSession", {"sessionId": NOWHERE}),
        ("changePassword", {"currentPassword": "a", "newPassword": "b"}),
        ("updateProfile", {"name": "A"}),
        ("createAccount", {"name": "A"}),
        ("switchAccount", {"accountId": NOWHERE}),
        ("inviteUser", {"accountId": NOWHERE, "email": "a@example.com", "role": "ACCOUNTANT"}),
        ("revokeGrant", {"grantId": NOWHERE}),
        ("resignGrant", {"grantId": NOWHERE}),
        ("extendSubscription", {"accountId": NOWHERE, "payerAccountId": NOWHERE, "days": 10}),
        ("redeemVoucher", {"accountId": NOWHERE, "code": "ABCDE"}),
        ("acceptInvitation", {"invitationId": NOWHERE}),
        ("declineInvitation", {"invitationId": NOWHERE}),
    ],
)
async def test_nobody_is_told_to_sign_in(api: Api, mutation: str, given: dict[str, Any] | None) -> None:
    assert (await rejected(api, mutation, given)).codes == ["UNAUTHENTICATED"]


# ---- Switching -------------------------------------------------------------------------------


async def second_account(api: Api, by: Person, name: str = "Second") -> str:
    done = await api.do("createAccount", {"name": name}, "account { id }", by=by)
    key: str = done["account"]["id"]
    return key


async def test_switching_needs_no_password_and_holds_for_this_session_only(api: Api) -> None:
    anna = await api.person("anna@example.com")
    other = await sign_in(api, anna.email)
    second = await second_account(api, anna)

    done = await api.do(
        "switchAccount", {"accountId": second}, "account { id } viewer { currentAccount { id } }", by=anna
    )

    assert done["account"]["id"] == done["viewer"]["currentAccount"]["id"] == second
    assert await current_account(api, anna) == second
    assert await current_account(api, other) == anna.account_id


async def test_the_next_sign_in_begins_where_one_was_last(api: Api) -> None:
    anna = await api.person("anna@example.com")
    second = await second_account(api, anna)
    api.clock.forward(minutes=1)
    await api.do("switchAccount", {"accountId": second}, by=anna)

    assert await current_account(api, await sign_in(api, anna.email)) == second
    listed = await api.ask("{ viewer { accounts { nodes { id } } } }", by=anna)
    assert [node["id"] for node in listed.data["viewer"]["accounts"]["nodes"]] == [second, anna.account_id]


async def test_only_an_account_that_can_be_entered_is_switched_to(api: Api) -> None:
    anna, bo = await api.person("anna@example.com"), await api.person("bo@example.com")

    answers = [
        await refused(api, "switchAccount", {"accountId": key}, by=anna)
        for key in (bo.account_id, NOWHERE, anna.user_id, "")
    ]

    assert answers == [[("NOT_FOUND", ["accountId"])]] * 4


async def test_a_header_chooses_the_account_of_one_request(api: Api) -> None:
    anna = await api.person("anna@example.com")
    second = await second_account(api, anna)
    number = (await api.ask("query ($id: ID!) { account(id: $id) { number } }", {"id": second}, by=anna)).data

    assert await current_account(api, anna, account=second) == second
    assert await current_account(api, anna, account=str(number["account"]["number"])) == second
    assert await current_account(api, anna) == anna.account_id


async def test_a_header_that_names_no_account_of_ones_own_fails_closed(api: Api) -> None:
    anna, bo = await api.person("anna@example.com"), await api.person("bo@example.com")
    number = (await api.ask("{ viewer { currentAccount { number } } }", by=bo)).data["viewer"]["currentAccount"]

    answers = [
        await api.ask(WHERE, by=anna, account=key)
        for key in (bo.account_id, str(number["number"]), NOWHERE, "", "0", "99999999999999999999", "x", anna.user_id)
    ]

    assert [answer.codes for answer in answers] == [["ACCOUNT_REQUIRED"]] * 8
    assert [answer.body.get("data") for answer in answers] == [None] * 8


async def test_access_taken_back_ends_in_the_running_session(api: Api) -> None:
    anna = await api.person("anna@example.com")
    bo, grant_id = await api.guest(anna, "bo@example.com", "COLLABORATOR")
    assert await current_account(api, bo) == anna.account_id

    await api.do("revokeGrant", {"grantId": grant_id}, by=anna)

    assert await current_account(api, bo) is None
    assert (await api.ask(WHERE, by=bo, account=anna.account_id)).codes == ["ACCOUNT_REQUIRED"]
    assert await refused(api, "switchAccount", {"accountId": anna.account_id}, by=bo) == [("NOT_FOUND", ["accountId"])]


async def test_entering_is_recorded_with_the_role_of_the_time_once_an_hour(api: Api) -> None:
    anna = await api.person("anna@example.com")
    bo, grant_id = await api.guest(anna, "bo@example.com", "ACCOUNTANT")
    for _ in range(3):
        await api.ask(WHO, by=bo)
        api.clock.forward(minutes=2)
    await api.do("updateGrant", {"grantId": grant_id, "role": "COLLABORATOR"}, by=anna)
    api.clock.forward(hours=1)
    await api.ask(WHO, by=bo)

    roles = [event.actor_role for event in await events("account:account:enter") if event.actor_role != "OWNER"]

    assert roles == ["ACCOUNTANT", "COLLABORATOR"]
    seen = await api.ask("{ viewer { events { nodes { type actor { id } actorRole account { id } } } } }", by=anna)
    entries = [node for node in seen.data["viewer"]["events"]["nodes"] if node["actorRole"] == "ACCOUNTANT"]
    assert [(node["actor"]["id"], node["account"]["id"]) for node in entries if node["type"].endswith("enter")] == [
        (bo.user_id, anna.account_id)
    ]
