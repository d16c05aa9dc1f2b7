"""What a stream lives by, and whatever can take it away while it is open; who keeps his right is not disturbed."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest

from database import db
from tests.api import NOWHERE, PASSWORD, Api, Person
from tests.authenticator import set_up
from tests.following import following
from tests.models.bureaus.bureau_setup import bureau, engaged, staff, working
from tests.sockets import listening, running, socket

CHANGES = "subscription { accessChanged { kind } }"
EVENTS = "subscription ($account: ID!) { accountEvents(accountId: $account) { type } }"


def at_work() -> list[str]:
    """What runs, but for waits that end and begin anew."""
    names = [str(getattr(task.get_coro(), "__qualname__", "")) for task in asyncio.all_tasks()]
    return sorted(name for name in names if name != "Event.wait")


Ends = Callable[[Api, Person, Person], Awaitable[None]]


async def erased(api: Api, _: Person, bo: Person) -> None:
    assert (await api.do("eraseMe", {"password": PASSWORD}, by=bo))["errors"] == []


async def demanded(api: Api, anna: Person, _: Person) -> None:
    await set_up(api, anna)
    given = {"accountId": anna.account_id, "requiresTwoFactor": True}
    assert (await api.do("updateAccountSettings", given, by=anna))["errors"] == []


@pytest.mark.parametrize(("ends", "code"), [(erased, "UNAUTHENTICATED"), (demanded, "FORBIDDEN")])
async def test_what_takes_the_right_ends_the_stream(api: Api, ends: Ends, code: str) -> None:
    anna = await api.person("anna@example.com")
    bo, _ = await api.guest(anna, "bo@example.com", "ADMINISTRATOR")
    async with (
        following(api, EVENTS, {"account": anna.account_id}, by=bo) as his,
        following(api, EVENTS, {"account": anna.account_id}, by=anna) as hers,
    ):
        await his.opened()
        await hers.opened()

        await ends(api, anna, bo)

        while "data" in (last := await his.answer()).body:  # what was written before
            pass
        assert last.codes == [code]
        assert await his.next() is None
        assert len(running(api).state.hub) == 1


async def test_a_consultant_follows_until_his_bureau_is_let_go(api: Api) -> None:
    biuro, client = await bureau(api), await api.person("client@example.com")
    kari, _ = await staff(api, biuro, "kari@example.com")
    engagement = await engaged(api, biuro, client)
    _ = await working(api, biuro, kari, client, ["ACCOUNT_READ", "EVENTS_READ"])
    async with following(api, EVENTS, {"account": client.account_id}, by=kari) as his:
        await his.opened()
        assert his.sent.empty()

        assert (await api.do("endEngagement", {"engagementId": engagement}, by=client))["errors"] == []

        assert (await his.answer()).codes == ["FORBIDDEN"]
        assert await his.next() is None


async def test_the_end_of_the_subscription_ends_no_stream(api: Api) -> None:
    anna = await api.person("anna@example.com")
    async with following(api, EVENTS, {"account": anna.account_id}, by=anna) as hers:
        await hers.opened()

        await db.execute("UPDATE accounts SET subscription_until = $1", api.clock() - timedelta(days=1))

        _ = await api.do("updateProfile", {"name": "Anna Ny"}, by=anna)
        running(api).state.hub.wake()
        await asyncio.sleep(0.2)
        assert len(running(api).state.hub) == 1


async def test_leaving_an_account_ends_nothing_that_was_followed_in_it(api: Api) -> None:
    anna = await api.person("anna@example.com")
    bo = await api.person("bo@example.com")
    given = {"accountId": anna.account_id, "email": bo.email, "role": "ADMINISTRATOR"}
    assert (await api.do("inviteUser", given, by=anna))["errors"] == []
    token = await api.link(bo.email, "invitation")
    assert (await api.do("acceptInvitation", {"token": token}, by=bo))["errors"] == []
    assert (await api.do("switchAccount", {"accountId": anna.account_id}, by=bo))["errors"] == []
    async with following(api, EVENTS, {"account": anna.account_id}, by=bo) as his:
        await his.opened()

        assert (await api.do("switchAccount", {"accountId": bo.account_id}, by=bo))["errors"] == []
        await api.do("updateAccount", {"accountId": anna.account_id, "name": "Ny AS"}, by=anna)

        assert (await his.answer()).data == {"accountEvents": {"type": "account:account:update"}}


async def test_who_is_signed_out_between_the_handshake_and_the_beginning_is_nobody(api: Api) -> None:
    anna = await api.person("anna@example.com")
    header = {"Authorization": f"Bearer {anna.token}"}
    async with listening(running(api)) as port, socket(port, additional_headers=header) as one:
        await api.do("signOut", None, by=anna)
        await one.say({"type": "connection_init"})

        assert await one.closed() == (4403, "Sign in first.")


async def test_foreign_and_made_up_accounts_end_alike_over_http_too(api: Api) -> None:
    anna, bo = await api.person("anna@example.com"), await api.person("bo@example.com")
    answers = []
    for account in (bo.account_id, NOWHERE, "x", ""):
        async with following(api, EVENTS, {"account": account}, by=anna) as followed:
            await followed.opened()
            refused = await followed.answer()
            for error in refused.errors:
                error["extensions"].pop("requestId")
            answers.append((followed.status, refused.body, await followed.next()))

    assert all(answer == answers[0] for answer in answers)
    assert answers[0][1]["errors"][0]["extensions"]["code"] == "FORBIDDEN"


async def test_who_goes_at_any_moment_of_the_beginning_leaves_nothing(api: Api) -> None:
    """With either executor: cancelled before there is a stream, while it is opened, and before the first event."""
    anna = await api.person("anna@example.com")
    before = at_work()
    for number in range(40):
        query, variables = (CHANGES, {}) if number % 2 else (EVENTS, {"account": anna.account_id})
        async with following(api, query, variables, by=anna) as followed:
            await asyncio.sleep(number / 4000)
            del followed

    async with asyncio.timeout(5):
        while len(running(api).state.hub) or at_work() != before:  # noqa: ASYNC110 - nobody is told
            await asyncio.sleep(0.005)
