"""Tests of the access to open streams: a stream ends when its user loses the access, and other streams continue."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest

from database import db
from tests.api import PASSWORD, UNKNOWN_ID, Api, Person
from tests.authenticator import enable_second_factor
from tests.event_stream import follow
from tests.models.bureaus.bureau_setup import add_staff, assign_with_permissions, engage, register_bureau
from tests.sockets import application_of, open_socket, serve

CHANGES = "subscription { accessChanged { kind } }"
EVENTS = "subscription ($account: ID!) { accountEvents(accountId: $account) { type } }"


def running_tasks() -> list[str]:
    """Return the names of the running tasks, without short waits that repeat."""
    names = [str(getattr(task.get_coro(), "__qualname__", "")) for task in asyncio.all_tasks()]
    return sorted(name for name in names if name != "Event.wait")


RevokeAccess = Callable[[Api, Person, Person], Awaitable[None]]


async def erase_guest(api: Api, _: Person, bo: Person) -> None:
    assert (await api.do("eraseMe", {"password": PASSWORD}, by=bo))["errors"] == []


async def require_second_factor(api: Api, anna: Person, _: Person) -> None:
    await enable_second_factor(api, anna)
    arguments = {"accountId": anna.account_id, "requiresTwoFactor": True}
    assert (await api.do("updateAccountSettings", arguments, by=anna))["errors"] == []


@pytest.mark.parametrize(("revoke", "code"), [(erase_guest, "UNAUTHENTICATED"), (require_second_factor, "FORBIDDEN")])
async def test_stream_ends_with_the_access_of_its_user(api: Api, revoke: RevokeAccess, code: str) -> None:
    anna = await api.person("anna@example.com")
    bo, _ = await api.guest(anna, "bo@example.com", "ADMINISTRATOR")
    async with (
        follow(api, EVENTS, {"account": anna.account_id}, by=bo) as guest_stream,
        follow(api, EVENTS, {"account": anna.account_id}, by=anna) as owner_stream,
    ):
        await guest_stream.wait_until_open()
        await owner_stream.wait_until_open()

        await revoke(api, anna, bo)

        assert await guest_stream.last_codes() == [code]
        assert await guest_stream.next() is None
        assert len(application_of(api).state.hub) == 1


async def test_stream_of_a_consultant_ends_with_the_engagement(api: Api) -> None:
    bureau_owner, client = await register_bureau(api), await api.person("client@example.com")
    kari, _ = await add_staff(api, bureau_owner, "kari@example.com")
    engagement = await engage(api, bureau_owner, client)
    _ = await assign_with_permissions(api, bureau_owner, kari, client, ["ACCOUNT_READ", "EVENTS_READ"])
    async with follow(api, EVENTS, {"account": client.account_id}, by=kari) as guest_stream:
        await guest_stream.wait_until_open()
        assert guest_stream.messages.empty()

        assert (await api.do("endEngagement", {"engagementId": engagement}, by=client))["errors"] == []

        assert await guest_stream.last_codes() == ["FORBIDDEN"]
        assert await guest_stream.next() is None


async def test_stream_continues_after_the_paid_subscription_ends(api: Api) -> None:
    anna = await api.person("anna@example.com")
    async with follow(api, EVENTS, {"account": anna.account_id}, by=anna) as owner_stream:
        await owner_stream.wait_until_open()

        await db.execute("UPDATE accounts SET subscription_until = $1", api.clock() - timedelta(days=1))

        _ = await api.do("updateProfile", {"name": "Anna Ny"}, by=anna)
        application_of(api).state.hub.wake()
        await asyncio.sleep(0.2)
        assert len(application_of(api).state.hub) == 1


async def test_stream_continues_after_a_switch_to_another_account(api: Api) -> None:
    anna = await api.person("anna@example.com")
    bo = await api.person("bo@example.com")
    arguments = {"accountId": anna.account_id, "email": bo.email, "role": "ADMINISTRATOR"}
    assert (await api.do("inviteUser", arguments, by=anna))["errors"] == []
    token = await api.link(bo.email, "invitation")
    assert (await api.do("acceptInvitation", {"token": token}, by=bo))["errors"] == []
    assert (await api.do("switchAccount", {"accountId": anna.account_id}, by=bo))["errors"] == []
    async with follow(api, EVENTS, {"account": anna.account_id}, by=bo) as guest_stream:
        await guest_stream.wait_until_open()

        assert (await api.do("switchAccount", {"accountId": bo.account_id}, by=bo))["errors"] == []
        await api.do("updateAccount", {"accountId": anna.account_id, "name": "Ny AS"}, by=anna)

        assert (await guest_stream.answer()).data == {"accountEvents": {"type": "account:account:update"}}


async def test_socket_is_rejected_if_the_session_ends_after_the_handshake(api: Api) -> None:
    anna = await api.person("anna@example.com")
    header = {"Authorization": f"Bearer {anna.token}"}
    async with serve(application_of(api)) as port, open_socket(port, additional_headers=header) as client_socket:
        await api.do("signOut", None, by=anna)
        await client_socket.send({"type": "connection_init"})

        assert await client_socket.wait_for_close() == (4403, "Sign in first.")


async def test_stream_errors_do_not_reveal_whether_an_account_exists(api: Api) -> None:
    anna, bo = await api.person("anna@example.com"), await api.person("bo@example.com")
    endings = []
    for account in (bo.account_id, UNKNOWN_ID, "x", ""):
        async with follow(api, EVENTS, {"account": account}, by=anna) as stream:
            await stream.wait_until_open()
            response = await stream.answer()
            for error in response.errors:
                error["extensions"].pop("requestId")
            endings.append((stream.status, response.body, await stream.next()))

    assert all(ending == endings[0] for ending in endings)
    assert endings[0][1]["errors"][0]["extensions"]["code"] == "FORBIDDEN"


async def test_disconnect_during_the_start_of_a_stream_leaves_no_task(api: Api) -> None:
    """The delays cover a cancellation before the stream exists, while it opens, and before the first event."""
    anna = await api.person("anna@example.com")
    tasks_before = running_tasks()
    for number in range(40):
        query, variables = (CHANGES, {}) if number % 2 else (EVENTS, {"account": anna.account_id})
        async with follow(api, query, variables, by=anna) as stream:
            await asyncio.sleep(number / 4000)
            del stream

    async with asyncio.timeout(5):
        while len(application_of(api).state.hub) or running_tasks() != tasks_before:  # noqa: ASYNC110 - there is no event for it
            await asyncio.sleep(0.005)
