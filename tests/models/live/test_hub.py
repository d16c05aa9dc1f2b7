"""Streams of the hub: delivery, end of access, capacity and shutdown."""

import asyncio

import pytest

from database import db
from models.base.caller import Caller, OperationConfig
from models.live.hub import Hub, ShuttingDown
from models.people.session import Session
from models.scheduled import jobs
from resolvers import ids
from tests.api import KEY, PASSWORD, Api
from tests.event_stream import follow
from tests.sockets import application_of

EVENTS = "subscription ($account: ID!) { accountEvents(accountId: $account) { id } }"
CHANGES = "subscription { accessChanged { kind } }"


async def test_expired_grant_is_delivered_and_closes_event_stream(api: Api) -> None:
    anna = await api.person("anna@example.com")
    bo, grant = await api.guest(anna, "bo@example.com", "ADMINISTRATOR")
    end = api.clock().replace(microsecond=0)
    api.clock.forward(seconds=-60)
    assert (await api.do("updateGrant", {"grantId": grant, "validUntil": end.isoformat()}, by=anna))["errors"] == []
    async with (
        follow(api, CHANGES, by=bo) as changes,
        follow(api, EVENTS, {"account": anna.account_id}, by=bo) as events,
    ):
        await changes.wait_until_open()
        await events.wait_until_open()

        api.clock.forward(seconds=60)

        assert await events.last_codes() == ["FORBIDDEN"]
        assert await events.next() is None
        await jobs.run(Caller(now=api.clock(), config=OperationConfig(KEY)))
        assert (await changes.answer()).data == {"accessChanged": {"kind": "EXPIRED"}}
        assert len(application_of(api).state.hub) == 1


async def test_erasure_closes_streams_of_the_user(api: Api) -> None:
    anna = await api.person("anna@example.com")
    async with follow(api, CHANGES, by=anna) as stream:
        await stream.wait_until_open()

        assert (await api.do("eraseMe", {"password": PASSWORD}, by=anna))["errors"] == []

        assert await stream.last_codes() == ["UNAUTHENTICATED"]


async def test_closed_hub_ends_its_streams_and_accepts_no_new_ones(api: Api) -> None:
    anna = await api.person("anna@example.com")
    (session,) = await Session.filter(user_id=ids.decode("User", anna.user_id))
    caller = Caller(now=api.clock(), config=OperationConfig(KEY), user_id=session.user_id, session_id=session.id)
    closed_hub = Hub(api.clock)
    stream = await closed_hub.follow_changes(caller)

    closed_hub.close()

    assert len(closed_hub) == 0
    with pytest.raises(ShuttingDown):
        await anext(stream)
    with pytest.raises(ShuttingDown):
        await closed_hub.follow_changes(caller)


async def test_stream_with_too_many_unread_changes_is_ended(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    anna = await api.person("anna@example.com")
    bo, grant = await api.guest(anna, "bo@example.com", "ACCOUNTANT")
    (session,) = await Session.filter(user_id=ids.decode("User", bo.user_id))
    hub = Hub(api.clock)
    monkeypatch.setattr("models.live.hub.MAX_QUEUED_CHANGES", 1)
    stream = await hub.follow_changes(
        Caller(now=api.clock(), config=OperationConfig(KEY), user_id=session.user_id, session_id=session.id)
    )

    for mutation in ("revokeGrant", "restoreGrant"):
        assert (await api.do(mutation, {"grantId": grant}, by=anna))["errors"] == []
    await hub.poll()

    with pytest.raises(ShuttingDown):
        await anext(stream)
    assert len(hub) == 0


async def test_hub_closes_although_a_commit_comes_at_the_same_moment(api: Api) -> None:
    """The cancellation of a loop must not be lost when its event is set in the same turn."""
    for _ in range(5):
        async with asyncio.timeout(5):
            async with Hub(api.clock).open():
                await asyncio.sleep(0.05)  # the loops wait for their events
                for report_commit in list(db._commit_callbacks):
                    report_commit()
