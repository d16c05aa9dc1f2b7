"""Request coalescing: concurrent calls share a statement, and each gets its own result."""

import asyncio
from datetime import timedelta

import pytest

from database import db
from database.coalescing import Coalescer
from models.people import session
from tests.api import Api
from tests.conftest import connect

VIEWER = "{ viewer { user { email } currentAccount { id } } }"
SLEEPING_STATEMENTS = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep%' AND state = 'active'"


class Doubler:
    """Doubles numbers, and records the batches."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []

    async def __call__(self, numbers: list[int]) -> list[int]:
        self.batches.append(numbers)
        await asyncio.sleep(0)
        return [number * 2 for number in numbers]


async def test_calls_in_one_turn_of_the_event_loop_share_a_batch() -> None:
    double = Doubler()
    coalesce = Coalescer(double)

    assert await asyncio.gather(*map(coalesce, range(5))) == [0, 2, 4, 6, 8]
    assert await coalesce(7) == 14
    assert double.batches == [[0, 1, 2, 3, 4], [7]]


async def test_call_during_a_batch_joins_the_next_batch() -> None:
    double = Doubler()
    coalesce = Coalescer(double)

    async def call_twice() -> int:
        return await coalesce(await coalesce(1))

    assert [*await asyncio.gather(call_twice(), coalesce(5))] == [4, 10]
    assert double.batches == [[1, 5], [2]]


async def test_exception_reaches_all_callers_of_its_batch_only() -> None:
    is_failing = True

    async def load(numbers: list[int]) -> list[int]:
        if is_failing:
            raise ConnectionResetError
        return numbers

    coalesce = Coalescer(load)
    results = await asyncio.gather(*map(coalesce, range(3)), return_exceptions=True)
    assert [type(result) for result in results] == [ConnectionResetError] * 3
    is_failing = False
    assert await coalesce(4) == 4


async def test_missing_result_is_an_error_for_all_callers() -> None:
    async def load(numbers: list[int]) -> list[int]:
        return numbers[1:]

    coalesce = Coalescer(load)
    async with asyncio.timeout(5):
        results = await asyncio.gather(*map(coalesce, range(3)), return_exceptions=True)

    assert [type(result) for result in results] == [ValueError] * 3


async def test_cancelled_call_does_not_affect_other_calls(api: Api) -> None:
    double = Doubler()
    coalesce = Coalescer(double)
    cancelled_call, other_call = asyncio.create_task(coalesce(1)), asyncio.create_task(coalesce(2))
    await asyncio.sleep(0)

    cancelled_call.cancel()

    assert await other_call == 4
    with pytest.raises(asyncio.CancelledError):
        await cancelled_call


async def test_statement_is_cancelled_with_its_last_caller(api: Api, database_url: str) -> None:
    async def load(numbers: list[int]) -> list[int]:
        _ = await db.fetch("SELECT pg_sleep(5)", row=db.Row)
        return numbers

    coalesce = Coalescer(load)
    watcher = await connect(database_url)
    calls = [asyncio.create_task(coalesce(number)) for number in range(2)]
    while not await watcher.fetchval(SLEEPING_STATEMENTS):  # noqa: ASYNC110 - the database sends no notification
        await asyncio.sleep(0.01)

    calls[0].cancel()
    await asyncio.sleep(0.05)
    assert await watcher.fetchval(SLEEPING_STATEMENTS) == 1
    calls[1].cancel()

    async with asyncio.timeout(2):
        while await watcher.fetchval(SLEEPING_STATEMENTS):  # noqa: ASYNC110 - the same
            await asyncio.sleep(0.01)
    assert not [task for task in asyncio.all_tasks() if "_Batch" in repr(task.get_coro())]
    await watcher.close()


async def test_concurrent_requests_get_their_own_results(api: Api) -> None:
    people = [await api.person(f"person{number}@example.com") for number in range(6)]
    signed_out = await api.person("out@example.com")
    assert (await api.do("signOut", None, by=signed_out))["errors"] == []

    callers = [*people, signed_out, None, *reversed(people)]
    answers = await asyncio.gather(*(api.ask(VIEWER, by=caller) for caller in callers))
    inside = await asyncio.gather(*(api.ask(VIEWER, by=person, account=person.account_id) for person in people))
    foreign = await asyncio.gather(*(api.ask(VIEWER, by=person, account=people[0].account_id) for person in people))

    emails = [answer.data["viewer"] and answer.data["viewer"]["user"]["email"] for answer in answers]
    assert emails == [caller.email if caller in people else None for caller in callers]
    assert [answer.data["viewer"]["currentAccount"]["id"] for answer in inside] == [
        person.account_id for person in people
    ]
    assert [answer.codes for answer in foreign] == [[], *[["ACCOUNT_REQUIRED"]] * 5]


async def test_sessions_of_concurrent_requests_are_read_with_one_statement(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    people = [await api.person(f"person{number}@example.com") for number in range(3)]
    statements: list[str] = []
    fetch = db.fetch

    async def record_and_fetch(sql: str, *args: object, row: type[db.Row]) -> list[db.Row]:
        statements.append(sql)
        return await fetch(sql, *args, row=row)

    monkeypatch.setattr(db, "fetch", record_and_fetch)
    now = api.clock()
    tokens = [people[0].token, "unknown", people[1].token, people[2].token]
    late = now + timedelta(days=20)

    bearers = await asyncio.gather(
        *(session.by_token(token, now=now) for token in tokens),
        session.by_token(people[0].token, now=late),
        session.by_token(people[1].token, now=now, in_cookie=True),
    )

    emails = [bearer and bearer["email"] for bearer in bearers]
    assert emails == [people[0].email, None, people[1].email, people[2].email, None, None]
    assert len(statements) == 1
