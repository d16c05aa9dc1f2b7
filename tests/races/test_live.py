"""Streams while much happens, connections are cut and processes die: nothing is lost, doubled or out of order."""

import asyncio
import os
import random
import signal
import time
from contextlib import AsyncExitStack

import asyncpg

from database import db
from models.base.caller import Caller, OperationConfig
from models.live import hub
from models.scheduled import jobs
from tests.api import KEY, PASSWORD, Api, Person
from tests.conftest import connect
from tests.following import Followed, following
from tests.races.racing import ROUNDS
from tests.schema.world import key
from tests.sockets import running, socket

EVENTS = "subscription ($account: ID!) { accountEvents(accountId: $account) { id } }"
CHANGES = "subscription { accessChanged { kind } }"
WRITTEN = """SELECT replace(l.event_id::text, '-', '') AS id FROM event_links l WHERE l.chain = $1 AND l.position > $2
ORDER BY l.position"""
HEAD = "SELECT max(position) AS head FROM event_links WHERE chain = $1"
TALKING = (
    "FROM pg_stat_activity WHERE datname = current_database() AND query ~ '^(LISTEN|NOTIFY|SET synchronous_commit)'"
)
SECONDS = 3.0
"""Within which a stream ends, on a machine that has much else to do. `make bench ARGS="--only live"` measures it."""


async def test_what_ends_on_one_server_closes_streams_of_another(servers: list[Api]) -> None:
    here, there = servers
    anna = await here.person("anna@example.com")
    port = there.http.base_url.port
    assert port is not None

    async def revoked(grant: str) -> None:
        assert (await here.do("revokeGrant", {"grantId": grant}, by=anna))["errors"] == []

    async def by_hand(grant: str) -> None:
        await db.execute("UPDATE grants SET status = 'REVOKED', ended_at = now() WHERE id = $1", key(grant))

    async def another_role(grant: str) -> None:
        await db.execute("UPDATE grants SET role = 'SIMPLE_USER' WHERE id = $1", key(grant))

    for number, take_back in enumerate((revoked, by_hand, another_role)):
        bo, grant = await here.guest(anna, f"bo-{number}@example.com", "ADMINISTRATOR")
        async with socket(port) as one:
            await (await one.begin(bo)).subscribe("a", EVENTS, {"account": anna.account_id})
            await here.do("createAccount", {"name": "Not this one"}, by=anna)
            await asyncio.sleep(0.3)

            started = time.monotonic()
            await take_back(grant)

            ended = await one.next("a")
            assert (ended["type"], ended["payload"][0]["extensions"]["code"]) == ("error", "FORBIDDEN")
            assert time.monotonic() - started < SECONDS
            started = time.monotonic()
            await here.do("signOut", None, by=bo)
            assert await one.closed() == (4403, "Sign in first.")
            assert time.monotonic() - started < SECONDS


async def read(followed: Followed, count: int) -> list[str]:
    """The ids of the next events."""
    return [(await followed.answer()).data["accountEvents"]["id"][1:] for _ in range(count)]


async def written(account: str, since: int) -> list[str]:
    """The ids of an account's events as its chain has them."""
    return [row.id for row in await db.fetch(WRITTEN, key(account), since, row=db.Row)]


async def head(account: str) -> int:
    (row,) = await db.fetch(HEAD, key(account), row=db.Row)
    return int(row.head)


async def listener(knife: "asyncpg.Connection[asyncpg.Record]") -> int:
    """The database's process for whoever tells and is told, who is soon there again."""
    async with asyncio.timeout(SECONDS):
        while not (found := await knife.fetch(f"SELECT pid {TALKING} AND state = 'idle'")):  # noqa: ASYNC110 - another process
            await asyncio.sleep(0.02)
    pid: int = found[0]["pid"]
    return pid


async def test_streams_show_what_the_database_has_whatever_happens(api: Api, database_url: str) -> None:
    """Many at once, some of whom never read before the end, while connections are cut."""
    anna, bo = await api.person("anna@example.com"), await api.person("bo@example.com")
    grants = {owner: (await api.guest(owner, f"guest-of-{owner.email}", "ACCOUNTANT"))[1] for owner in (anna, bo)}
    knife = await connect(database_url)
    since = {owner: await head(owner.account_id) for owner in (anna, bo)}
    rng = random.Random(7)  # noqa: S311 - not a secret

    async def change(owner: Person, number: int) -> None:
        if number % 3 == 0:
            role = rng.choice(["ACCOUNTANT", "COLLABORATOR", "SIMPLE_USER"])
            given: dict[str, object] = {"grantId": grants[owner], "role": role}
            assert (await api.do("updateGrant", given, by=owner))["errors"] == []
        else:
            given = {"accountId": owner.account_id, "name": f"Name {number}"}
            assert (await api.do("updateAccount", given, by=owner))["errors"] == []

    async with AsyncExitStack() as stack:
        opened = []
        for owner in (anna, bo, anna, bo, anna):
            variables = {"account": owner.account_id}
            opened.append((owner, await stack.enter_async_context(following(api, EVENTS, variables, by=owner))))
            await opened[-1][1].opened()
        for number in range(0, 4 * ROUNDS, 4):
            await asyncio.gather(*(change(owner, number + more) for owner in (anna, bo) for more in (0, 1)))
            if number % 40 == 0:
                await knife.execute("SELECT pg_terminate_backend($1)", await listener(knife))
        expected = {owner: await written(owner.account_id, since[owner]) for owner in (anna, bo)}
        for owner, followed in opened:
            assert await read(followed, len(expected[owner])) == expected[owner]
        await asyncio.sleep(2 * hub.EVERY_SECONDS)
        assert all(followed.sent.empty() for _, followed in opened)
    await knife.close()


async def test_what_happens_while_nobody_listens_is_not_missed(api: Api, database_url: str) -> None:
    anna = await api.person("anna@example.com")
    knife = await connect(database_url)
    async with following(api, EVENTS, {"account": anna.account_id}, by=anna) as followed:
        await followed.opened()
        since = await head(anna.account_id)

        gone = await knife.fetch(f"SELECT pg_terminate_backend(pid, 5000) {TALKING}")
        await knife.execute(
            "INSERT INTO events (id, type, occurred_at, account_id) SELECT gen_random_uuid(), 'operator:test:done',"
            " now(), $1 FROM generate_series(1, 250)",
            key(anna.account_id),
        )

        assert len(gone) == 1
        expected = await written(anna.account_id, since)
        assert len(expected) == 250
        assert await read(followed, 250) == expected
    await knife.close()


async def test_who_listens_is_soon_there_again_however_often_he_was_cut_off(api: Api, database_url: str) -> None:
    """In the middle of telling, so that each loss is an error; what was waited once is not waited again."""
    anna = await api.person("anna@example.com")
    knife = await connect(database_url)
    for number in range(7):
        pid = await listener(knife)
        os.kill(pid, signal.SIGSTOP)
        given = {"accountId": anna.account_id, "name": f"Name {number}"}
        assert (await api.do("updateAccount", given, by=anna))["errors"] == []
        await asyncio.sleep(3 * hub.GAP_SECONDS)

        os.kill(pid, signal.SIGTERM)
        os.kill(pid, signal.SIGCONT)
        await knife.execute("SELECT pg_terminate_backend($1, 5000)", pid)
    await knife.close()


async def test_each_change_of_a_grant_is_told_once_to_its_holder(api: Api) -> None:
    """Changes in two accounts of one holder commit in any order; each is told, in the order of its account."""
    anna, bo = await api.person("anna@example.com"), await api.person("bo@example.com")
    cleo = await api.person("cleo@example.com")
    grants: list[tuple[Person, str]] = []
    for owner in (anna, bo):
        given = {"accountId": owner.account_id, "email": cleo.email, "role": "ACCOUNTANT"}
        assert (await api.do("inviteUser", given, by=owner))["errors"] == []
        taken = {"token": await api.link(cleo.email, "invitation")}
        done = await api.do("acceptInvitation", taken, "grant { id }", by=cleo)
        grants.append((owner, str(done["grant"]["id"])))

    async def turn(owner: Person, grant: str) -> None:
        for _ in range(ROUNDS // 5):
            for mutation in ("revokeGrant", "restoreGrant"):
                assert (await api.do(mutation, {"grantId": grant}, by=owner))["errors"] == []

    query = "subscription { accessChanged { kind grant { id } } }"
    async with following(api, query, by=cleo) as followed, following(api, query, by=anna) as hers:
        await followed.opened()
        await hers.opened()

        await asyncio.gather(*(turn(owner, grant) for owner, grant in grants))

        told = [(await followed.answer()).data["accessChanged"] for _ in range(4 * (ROUNDS // 5))]
        for _, grant in grants:
            assert [one["kind"] for one in told if one["grant"]["id"] == grant] == ["REVOKED", "RESTORED"] * (
                ROUNDS // 5
            )
        assert hers.sent.empty()


async def test_a_grant_that_time_ends_is_told_and_closes_what_hung_on_it(api: Api) -> None:
    anna = await api.person("anna@example.com")
    bo, grant = await api.guest(anna, "bo@example.com", "ADMINISTRATOR")
    end = api.clock().replace(microsecond=0)
    api.clock.forward(seconds=-60)
    assert (await api.do("updateGrant", {"grantId": grant, "validUntil": end.isoformat()}, by=anna))["errors"] == []
    async with (
        following(api, CHANGES, by=bo) as changes,
        following(api, EVENTS, {"account": anna.account_id}, by=bo) as events,
    ):
        await changes.opened()
        await events.opened()

        api.clock.forward(seconds=60)

        assert (await events.answer()).codes == ["FORBIDDEN"]
        assert await events.next() is None
        await jobs.run(Caller(now=api.clock(), config=OperationConfig(KEY)))
        assert (await changes.answer()).data == {"accessChanged": {"kind": "EXPIRED"}}
        assert len(running(api).state.hub) == 1


async def test_who_erases_himself_follows_no_longer(api: Api) -> None:
    anna = await api.person("anna@example.com")
    async with following(api, CHANGES, by=anna) as followed:
        await followed.opened()

        assert (await api.do("eraseMe", {"password": PASSWORD}, by=anna))["errors"] == []

        assert (await followed.answer()).codes == ["UNAUTHENTICATED"]
