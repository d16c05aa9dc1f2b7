"""Streams during concurrent changes and lost connections: no item is lost, repeated or out of order."""

import asyncio
import os
import random
import signal
import time
from contextlib import AsyncExitStack

import asyncpg

from database import db
from models.live import hub
from tests.api import Api, Person
from tests.conftest import connect
from tests.event_stream import EventStream, follow
from tests.races.rounds import ROUNDS
from tests.schema.world import key
from tests.sockets import open_socket

EVENTS = "subscription ($account: ID!) { accountEvents(accountId: $account) { id } }"
CHANGES = "subscription { accessChanged { kind } }"
CHAIN_EVENTS = """SELECT replace(l.event_id::text, '-', '') AS id FROM event_links l
WHERE l.chain = $1 AND l.position > $2 ORDER BY l.position"""
HEAD = "SELECT max(position) AS head FROM event_links WHERE chain = $1"
LISTENERS = (
    "FROM pg_stat_activity WHERE datname = current_database() AND query ~ '^(LISTEN|NOTIFY|SET synchronous_commit)'"
)
MAX_END_SECONDS = 3.0
"""Maximum time until a stream ends, on a busy machine. `make bench ARGS="--only live"` measures it."""


async def test_end_of_access_on_one_server_closes_streams_of_another(servers: list[Api]) -> None:
    first_server, second_server = servers
    anna = await first_server.person("anna@example.com")
    port = second_server.http.base_url.port
    assert port is not None

    async def revoke_by_api(grant: str) -> None:
        assert (await first_server.do("revokeGrant", {"grantId": grant}, by=anna))["errors"] == []

    async def revoke_by_sql(grant: str) -> None:
        await db.execute("UPDATE grants SET status = 'REVOKED', ended_at = now() WHERE id = $1", key(grant))

    async def demote_by_sql(grant: str) -> None:
        await db.execute("UPDATE grants SET role = 'SIMPLE_USER' WHERE id = $1", key(grant))

    for number, end_access in enumerate((revoke_by_api, revoke_by_sql, demote_by_sql)):
        bo, grant = await first_server.guest(anna, f"bo-{number}@example.com", "ADMINISTRATOR")
        async with open_socket(port) as socket:
            await (await socket.connect(bo)).subscribe("a", EVENTS, {"account": anna.account_id})
            await first_server.do("createAccount", {"name": "Unrelated"}, by=anna)
            await asyncio.sleep(0.3)

            started_at = time.monotonic()
            await end_access(grant)

            message = await socket.next("a")
            assert (message["type"], message["payload"][0]["extensions"]["code"]) == ("error", "FORBIDDEN")
            assert time.monotonic() - started_at < MAX_END_SECONDS
            started_at = time.monotonic()
            await first_server.do("signOut", None, by=bo)
            assert await socket.wait_for_close() == (4403, "Sign in first.")
            assert time.monotonic() - started_at < MAX_END_SECONDS


async def read(stream: EventStream, count: int) -> list[str]:
    """The ids of the next `count` events of a stream."""
    return [(await stream.answer()).data["accountEvents"]["id"][1:] for _ in range(count)]


async def load_chain(account: str, since: int) -> list[str]:
    """The ids of an account's events after position `since`, in the order of its chain."""
    return [row.id for row in await db.fetch(CHAIN_EVENTS, key(account), since, row=db.Row)]


async def load_head(account: str) -> int:
    (row,) = await db.fetch(HEAD, key(account), row=db.Row)
    return int(row.head)


async def find_listener_pid(admin_connection: "asyncpg.Connection[asyncpg.Record]") -> int:
    """Wait until the hub has a database connection for notifications. Returns its PostgreSQL process id."""
    async with asyncio.timeout(MAX_END_SECONDS):
        while not (rows := await admin_connection.fetch(f"SELECT pid {LISTENERS} AND state = 'idle'")):  # noqa: ASYNC110 - another process
            await asyncio.sleep(0.02)
    pid: int = rows[0]["pid"]
    return pid


async def test_streams_deliver_exactly_the_chain_despite_lost_connections(api: Api, database_url: str) -> None:
    """Several streams follow the same accounts. They are read only at the end."""
    anna, bo = await api.person("anna@example.com"), await api.person("bo@example.com")
    grants = {owner: (await api.guest(owner, f"guest-of-{owner.email}", "ACCOUNTANT"))[1] for owner in (anna, bo)}
    admin_connection = await connect(database_url)
    heads = {owner: await load_head(owner.account_id) for owner in (anna, bo)}
    random_source = random.Random(7)  # noqa: S311 - not a secret

    async def change(owner: Person, number: int) -> None:
        if number % 3 == 0:
            role = random_source.choice(["ACCOUNTANT", "COLLABORATOR", "SIMPLE_USER"])
            arguments: dict[str, object] = {"grantId": grants[owner], "role": role}
            assert (await api.do("updateGrant", arguments, by=owner))["errors"] == []
        else:
            arguments = {"accountId": owner.account_id, "name": f"Name {number}"}
            assert (await api.do("updateAccount", arguments, by=owner))["errors"] == []

    async with AsyncExitStack() as stack:
        streams = []
        for owner in (anna, bo, anna, bo, anna):
            variables = {"account": owner.account_id}
            streams.append((owner, await stack.enter_async_context(follow(api, EVENTS, variables, by=owner))))
            await streams[-1][1].wait_until_open()
        for number in range(0, 4 * ROUNDS, 4):
            await asyncio.gather(*(change(owner, number + offset) for owner in (anna, bo) for offset in (0, 1)))
            if number % 40 == 0:
                await admin_connection.execute(
                    "SELECT pg_terminate_backend($1)", await find_listener_pid(admin_connection)
                )
        expected_ids = {owner: await load_chain(owner.account_id, heads[owner]) for owner in (anna, bo)}
        for owner, stream in streams:
            assert await read(stream, len(expected_ids[owner])) == expected_ids[owner]
        await asyncio.sleep(2 * hub.POLL_INTERVAL_SECONDS)
        assert all(stream.messages.empty() for _, stream in streams)
    await admin_connection.close()


async def test_events_without_listener_connection_are_delivered(api: Api, database_url: str) -> None:
    anna = await api.person("anna@example.com")
    admin_connection = await connect(database_url)
    async with follow(api, EVENTS, {"account": anna.account_id}, by=anna) as stream:
        await stream.wait_until_open()
        head_before = await load_head(anna.account_id)

        terminated_rows = await admin_connection.fetch(f"SELECT pg_terminate_backend(pid, 5000) {LISTENERS}")
        await admin_connection.execute(
            "INSERT INTO events (id, type, occurred_at, account_id) SELECT gen_random_uuid(), 'operator:test:done',"
            " now(), $1 FROM generate_series(1, 250)",
            key(anna.account_id),
        )

        assert len(terminated_rows) == 1
        expected_ids = await load_chain(anna.account_id, head_before)
        assert len(expected_ids) == 250
        assert await read(stream, 250) == expected_ids
    await admin_connection.close()


async def test_listener_reconnects_quickly_after_every_loss(api: Api, database_url: str) -> None:
    """The connection is lost during NOTIFY, so each loss is an error. The retry delay starts again after each loss."""
    anna = await api.person("anna@example.com")
    admin_connection = await connect(database_url)
    for number in range(7):
        pid = await find_listener_pid(admin_connection)
        os.kill(pid, signal.SIGSTOP)
        arguments = {"accountId": anna.account_id, "name": f"Name {number}"}
        assert (await api.do("updateAccount", arguments, by=anna))["errors"] == []
        await asyncio.sleep(3 * hub.MIN_GAP_SECONDS)

        os.kill(pid, signal.SIGTERM)
        os.kill(pid, signal.SIGCONT)
        await admin_connection.execute("SELECT pg_terminate_backend($1, 5000)", pid)
    await admin_connection.close()


async def test_each_grant_change_is_delivered_once_to_its_holder(api: Api) -> None:
    """Changes in two accounts commit in any order. Changes in one account are delivered in their order."""
    anna, bo = await api.person("anna@example.com"), await api.person("bo@example.com")
    cleo = await api.person("cleo@example.com")
    grants: list[tuple[Person, str]] = []
    for owner in (anna, bo):
        invite_input = {"accountId": owner.account_id, "email": cleo.email, "role": "ACCOUNTANT"}
        assert (await api.do("inviteUser", invite_input, by=owner))["errors"] == []
        accept_input = {"token": await api.link(cleo.email, "invitation")}
        payload = await api.do("acceptInvitation", accept_input, "grant { id }", by=cleo)
        grants.append((owner, str(payload["grant"]["id"])))

    async def revoke_and_restore(owner: Person, grant: str) -> None:
        for _ in range(ROUNDS // 5):
            for mutation in ("revokeGrant", "restoreGrant"):
                assert (await api.do(mutation, {"grantId": grant}, by=owner))["errors"] == []

    query = "subscription { accessChanged { kind grant { id } } }"
    async with follow(api, query, by=cleo) as stream, follow(api, query, by=anna) as owner_stream:
        await stream.wait_until_open()
        await owner_stream.wait_until_open()

        await asyncio.gather(*(revoke_and_restore(owner, grant) for owner, grant in grants))

        changes = [(await stream.answer()).data["accessChanged"] for _ in range(4 * (ROUNDS // 5))]
        for _, grant in grants:
            assert [change["kind"] for change in changes if change["grant"]["id"] == grant] == [
                "REVOKED",
                "RESTORED",
            ] * (ROUNDS // 5)
        assert owner_stream.messages.empty()
