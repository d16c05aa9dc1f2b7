"""Questions of the same moment, asked as one: each has its own answer, and nothing of another's."""

import asyncio
from datetime import timedelta

import pytest

from database import db
from database.coalescing import Coalescer
from models.people import session
from tests.api import Api
from tests.conftest import connect

WHO = "{ viewer { user { email } currentAccount { id } } }"
SLEEPING = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep%' AND state = 'active'"


class Asked:
    """Doubles numbers, and remembers which it was asked for together."""

    def __init__(self) -> None:
        self.turns: list[list[int]] = []

    async def __call__(self, numbers: list[int]) -> list[int]:
        self.turns.append(numbers)
        await asyncio.sleep(0)
        return [number * 2 for number in numbers]


async def test_what_is_asked_in_one_turn_goes_together_and_the_next_turn_by_itself() -> None:
    asked = Asked()
    together = Coalescer(asked)

    assert await asyncio.gather(*map(together, range(5))) == [0, 2, 4, 6, 8]
    assert await together(7) == 14
    assert asked.turns == [[0, 1, 2, 3, 4], [7]]


async def test_a_question_that_comes_while_others_are_answered_waits_for_an_answer_of_its_own() -> None:
    asked = Asked()
    together = Coalescer(asked)

    async def again() -> int:
        return await together(await together(1))

    assert [*await asyncio.gather(again(), together(5))] == [4, 10]
    assert asked.turns == [[1, 5], [2]]


async def test_what_asking_raises_is_told_to_all_and_to_nobody_after_them() -> None:
    is_broken = True

    async def ask(numbers: list[int]) -> list[int]:
        if is_broken:
            raise ConnectionResetError
        return numbers

    together = Coalescer(ask)
    found = await asyncio.gather(*map(together, range(3)), return_exceptions=True)
    assert [type(one) for one in found] == [ConnectionResetError] * 3
    is_broken = False
    assert await together(4) == 4


async def test_an_answer_too_few_leaves_nobody_waiting() -> None:
    async def ask(numbers: list[int]) -> list[int]:
        return numbers[1:]

    together = Coalescer(ask)
    async with asyncio.timeout(5):
        found = await asyncio.gather(*map(together, range(3)), return_exceptions=True)

    assert [type(one) for one in found] == [ValueError] * 3


async def test_who_goes_takes_no_answer_away_from_the_others(api: Api) -> None:
    asked = Asked()
    together = Coalescer(asked)
    gone, stays = asyncio.create_task(together(1)), asyncio.create_task(together(2))
    await asyncio.sleep(0)

    gone.cancel()

    assert await stays == 4
    with pytest.raises(asyncio.CancelledError):
        await gone


async def test_a_statement_for_which_nobody_waits_any_more_is_cancelled(api: Api, database_url: str) -> None:
    async def ask(numbers: list[int]) -> list[int]:
        _ = await db.fetch("SELECT pg_sleep(5)", row=db.Row)
        return numbers

    together = Coalescer(ask)
    watcher = await connect(database_url)
    asking = [asyncio.create_task(together(number)) for number in range(2)]
    while not await watcher.fetchval(SLEEPING):  # noqa: ASYNC110 - the database tells nobody
        await asyncio.sleep(0.01)

    asking[0].cancel()
    await asyncio.sleep(0.05)
    assert await watcher.fetchval(SLEEPING) == 1
    asking[1].cancel()

    async with asyncio.timeout(2):
        while await watcher.fetchval(SLEEPING):  # noqa: ASYNC110 - the same
            await asyncio.sleep(0.01)
    assert not [task for task in asyncio.all_tasks() if "_Turn" in repr(task.get_coro())]
    await watcher.close()


async def test_requests_of_the_same_moment_are_each_their_own(api: Api) -> None:
    people = [await api.person(f"person{number}@example.com") for number in range(6)]
    out = await api.person("out@example.com")
    assert (await api.do("signOut", None, by=out))["errors"] == []

    asked = [*people, out, None, *reversed(people)]
    found = await asyncio.gather(*(api.ask(WHO, by=one) for one in asked))
    inside = await asyncio.gather(*(api.ask(WHO, by=one, account=one.account_id) for one in people))
    foreign = await asyncio.gather(*(api.ask(WHO, by=one, account=people[0].account_id) for one in people))

    emails = [answer.data["viewer"] and answer.data["viewer"]["user"]["email"] for answer in found]
    assert emails == [one.email if one in people else None for one in asked]
    assert [answer.data["viewer"]["currentAccount"]["id"] for answer in inside] == [one.account_id for one in people]
    assert [answer.codes for answer in foreign] == [[], *[["ACCOUNT_REQUIRED"]] * 5]


async def test_the_sessions_of_many_requests_are_one_statement(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    people = [await api.person(f"person{number}@example.com") for number in range(3)]
    asked: list[str] = []
    fetch = db.fetch

    async def watched(sql: str, *args: object, row: type[db.Row]) -> list[db.Row]:
        asked.append(sql)
        return await fetch(sql, *args, row=row)

    monkeypatch.setattr(db, "fetch", watched)
    now = api.clock()
    shown = [people[0].token, "nobody's", people[1].token, people[2].token]
    late = now + timedelta(days=20)

    found = await asyncio.gather(
        *(session.by_token(token, now=now) for token in shown),
        session.by_token(people[0].token, now=late),
        session.by_token(people[1].token, now=now, in_cookie=True),
    )

    emails = [bearer and bearer["email"] for bearer in found]
    assert emails == [people[0].email, None, people[1].email, people[2].email, None, None]
    assert len(asked) == 1
