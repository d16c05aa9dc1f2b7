"""What a caller may spend: by user, else by address, refused documents too."""

import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any
from uuid import UUID

import httpx2
import pytest

import app
from models.base.errors import RateLimited
from server.budget import CHECKED, REFUSED, Budget, network
from server.graph import utc_now
from server.limits import DEFAULT
from settings import Settings
from tests.api import KEY, Api, Clock, running
from tests.conftest import connect
from tests.server.conftest import PRODUCTION_URL

GOOD = {"query": "{ roles { role } }"}  # six roles, and one for the asking: 7


class Seconds:
    """A clock in the test's hands."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_bucket_empties_and_fills_up_again() -> None:
    seconds = Seconds()
    budget = Budget(100, 10, clock=seconds)

    budget.take("one", 70)
    assert budget.left("one") == 30
    with pytest.raises(RateLimited) as refused:
        budget.take("one", 71)
    assert refused.value.retry_after_seconds == 5  # 41 are missing
    assert (budget.left("one"), budget.left("other")) == (30, 100)
    seconds.now += 4.1
    budget.take("one", 71)
    assert budget.left("one") == pytest.approx(0)
    seconds.now += 1_000_000
    assert budget.left("one") == 100


def test_what_costs_more_than_a_full_bucket_is_paid_with_all_of_it() -> None:
    budget = Budget(100, 10, clock=Seconds())

    budget.take("one", 5000)

    with pytest.raises(RateLimited):
        budget.check("one", 1)


def test_no_more_callers_are_remembered_than_there_may_be() -> None:
    budget = Budget(100, 10, most_callers=3, clock=Seconds())

    for number in range(1000):
        budget.take(UUID(int=number), 50)

    assert len(budget) == 3
    assert [budget.left(UUID(int=number)) for number in (996, 997, 999)] == [100, 50, 50]
    # Forgotten is who has not paid for the longest time, not who came first.
    budget.take(UUID(int=997), 10)
    budget.take(UUID(int=1000), 50)
    assert [budget.left(UUID(int=number)) for number in (997, 998, 999, 1000)] == [40, 100, 50, 50]


def test_a_budget_of_none_never_ends() -> None:
    budget = Budget(0, 1)

    for _ in range(3):
        budget.take("one", 1_000_000_000)

    assert len(budget) == 0


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::", "2001:db8:1:3::/64"),
        ("/run/socket", "/run/socket"),
        (None, ""),
    ],
)
def test_an_address_stands_for_one_customer(address: str | None, expected: str) -> None:
    assert network(address) == expected


# ---- Over HTTP -------------------------------------------------------------------------------


@asynccontextmanager
async def served(
    database_url: str, *, clock: Callable[[], datetime] = utc_now, **given: Any
) -> AsyncGenerator[httpx2.AsyncClient]:
    """The application with other budgets, asked from one address."""
    settings = Settings(database_url=database_url, secret_key=KEY, public_url=PRODUCTION_URL, **given)
    application = app.create(settings, clock=clock)
    async with running(application, PRODUCTION_URL, client=("192.0.2.7", 1)) as http:
        yield http


LITTLE: dict[str, Any] = {"budget": 1000, "budget_per_second": 1}


async def left(http: httpx2.AsyncClient, **headers: str) -> Any:
    """What the caller has left, as he is told."""
    asked = {"query": "{ __typename }", "extensions": {"cost": True}}
    return (await http.post("/graphql", json=asked, headers=headers)).json()["extensions"]["cost"]["budget"]["left"]


async def test_who_has_spent_all_is_told_when_to_come_back(database_url: str) -> None:
    async with served(database_url, **LITTLE) as http:
        answers = [await http.post("/graphql", json=GOOD) for _ in range((1000 - CHECKED) // 7 + 2)]

    assert [answer.status_code for answer in answers[:-2]] == [200] * 140
    assert answers[-1].status_code == 429
    (error,) = answers[-1].json()["errors"]
    assert error["extensions"]["code"] == "RATE_LIMITED"
    assert 1 <= error["extensions"]["retryAfterSeconds"] <= 7
    assert answers[-1].headers["retry-after"] == str(error["extensions"]["retryAfterSeconds"])
    assert "data" not in answers[-1].json()


@pytest.mark.parametrize("query", ["{", "{ nothing }", "{ " + "__typename " * 301 + "}"])
async def test_documents_that_are_refused_are_paid_too_until_none_is_looked_at(database_url: str, query: str) -> None:
    async with served(database_url, **LITTLE) as http:
        assert (await http.post("/graphql", json=GOOD)).status_code == 200
        statuses = [(await http.post("/graphql", json={"query": f"{query} #{n}"})).status_code for n in range(12)]
        known = await http.post("/graphql", json=GOOD)

    # 973 were left, each costs 120; what is known is answered as long as there is something.
    assert statuses == [400] * 8 + [429] * 4
    assert known.status_code == 200


async def test_nothing_new_is_looked_at_for_who_could_not_pay_its_refusal(database_url: str) -> None:
    async with served(database_url, budget=140, budget_per_second=1) as http:
        new = [GOOD | {"query": f"{GOOD['query']} #{number}"} for number in range(3)]  # 27 each
        statuses = [(await http.post("/graphql", json=body)).status_code for body in new]
        known = await http.post("/graphql", json=new[0])

    assert statuses == [200, 200, 429]
    assert known.status_code == 200


async def test_the_same_refused_document_is_paid_each_time(database_url: str) -> None:
    async with served(database_url, **LITTLE) as http:
        statuses = [(await http.post("/graphql", json={"query": "{"})).status_code for _ in range(11)]

    assert statuses == [400] * ((1000 - CHECKED) // REFUSED) + [429] * 2


async def test_users_have_budgets_of_their_own_wherever_they_sit(api: Api, database_url: str) -> None:
    anna, bo = await api.person("anna@example.com"), await api.person("bo@example.com")
    tokens = [f"Bearer {person.token}" for person in (anna, bo)]
    dear = {"query": "{ accounts(first: 50) { nodes { grants(first: 17) { nodes { id } } } } }"}  # 900

    async with served(database_url, **LITTLE) as http:
        statuses = [
            (await http.post("/graphql", json=dear, headers={"Authorization": token})).status_code
            for token in (*tokens, *tokens)
        ]
        # Who is nobody pays by his address, which paid for looking at two documents.
        assert await left(http) == 1000 - 2 * CHECKED - 1
        assert await left(http, Authorization="Bearer wrong") == 1000 - 2 * CHECKED - 2

    assert statuses == [200, 200, 429, 429]


async def test_nothing_is_written_for_who_has_spent_all(api: Api, database_url: str) -> None:
    anna = await api.person("anna@example.com")
    headers = {"Authorization": f"Bearer {anna.token}"}
    change = {"query": 'mutation { updateProfile(input: { name: "x" }) { errors { code } } }'}  # 1 + 10 + 1 + 1

    async with served(database_url, budget=30, budget_per_second=1) as http:
        statuses = [(await http.post("/graphql", json=change, headers=headers)).status_code for _ in range(3)]
        rows = await events(database_url)
        statuses += [(await http.post("/graphql", json=change, headers=headers)).status_code for _ in range(3)]
        assert await events(database_url) == rows

    assert statuses == [200, 200, 429, 429, 429, 429]


async def events(database_url: str) -> Any:
    """How many events there are; past the models, which the two applications would share."""
    connection = await connect(database_url)
    try:
        return await connection.fetchval("SELECT count(*) FROM events")
    finally:
        await connection.close()


async def test_what_it_cost_is_said_to_who_asks(database_url: str) -> None:
    async with served(database_url) as http:
        silent = (await http.post("/graphql", json=GOOD)).json()
        answer = (await http.post("/graphql", json=GOOD | {"extensions": {"cost": True}})).json()

    assert "extensions" not in silent
    said = answer["extensions"]["cost"]
    assert said["spent"] == 7
    assert said["limits"]["cost"] == DEFAULT.cost
    assert said["limits"]["fields"] == DEFAULT.fields
    assert 99_900 < said["budget"]["left"] <= 100_000
    assert (said["budget"]["size"], said["budget"]["perSecond"]) == (100_000, 1000)


async def test_a_budget_can_be_lifted(database_url: str) -> None:
    async with served(database_url, budget=0) as http:
        asked = GOOD | {"extensions": {"cost": True}}
        answer = (await http.post("/graphql", json=asked)).json()

    assert answer["extensions"]["cost"]["budget"] is None


async def test_no_time_of_day_fills_a_budget(database_url: str, clock: Clock) -> None:
    async with served(database_url, clock=clock, budget=27, budget_per_second=1) as http:
        statuses = [(await http.post("/graphql", json=GOOD)).status_code for _ in range(2)]
        clock.forward(days=1)
        statuses.append((await http.post("/graphql", json=GOOD)).status_code)

    assert statuses == [200, 429, 429]
    assert Budget(100, 10)._clock is time.monotonic
