"""Each benchmark runs briefly on a small database. These tests show only that the benchmarks run."""

import asyncio
import json
import math
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner

from benchmarks import (
    address_timing,
    common,
    costly_requests,
    execution,
    floods,
    garbage_collector,
    http_queries,
    loop_stretches,
    peers,
    rules,
    run,
    workspace,
)
from benchmarks.measurement import Pace, Section
from benchmarks.seed import Amounts
from benchmarks.server import ROOT, UnexpectedResponse, serve
from database import db
from models.tables import SCHEMA

AMOUNTS = Amounts(users=130, accounts=70, grants=903)
PACE = Pace(rounds=1, seconds=0.1, warm_seconds=0.05, connections=2)


@pytest.fixture
def seed_url(postgres: str) -> str:
    return asyncio.run(common.prepare_database(postgres, AMOUNTS))


def row_names(section: Section) -> list[str]:
    assert all(math.isfinite(row.ratio) and row.ratio > 0 for row in section.rows)
    assert json.loads(json.dumps(section.raw)) == section.raw
    return [row.name for row in section.rows]


def test_database_is_reused_while_it_fits(postgres: str, seed_url: str) -> None:
    async def first_email(change: str = "") -> str:
        async with db.connection(seed_url, SCHEMA, pool_size=1):
            if change:
                await db.execute(change)
            (row,) = await db.fetch("SELECT email FROM users ORDER BY id LIMIT 1", row=db.Row)
            email: str = row.email
            return email

    asyncio.run(
        first_email(
            "UPDATE users SET email = 'changed@example.com' WHERE id = (SELECT id FROM users ORDER BY id LIMIT 1)"
        )
    )
    assert asyncio.run(common.prepare_database(postgres, AMOUNTS)) == seed_url
    assert asyncio.run(first_email()) == "changed@example.com"

    asyncio.run(first_email("UPDATE sessions SET last_used_at = last_used_at - interval '14 days'"))
    assert asyncio.run(common.prepare_database(postgres, AMOUNTS)) == seed_url
    assert asyncio.run(first_email()) == "user1@example.com"


def test_execution_has_its_rows() -> None:
    section = execution.measure(PACE)

    assert row_names(section) == [
        "Executing Q2 in memory (3,452 fields): Strawberry",
        "Executing Q2 in memory: graphql-core alone",
        "Rules on every field, execution in memory: none",
    ]


def test_rules_have_their_row(seed_url: str) -> None:
    section = rules.measure(seed_url, PACE)

    assert row_names(section) == ["Rules on every field, whole request: none"]


def test_executors_have_a_row_for_each_query(seed_url: str) -> None:
    section = http_queries.compare_executors(seed_url, PACE)

    assert [name[:2] for name in row_names(section)] == ["Q1", "Q2", "Q3", "Q4"]


def test_growth_has_its_row(seed_url: str) -> None:
    section = http_queries.measure_growth(seed_url, seed_url, PACE, amounts=(AMOUNTS, AMOUNTS))

    assert row_names(section) == ["Q2 with 903 grants in the table: with 903"]


def test_pages_have_their_row(seed_url: str) -> None:
    section = http_queries.measure_pages(seed_url, PACE, users=AMOUNTS.users)

    assert row_names(section) == ["An object of a page of 100: of a page of 10"]


def test_workspace_has_its_rows(postgres: str) -> None:
    section = workspace.measure(postgres, PACE, many=3000, few=2000, exported=2000)

    names = row_names(section)
    assert names[:2] == [
        "100 documents with lines, contacts and products: SQL to JSON, by hand",
        "The same with 3,000 documents in the table: with 2,000",
    ]
    assert [name.partition(" ")[0] for name in names[2:-2]] == list(workspace.REPORTS)
    assert names[-2:] == [
        "Rows of an export of documents: the goal",
        "Peak of the server's memory during exports: the goal",
    ]


def test_slowest_requests_have_a_row_for_their_longest_stretch(seed_url: str) -> None:
    names = row_names(loop_stretches.measure(seed_url, PACE))

    assert len(names) == costly_requests.SHOWN_FUNCTIONS
    assert all(name.endswith(": longest stretch on the event loop") for name in names)


def test_flood_has_its_row(seed_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(floods, "EVENTS", 1000)
    monkeypatch.setattr(floods, "FLOODS", {"mails": floods.FLOODS["mails"]})

    section = floods.measure(seed_url, PACE)

    assert row_names(section) == ["a flood of mails: other client waits"]


def test_wrong_response_is_not_measured(seed_url: str) -> None:
    queries = http_queries.list_queries()
    with serve(seed_url) as server:
        for name in queries:
            http_queries.require_correct_response(server, name, queries[name])

        with pytest.raises(UnexpectedResponse, match="Q2 has a wrong response"):
            http_queries.require_correct_response(server, "Q2", queries["Q3"])
        with pytest.raises(UnexpectedResponse, match="Q3 has a wrong response"):
            http_queries.require_correct_response(server, "Q3", queries["Q2"])


def test_failed_start_of_the_server_reports_its_output(seed_url: str) -> None:
    with (
        pytest.raises(UnexpectedResponse, match="FULLMAKT_PROT is not a setting"),
        serve(seed_url, extra_environment={"FULLMAKT_PROT": "1"}),
    ):
        pass


def test_settings_of_the_collector_are_measured(seed_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    collectors = {name: garbage_collector.COLLECTORS[name] for name in ("as it is", "frozen, 50,000 50 100")}
    monkeypatch.setattr(garbage_collector, "COLLECTORS", collectors)

    results = garbage_collector.measure(seed_url, PACE, ("Q3",))

    assert list(results["Q3"]) == list(collectors)
    assert results["Q3"]["as it is"]["memory"]["rss"] > 20
    assert [line.split(" | ")[0] for line in garbage_collector.format_results("Q3", results["Q3"])] == [
        "| Q3: collector",
        "| ---",
        "| as it is",
        "| frozen, 50,000 50 100",
    ]


def test_settings_of_the_collector_are_applied() -> None:
    script = """
import gc
from benchmarks import garbage_collector
garbage_collector.apply_settings(garbage_collector.COLLECTORS["frozen, 10,000 20 50"])
print(gc.get_threshold(), gc.get_freeze_count() > 1000, gc.isenabled())
garbage_collector.apply_settings(garbage_collector.COLLECTORS["off"])
print(gc.isenabled())
"""

    assert run_python(script) == "(10000, 20, 50) True True\nFalse\n"


def run_python(script: str) -> str:
    import subprocess
    import sys

    return subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True).stdout


# ---- Peers -----------------------------------------------------------------------------------


def cells(**speeds: tuple[float, ...]) -> dict[str, Any]:
    return {query: [{"rps": speed} for speed in of] for query, of in speeds.items()}


def test_goal_compares_with_the_fastest_of_its_peers() -> None:
    results = {
        "labels": {"a": "Idiomatic", "c24": "Mercurius", "d24": "Yoga", "f": "Limit", "fullmakt": "Fullmakt"},
        "cells": {
            "a": cells(Q2=(10,)),
            "c24": cells(Q2=(100, 400, 120), Q3=(90,)),
            "d24": cells(Q2=(150,), Q3=(80,)),
            "f": cells(Q2=(600,)),
            "fullmakt": cells(Q2=(300, 290, 310), Q3=(270,)),
        },
    }

    rows = peers.compare_peers(results)

    assert [(row.name, row.value, row.baseline, row.verdict) for row in rows] == [
        ("Q2 over HTTP: Idiomatic", 300, 10, "reached"),
        ("Q2 over HTTP: Yoga", 300, 150, "reached"),
        ("Q3 over HTTP: Mercurius", 270, 90, "reached"),
        ("Q2 over HTTP: Limit", 300, 600, "NOT reached"),
    ]


def test_harness_chooses_the_port_of_our_server() -> None:
    config = peers.peer_config("asyncpg://postgres@127.0.0.1:1/seed_url")

    assert "url" not in config
    assert str(config["cmd"]).startswith("env FULLMAKT_PORT=$PORT ")
    assert str(config["cmd"]).endswith(f"{ROOT / 'cli.py'} serve")
    environ = config["env"]
    assert isinstance(environ, dict)
    assert environ["FULLMAKT_DATABASE_URL"] == "asyncpg://postgres@127.0.0.1:1/seed_url"
    assert "FULLMAKT_PORT" not in environ


# ---- The command -----------------------------------------------------------------------------


def test_table_is_printed_and_figures_are_written(tmp_path: Path) -> None:
    arguments = ["--only", "execution", "--rounds", "1", "--seconds", "0.05", "--folder", str(tmp_path / "new")]

    result = CliRunner().invoke(run.main, arguments)

    assert result.exit_code == 0, result.output
    assert result.stdout.count("\n| ") == 4
    results = msgspec.json.decode((tmp_path / "new" / "results.json").read_bytes())
    assert [row["section"] for row in results["rows"]] == ["execution"] * 3
    assert results["raw"]["execution"]["fields"] == 3452


def test_peers_without_a_folder_are_a_usage_error(tmp_path: Path) -> None:
    result = CliRunner().invoke(run.main, ["--only", "peers", "--folder", str(tmp_path)])

    assert result.exit_code == 2
    assert "--only peers needs --peers FOLDER." in result.stderr


def test_known_and_unknown_addresses_get_the_same_response(postgres: str) -> None:
    """Two turns show that the responses are equal. `make bench` measures the times."""
    rows = row_names(address_timing.measure(postgres, turns=2, warm_up_turns=0))

    assert len(rows) == 24
    assert rows[0] == "signIn, known: unknown (difference, ms)"
