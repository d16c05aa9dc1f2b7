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
from tests.api import KEY, PASSWORD, PUBLIC_URL, Api, Clock, run_application
from tests.serving import TIMEOUT_SECONDS, run_process

TOKEN = "a token for scrapers, 42"
BEARER = {"Authorization": f"Bearer {TOKEN}"}


@pytest.fixture
async def metrics_api(database_url: str, clock: Clock) -> AsyncIterator[Api]:
    """A client of an application with metrics."""
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
    async with run_application(application) as http:
        yield Api(http, clock)


async def read_metrics(http: httpx2.AsyncClient) -> dict[str, float]:
    response = await http.get("/metrics", headers=BEARER)
    assert response.status_code == 200
    assert response.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    lines = [line.rpartition(" ") for line in response.text.splitlines() if not line.startswith("#")]
    return {name: float(value) for name, _, value in lines}


async def test_responses_operations_and_codes_are_counted(metrics_api: Api) -> None:
    for _ in range(3):
        await metrics_api.ask("query NameOfClient { __typename }")
    await metrics_api.ask("{ nothing }")
    await metrics_api.do("signIn", {"email": "nobody@example.com", "password": PASSWORD})
    await metrics_api.http.get("/nowhere")

    values = await read_metrics(metrics_api.http)

    assert values['fullmakt_answers_total{status="200"}'] == 4
    assert values['fullmakt_answers_total{status="400"}'] == 1
    assert values['fullmakt_answers_total{status="404"}'] == 1
    assert values['fullmakt_operation_seconds_count{kind="query"}'] == 3
    assert values['fullmakt_operation_seconds_count{kind="mutation"}'] == 1
    assert values['fullmakt_operation_seconds_bucket{kind="query",le="10.0"}'] == 3
    assert values['fullmakt_errors_total{code="GRAPHQL_VALIDATION_FAILED"}'] == 1
    assert values['fullmakt_errors_total{code="NOT_FOUND"}'] == 1
    assert values['fullmakt_refusals_total{code="INVALID_CREDENTIALS"}'] == 1
    assert not [name for name in values if "NameOfClient" in name]


async def test_gauges_contain_the_resources_of_the_process(metrics_api: Api) -> None:
    await metrics_api.ask("{ __typename }")
    await metrics_api.do("register", {"name": "Anna Nowak", "email": "anna@example.com", "password": PASSWORD})

    values = await read_metrics(metrics_api.http)

    assert values['fullmakt_database_connections{state="idle"}'] >= 1
    assert values["fullmakt_memory_bytes"] > 30_000_000
    assert values['fullmakt_cache_bytes{cache="documents"}'] > 100
    assert values["fullmakt_log_lines_lost"] == 0
    assert values["fullmakt_streams"] == 0
    assert values['fullmakt_outbox{status="failed"}'] == 0
    assert values['fullmakt_outbox{status="queued"}'] in {0, 1}
    assert values["fullmakt_outbox_oldest_seconds"] == 0
    assert values['fullmakt_outbox_lane_oldest_seconds{lane="security"}'] == 0
    assert values['fullmakt_outbox_lane_oldest_seconds{lane="ordinary"}'] == 0


async def test_job_metric_is_the_time_of_its_last_success(clock: Clock) -> None:
    process_metrics = metrics.Metrics(dict, int)

    process_metrics.record_job_success("grants expired", clock())

    assert (
        process_metrics.registry.get_sample_value("fullmakt_job_last_success_seconds", {"job": "grants expired"})
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
async def test_request_without_the_token_gets_404(metrics_api: Api, headers: dict[str, str]) -> None:
    response = await metrics_api.http.get("/metrics", headers=headers)
    missing_page = await metrics_api.http.get("/nowhere", headers=headers)

    def comparable(page: httpx2.Response) -> tuple[int, str, dict[str, str]]:
        request_id = page.headers["x-request-id"]
        page_headers = {name: value for name, value in page.headers.items() if name != "x-request-id"}
        return page.status_code, page.text.replace(request_id, ""), page_headers

    assert response.status_code == 404
    assert comparable(response) == comparable(missing_page)


async def test_other_methods_get_404(metrics_api: Api) -> None:
    for headers in ({}, BEARER):
        for method in ("POST", "PUT", "DELETE", "OPTIONS"):
            assert (await metrics_api.http.request(method, "/metrics", headers=headers)).status_code == 404


async def test_metrics_are_disabled_without_a_token_setting(production: httpx2.AsyncClient) -> None:
    for headers in ({}, BEARER, {"Authorization": "Bearer None"}, {"Authorization": "Bearer "}):
        assert (await production.get("/metrics", headers=headers)).status_code == 404


async def test_each_process_serves_the_metrics_of_all_processes(database_url: str) -> None:
    async with (
        run_process(database_url, FULLMAKT_WORKERS="2", FULLMAKT_METRICS_TOKEN=TOKEN) as server,
        asyncio.timeout(TIMEOUT_SECONDS),
    ):
        url = str(server.api.http.base_url)
        worker_pids: list[int] = []
        while len(worker_pids) < 2:
            names = " ".join(await read_metrics_on_new_connection(url))
            worker_pids = [int(pid) for pid in re.findall(r'memory_bytes{pid="(\d+)"}', names)]

        # One process is stopped, so that the other one answers.
        for pid, times in zip(worker_pids, (3, 4), strict=True):
            os.kill(pid, signal.SIGSTOP)
            for _ in range(times):
                async with httpx2.AsyncClient(base_url=url) as http:
                    assert (await http.post("/graphql", json={"query": "{ __typename }"})).status_code == 200
            os.kill(pid, signal.SIGCONT)
        counts = []
        for pid in worker_pids:
            os.kill(pid, signal.SIGSTOP)
            counts.append((await read_metrics_on_new_connection(url))['fullmakt_operation_seconds_count{kind="query"}'])
            os.kill(pid, signal.SIGCONT)
        # The counters of a killed process remain. Its gauges disappear.
        os.kill(worker_pids[0], signal.SIGKILL)
        values = await read_metrics_on_new_connection(url)
        while f'fullmakt_memory_bytes{{pid="{worker_pids[0]}"}}' in values:
            values = await read_metrics_on_new_connection(url)
        code, _, _ = await server.stop()

    assert code == 0
    assert counts == [7, 7]
    assert values['fullmakt_operation_seconds_count{kind="query"}'] == 7


async def read_metrics_on_new_connection(url: str) -> dict[str, float]:
    """Read the metrics over a new connection."""
    async with httpx2.AsyncClient(base_url=url) as http:
        return await read_metrics(http)
