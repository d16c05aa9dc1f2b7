import json
import os
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

import cli
from benchmarks import seed
from commands import runtime

TINY = ("--users", "130", "--accounts", "70", "--grants", "800")


def call(*arguments: str, **environ: str) -> Result:
    clean = {name: None for name in os.environ if name.startswith("FULLMAKT_")}
    given = {"FULLMAKT_ENV": "development", "FULLMAKT_SECRET_KEY": "k" * 32, **environ}
    return CliRunner().invoke(cli.fullmakt, ["seed", *arguments], env={**clean, **given}, prog_name="fullmakt")


def test_seed_writes_once_and_says_where_it_can_be_measured(database_url: str, tmp_path: Path) -> None:
    file = tmp_path / "peer.json"

    first = call(*TINY, "--peer-file", str(file), FULLMAKT_DATABASE_URL=database_url, FULLMAKT_PORT="8123")
    second = call(*TINY, FULLMAKT_DATABASE_URL=database_url)

    assert (first.exit_code, first.stderr) == (0, "")
    assert "Wrote 1,200 rows in " in first.stdout
    assert json.loads(file.read_text()) == seed.peer("http://127.0.0.1:8123/graphql")
    assert (second.exit_code, second.stdout) == (1, "")
    assert second.stderr == "Error: The database has users already; only an empty one can be seeded.\n"


def test_seed_of_too_little_is_refused_before_anything_starts(tmp_path: Path) -> None:
    result = call("--users", "5", "--folder", str(tmp_path / "none"))

    assert (result.exit_code, result.stderr) == (1, "Error: 200000 grants on 20000 accounts take 122 users.\n")
    assert not (tmp_path / "none").exists()


def test_seed_without_an_address_leaves_the_demo_data_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked: list[Path] = []

    def postgres(folder: Path) -> object:
        asked.append(folder)
        raise KeyboardInterrupt

    monkeypatch.setattr(runtime, "VAR", tmp_path)
    monkeypatch.setattr("embedded.postgres", postgres)
    result = call()

    assert result.exit_code == 1
    assert asked == [tmp_path / "seed"]


def test_seed_is_for_development() -> None:
    result = call(
        FULLMAKT_ENV="production",
        FULLMAKT_DATABASE_URL="postgresql://owner@127.0.0.1:1/fullmakt",
        FULLMAKT_PUBLIC_URL="https://fullmakt.example.com",
    )

    assert result.exit_code == 2
    assert "FULLMAKT_ENV=development" in result.stderr
