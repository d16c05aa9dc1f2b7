import asyncio
import os
import re
import signal
from collections.abc import AsyncIterator

import httpx2
import pytest

import app
import embedded
from server import metrics
from settings import Settings
from tests.api import KEY, PASSWORD, PUBLIC_URL, Api, Clock, running
from tests.serving import PATIENCE_SECONDS, serve

TOKEN = "a token for scrapers, 42"
BEARER = {"Authorization": f"Bearer {TOKEN}"}


@pytest.fixture
async def seen(database_url: str, clock: Clock) -> AsyncIterator[Api]:
    """A client of the application with its metrics on."""
    application = app.create(
        Settings(
            env="development",
            database_url=embedded.as_server(database_url),
            secret_key=KEY,
            public_url=PUBLIC_URL,
            metrics_token=TOKEN,
        ),
        clock=clock,
    )
    async with running(application) as http:
        yield Api(http, clock)


async def figures(http: httpx2.AsyncClient) -> dict[str, float]:
    response = await http.get("/metrics", headers=BEARER)
    assert response.status_code == 200
    assert response.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    lines = [line.rpartition(" ") for line in response.text.splitlines() if not line.startswith("#")]
    return {name: float(value) for name, _, value in lines}


async def test_answers_operations_and_codes_are_counted(seen: Api) -> None:
    for _ in range(3):
        await seen.ask("query SomebodysName { __typename }")
    await seen.ask("{ nothing }")
    await seen.do("signIn", {"email": "nobody@example.com", "password": PASSWORD})
    await seen.http.get("/nowhere")

    found = await figures(seen.http)

    assert found['fullmakt_answers_total{status="200"}'] == 4
    assert found['fullmakt_answers_total{status="400"}'] == 1
    assert found['fullmakt_answers_total{status="404"}'] == 1
    assert found['fullmakt_operation_seconds_count{kind="query"}'] == 3
    assert found['fullmakt_operation_seconds_count{kind="mutation"}'] == 1
    assert found['fullmakt_operation_seconds_bucket{kind="query",le="10.0"}'] == 3
    assert found['fullmakt_errors_total{code="GRAPHQL_VALIDATION_FAILED"}'] == 1
    assert found['fullmakt_errors_total{code="NOT_FOUND"}'] == 1
    assert found['fullmakt_refusals_total{code="INVALID_CREDENTIALS"}'] == 1
    assert not [name for name in found if "SomebodysName" in name]


async def test_what_a_process_holds_is_told(seen: Api) -> None:
    await seen.ask("{ __typename }")
    await seen.do("register", {"name": "Anna Nowak", "email": "anna@example.com", "password": PASSWORD})

    found = await figures(seen.http)

    assert found['fullmakt_database_connections{state="idle"}'] >= 1
    assert found["fullmakt_memory_bytes"] > 30_000_000
    assert found['fullmakt_cache_bytes{cache="documents"}'] > 100
    assert found["fullmakt_log_lines_lost"] == 0
    assert found["fullmakt_streams"] == 0
    assert found['fullmakt_outbox{status="failed"}'] == 0
    assert found['fullmakt_outbox{status="queued"}'] in {0, 1}
    assert found["fullmakt_outbox_oldest_seconds"] == 0


async def test_a_job_is_told_by_when_it_last_ended_well(clock: Clock) -> None:
    counted = metrics.Metrics(dict, int)

    counted.job_done("grants expired", clock())

    assert (
        counted.registry.get_sample_value("fullmakt_job_last_success_seconds", {"job": "grants expired"})
        == clock().timestamp()
    )


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer"},
        {"Authorization": TOKEN},
        {"Authorization": f"Bearer {TOKEN[:-1]}"},
        {"Authorization": f"Bearer {TOKEN}x"},
        {"Cookie": f"token={TOKEN}"},
    ],
)
async def test_without_the_token_there_is_nothing(seen: Api, headers: dict[str, str]) -> None:
    guarded = await seen.http.get("/metrics", headers=headers)
    unknown = await seen.http.get("/nowhere", headers=headers)

    def shown(answer: httpx2.Response) -> tuple[int, str, dict[str, str]]:
        request_id = answer.headers["x-request-id"]
        rest = {name: value for name, value in answer.headers.items() if name != "x-request-id"}
        return answer.status_code, answer.text.replace(request_id, ""), rest

    assert guarded.status_code == 404
    assert shown(guarded) == shown(unknown)


async def test_other_methods_find_nothing_either(seen: Api) -> None:
    for headers in ({}, BEARER):
        for method in ("POST", "PUT", "DELETE", "OPTIONS"):
            assert (await seen.http.request(method, "/metrics", headers=headers)).status_code == 404


async def test_unless_it_is_set_up_there_is_no_such_address(production: httpx2.AsyncClient) -> None:
    for headers in ({}, BEARER, {"Authorization": "Bearer None"}, {"Authorization": "Bearer "}):
        assert (await production.get("/metrics", headers=headers)).status_code == 404


async def test_each_of_several_processes_tells_the_figures_of_all(database_url: str) -> None:
    async with (
        serve(database_url, FULLMAKT_WORKERS="2", FULLMAKT_METRICS_TOKEN=TOKEN) as served,
        asyncio.timeout(PATIENCE_SECONDS),
    ):
        url = str(served.api.http.base_url)
        pids: list[int] = []
        while len(pids) < 2:
            pids = [int(pid) for name in await fresh(url) for pid in re.findall(r'memory_bytes{pid="(\d+)"}', name)]

        # Whoever is stopped answers nothing, so that it is known who does.
        for stopped, times in zip(pids, (3, 4), strict=True):
            os.kill(stopped, signal.SIGSTOP)
            for _ in range(times):
                async with httpx2.AsyncClient(base_url=url) as http:
                    assert (await http.post("/graphql", json={"query": "{ __typename }"})).status_code == 200
            os.kill(stopped, signal.SIGCONT)
        told = []
        for stopped in pids:
            os.kill(stopped, signal.SIGSTOP)
            told.append((await fresh(url))['fullmakt_operation_seconds_count{kind="query"}'])
            os.kill(stopped, signal.SIGCONT)
        # One is killed: what it has counted stays, what it held is gone.
        os.kill(pids[0], signal.SIGKILL)
        after = await fresh(url)
        while f'fullmakt_memory_bytes{{pid="{pids[0]}"}}' in after:
            after = await fresh(url)
        code, _, _ = await served.stop()

    assert code == 0
    assert told == [7, 7]
    assert after['fullmakt_operation_seconds_count{kind="query"}'] == 7


async def fresh(url: str) -> dict[str, float]:
    """The figures, by a connection of its own."""
    async with httpx2.AsyncClient(base_url=url) as http:
        return await figures(http)
