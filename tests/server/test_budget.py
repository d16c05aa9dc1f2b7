"""Cost budgets of users and addresses."""

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
from server.budget import CHECK_COST, REJECTION_COST, Budget, address_key
from server.graph import utc_now
from server.limits import DEFAULT
from settings import Settings
from tests.api import KEY, Api, Clock, run_application
from tests.conftest import connect
from tests.server.conftest import PRODUCTION_URL

VALID_REQUEST = {"query": "{ roles { role } }"}  # costs 7: six roles and 1 for the request


class ManualClock:
    """A clock that the test sets."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_bucket_empties_and_refills() -> None:
    seconds = ManualClock()
    budget = Budget(100, 10, clock=seconds)

    budget.charge("anna", 70)
    assert budget.balance("anna") == 30
    with pytest.raises(RateLimited) as rate_limit:
        budget.charge("anna", 71)
    assert rate_limit.value.retry_after_seconds == 5  # 41 are missing, and 10 a second flow in
    assert (budget.balance("anna"), budget.balance("bo")) == (30, 100)
    seconds.now += 4.1
    budget.charge("anna", 71)
    assert budget.balance("anna") == pytest.approx(0)
    seconds.now += 1_000_000
    assert budget.balance("anna") == 100


def test_cost_above_the_bucket_size_empties_a_full_bucket() -> None:
    budget = Budget(100, 10, clock=ManualClock())

    budget.charge("anna", 5000)

    with pytest.raises(RateLimited):
        budget.check("anna", 1)


def test_caller_charged_longest_ago_is_dropped() -> None:
    budget = Budget(100, 10, max_callers=3, clock=ManualClock())

    for number in range(1000):
        budget.charge(UUID(int=number), 50)

    assert len(budget) == 3
    assert [budget.balance(UUID(int=number)) for number in (996, 997, 999)] == [100, 50, 50]
    # The caller charged longest ago is dropped, not the first caller.
    budget.charge(UUID(int=997), 10)
    budget.charge(UUID(int=1000), 50)
    assert [budget.balance(UUID(int=number)) for number in (997, 998, 999, 1000)] == [40, 100, 50, 50]


def test_budget_of_size_0_is_unlimited() -> None:
    budget = Budget(0, 1)

    for _ in range(3):
        budget.charge("anna", 1_000_000_000)

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
def test_addresses_of_one_network_share_a_key(address: str | None, expected: str) -> None:
    assert address_key(address) == expected


# ---- Over HTTP -------------------------------------------------------------------------------


@asynccontextmanager
async def serve(
    database_url: str, *, clock: Callable[[], datetime] = utc_now, **settings_values: Any
) -> AsyncGenerator[httpx2.AsyncClient]:
    """A client of an application with these settings. All requests come from one address."""
    settings = Settings(database_url=database_url, secret_key=KEY, public_url=PRODUCTION_URL, **settings_values)
    application = app.create(settings, clock=clock)
    async with run_application(application, PRODUCTION_URL, client=("192.0.2.7", 1)) as http:
        yield http


SMALL_BUDGET: dict[str, Any] = {"budget": 1000, "budget_per_second": 1}


async def remaining_budget(http: httpx2.AsyncClient, **headers: str) -> Any:
    """The balance of the caller in the `cost` extension."""
    body = {"query": "{ __typename }", "extensions": {"cost": True}}
    return (await http.post("/graphql", json=body, headers=headers)).json()["extensions"]["cost"]["budget"]["left"]


async def test_spent_budget_is_rate_limited_with_retry_after(database_url: str) -> None:
    async with serve(database_url, **SMALL_BUDGET) as http:
        answers = [await http.post("/graphql", json=VALID_REQUEST) for _ in range((1000 - CHECK_COST) // 7 + 2)]

    assert [answer.status_code for answer in answers[:-2]] == [200] * 140
    assert answers[-1].status_code == 429
    (error,) = answers[-1].json()["errors"]
    assert error["extensions"]["code"] == "RATE_LIMITED"
    assert 1 <= error["extensions"]["retryAfterSeconds"] <= 7
    assert answers[-1].headers["retry-after"] == str(error["extensions"]["retryAfterSeconds"])
    assert "data" not in answers[-1].json()


@pytest.mark.parametrize("query", ["{", "{ nothing }", "{ " + "__typename " * 301 + "}"])
async def test_rejected_documents_are_charged(database_url: str, query: str) -> None:
    async with serve(database_url, **SMALL_BUDGET) as http:
        assert (await http.post("/graphql", json=VALID_REQUEST)).status_code == 200
        statuses = [(await http.post("/graphql", json={"query": f"{query} #{n}"})).status_code for n in range(12)]
        response = await http.post("/graphql", json=VALID_REQUEST)

    # The balance is 973 and each rejection costs 120. A cached document is still executed with the rest.
    assert statuses == [400] * 8 + [429] * 4
    assert response.status_code == 200


async def test_new_document_needs_a_balance_for_its_rejection(database_url: str) -> None:
    async with serve(database_url, budget=140, budget_per_second=1) as http:
        new = [VALID_REQUEST | {"query": f"{VALID_REQUEST['query']} #{number}"} for number in range(3)]  # costs 27 each
        statuses = [(await http.post("/graphql", json=body)).status_code for body in new]
        response = await http.post("/graphql", json=new[0])

    assert statuses == [200, 200, 429]
    assert response.status_code == 200


async def test_repeated_rejected_document_is_charged_each_time(database_url: str) -> None:
    async with serve(database_url, **SMALL_BUDGET) as http:
        statuses = [(await http.post("/graphql", json={"query": "{"})).status_code for _ in range(11)]

    assert statuses == [400] * ((1000 - CHECK_COST) // REJECTION_COST) + [429] * 2


async def test_users_at_one_address_have_separate_budgets(api: Api, database_url: str) -> None:
    anna, bo = await api.person("anna@example.com"), await api.person("bo@example.com")
    tokens = [f"Bearer {person.token}" for person in (anna, bo)]
    expensive = {"query": "{ accounts(first: 50) { nodes { grants(first: 17) { nodes { id } } } } }"}  # costs 900

    async with serve(database_url, **SMALL_BUDGET) as http:
        statuses = [
            (await http.post("/graphql", json=expensive, headers={"Authorization": token})).status_code
            for token in (*tokens, *tokens)
        ]
        # Anonymous callers share the budget of their address, which was charged for checking two documents.
        assert await remaining_budget(http) == 1000 - 2 * CHECK_COST - 1
        assert await remaining_budget(http, Authorization="Bearer wrong") == 1000 - 2 * CHECK_COST - 2

    assert statuses == [200, 200, 429, 429]


async def test_rate_limited_mutation_changes_nothing(api: Api, database_url: str) -> None:
    anna = await api.person("anna@example.com")
    headers = {"Authorization": f"Bearer {anna.token}"}
    mutation = {"query": 'mutation { updateProfile(input: { name: "x" }) { errors { code } } }'}  # costs 1 + 10 + 1 + 1

    async with serve(database_url, budget=30, budget_per_second=1) as http:
        statuses = [(await http.post("/graphql", json=mutation, headers=headers)).status_code for _ in range(3)]
        rows = await events(database_url)
        statuses += [(await http.post("/graphql", json=mutation, headers=headers)).status_code for _ in range(3)]
        assert await events(database_url) == rows

    assert statuses == [200, 200, 429, 429, 429, 429]


async def events(database_url: str) -> Any:
    """The number of events. Uses its own connection, because the models belong to one of the two applications."""
    connection = await connect(database_url)
    try:
        return await connection.fetchval("SELECT count(*) FROM events")
    finally:
        await connection.close()


async def test_cost_extension_is_returned_on_request(database_url: str) -> None:
    async with serve(database_url) as http:
        plain = (await http.post("/graphql", json=VALID_REQUEST)).json()
        answer = (await http.post("/graphql", json=VALID_REQUEST | {"extensions": {"cost": True}})).json()

    assert "extensions" not in plain
    cost = answer["extensions"]["cost"]
    assert cost["spent"] == 7
    assert cost["limits"]["cost"] == DEFAULT.cost
    assert cost["limits"]["fields"] == DEFAULT.fields
    assert 99_900 < cost["budget"]["left"] <= 100_000
    assert (cost["budget"]["size"], cost["budget"]["perSecond"]) == (100_000, 1000)


async def test_unlimited_budget_is_reported_as_null(database_url: str) -> None:
    async with serve(database_url, budget=0) as http:
        body = VALID_REQUEST | {"extensions": {"cost": True}}
        answer = (await http.post("/graphql", json=body)).json()

    assert answer["extensions"]["cost"]["budget"] is None


async def test_refill_uses_the_monotonic_clock(database_url: str, clock: Clock) -> None:
    async with serve(database_url, clock=clock, budget=27, budget_per_second=1) as http:
        statuses = [(await http.post("/graphql", json=VALID_REQUEST)).status_code for _ in range(2)]
        clock.forward(days=1)
        statuses.append((await http.post("/graphql", json=VALID_REQUEST)).status_code)

    assert statuses == [200, 429, 429]
    assert Budget(100, 10)._clock is time.monotonic
