"""Each benchmark runs for a moment, on little data: that it still runs is all that is shown here."""

import asyncio
import json
import math
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner

from benchmarks import alike, common, execution, memory, peers, rules, run, serving
from benchmarks.measure import Pace, Section
from benchmarks.seed import Amounts
from benchmarks.server import ROOT, NoAnswer, serve
from database import db
from models.tables import SCHEMA

TINY = Amounts(users=130, accounts=70, grants=903)
MOMENT = Pace(rounds=1, seconds=0.1, warm_seconds=0.05, connections=2)


@pytest.fixture
def seeded(postgres: str) -> str:
    return asyncio.run(common.database(postgres, TINY))


def names(section: Section) -> list[str]:
    assert all(math.isfinite(row.ratio) and row.ratio > 0 for row in section.rows)
    assert json.loads(json.dumps(section.raw)) == section.raw
    return [row.name for row in section.rows]


def test_seeded_data_is_kept_while_it_fits(postgres: str, seeded: str) -> None:
    async def email(change: str = "") -> str:
        async with db.connection(seeded, SCHEMA, pool_size=1):
            if change:
                await db.execute(change)
            (row,) = await db.fetch("SELECT email FROM users ORDER BY id LIMIT 1", row=db.Row)
            found: str = row.email
            return found

    asyncio.run(
        email("UPDATE users SET email = 'kept@example.com' WHERE id IN (SELECT id FROM users ORDER BY id LIMIT 1)")
    )
    assert asyncio.run(common.database(postgres, TINY)) == seeded
    assert asyncio.run(email()) == "kept@example.com"

    asyncio.run(email("UPDATE sessions SET last_used_at = last_used_at - interval '14 days'"))
    assert asyncio.run(common.database(postgres, TINY)) == seeded
    assert asyncio.run(email()) == "user1@example.com"


def test_execution_in_memory() -> None:
    section = execution.measure(MOMENT)

    assert names(section) == [
        "Executing Q2 in memory (3,452 fields): Strawberry",
        "Executing Q2 in memory: graphql-core alone",
        "Rules on every field, execution in memory: none",
    ]


def test_rules_against_none(seeded: str) -> None:
    section = rules.measure(seeded, MOMENT)

    assert names(section) == ["Rules on every field, whole request: none"]


def test_both_executors_over_http(seeded: str) -> None:
    section = serving.executors(seeded, MOMENT)

    assert [name[:2] for name in names(section)] == ["Q1", "Q2", "Q3", "Q4"]


def test_growth(seeded: str) -> None:
    section = serving.growth(seeded, seeded, MOMENT, amounts=(TINY, TINY))

    assert names(section) == ["Q2 with 903 grants in the table: with 903"]


def test_pages(seeded: str) -> None:
    section = serving.pages(seeded, MOMENT, users=TINY.users)

    assert names(section) == ["An object of a page of 100: of a page of 10"]


def test_a_wrong_answer_is_not_measured(seeded: str) -> None:
    asked = serving.questions()
    with serve(seeded) as server:
        for name in asked:
            serving.check(server, name, asked[name])

        with pytest.raises(NoAnswer, match="Q2 is answered wrongly"):
            serving.check(server, "Q2", asked["Q3"])
        with pytest.raises(NoAnswer, match="Q3 is answered wrongly"):
            serving.check(server, "Q3", asked["Q2"])


def test_a_server_that_cannot_start_says_why(seeded: str) -> None:
    with pytest.raises(NoAnswer, match="FULLMAKT_PROT is not a setting"), serve(seeded, more={"FULLMAKT_PROT": "1"}):
        pass


def test_settings_of_the_collector(seeded: str, monkeypatch: pytest.MonkeyPatch) -> None:
    some = {name: memory.COLLECTORS[name] for name in ("as it is", "frozen, 50,000 50 100")}
    monkeypatch.setattr(memory, "COLLECTORS", some)

    found = memory.measure(seeded, MOMENT, ("Q3",))

    assert list(found["Q3"]) == list(some)
    assert found["Q3"]["as it is"]["memory"]["rss"] > 20
    assert [line.split(" | ")[0] for line in memory.lines("Q3", found["Q3"])] == [
        "| Q3: collector",
        "| ---",
        "| as it is",
        "| frozen, 50,000 50 100",
    ]


def test_the_collector_is_set_as_asked() -> None:
    script = """
import gc
from benchmarks import memory
memory.settle(memory.COLLECTORS["frozen, 10,000 20 50"])
print(gc.get_threshold(), gc.get_freeze_count() > 1000, gc.isenabled())
memory.settle(memory.COLLECTORS["off"])
print(gc.isenabled())
"""

    assert run_python(script) == "(10000, 20, 50) True True\nFalse\n"


def run_python(script: str) -> str:
    import subprocess
    import sys

    return subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True).stdout


# ---- The harness of others -------------------------------------------------------------------


def cells(**speeds: tuple[float, ...]) -> dict[str, Any]:
    return {query: [{"rps": speed} for speed in of] for query, of in speeds.items()}


def test_a_goal_speaks_of_the_fastest_of_its_peers() -> None:
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

    rows = peers.rows(results)

    assert [(row.name, row.ours, row.other, row.verdict) for row in rows] == [
        ("Q2 over HTTP: Idiomatic", 300, 10, "reached"),
        ("Q2 over HTTP: Yoga", 300, 150, "reached"),
        ("Q3 over HTTP: Mercurius", 270, 90, "reached"),
        ("Q2 over HTTP: Limit", 300, 600, "NOT reached"),
    ]


def test_the_harness_starts_us_at_an_address_of_its_choice() -> None:
    told = peers.peer("asyncpg://postgres@127.0.0.1:1/seeded")

    assert "url" not in told
    assert str(told["cmd"]).startswith("env FULLMAKT_PORT=$PORT ")
    assert str(told["cmd"]).endswith(f"{ROOT / 'cli.py'} serve")
    environ = told["env"]
    assert isinstance(environ, dict)
    assert environ["FULLMAKT_DATABASE_URL"] == "asyncpg://postgres@127.0.0.1:1/seeded"
    assert "FULLMAKT_PORT" not in environ


# ---- The command -----------------------------------------------------------------------------


def test_the_table_is_printed_and_the_figures_are_kept(tmp_path: Path) -> None:
    call = ["--only", "execution", "--rounds", "1", "--seconds", "0.05", "--folder", str(tmp_path / "new")]

    result = CliRunner().invoke(run.main, call)

    assert result.exit_code == 0, result.output
    assert result.stdout.count("\n| ") == 4
    kept = msgspec.json.decode((tmp_path / "new" / "results.json").read_bytes())
    assert [row["section"] for row in kept["rows"]] == ["execution"] * 3
    assert kept["raw"]["execution"]["fields"] == 3452


def test_peers_need_their_folder(tmp_path: Path) -> None:
    result = CliRunner().invoke(run.main, ["--only", "peers", "--folder", str(tmp_path)])

    assert result.exit_code == 2
    assert "--only peers needs --peers FOLDER." in result.stderr


def test_what_must_not_tell_who_is_there_answers_alike(postgres: str) -> None:
    """As often as it takes to see that every answer is the same; how long they take is for `make bench`."""
    found = names(alike.measure(postgres, turns=2, warm=0))

    assert len(found) == 24
    assert found[0] == "signIn, known: unknown (apart, ms)"
