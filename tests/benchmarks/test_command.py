import json
import os
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

import cli
from benchmarks import seed
from commands import runtime

TINY = ("--users", "130", "--accounts", "70", "--grants", "800")


def run_seed(*arguments: str, **environ: str) -> Result:
    unset_variables = {name: None for name in os.environ if name.startswith("FULLMAKT_")}
    defaults = {"FULLMAKT_ENV": "development", "FULLMAKT_SECRET_KEY": "k" * 32}
    environment = {**unset_variables, **defaults, **environ}
    return CliRunner().invoke(cli.fullmakt, ["seed", *arguments], env=environment, prog_name="fullmakt")


def test_seed_writes_only_once_and_writes_a_peer_file(database_url: str, tmp_path: Path) -> None:
    file = tmp_path / "peer.json"

    first = run_seed(*TINY, "--peer-file", str(file), FULLMAKT_DATABASE_URL=database_url, FULLMAKT_PORT="8123")
    second = run_seed(*TINY, FULLMAKT_DATABASE_URL=database_url)

    assert (first.exit_code, first.stderr) == (0, "")
    assert "Wrote 1,200 rows in " in first.stdout
    assert json.loads(file.read_text()) == seed.peer_config("http://127.0.0.1:8123/graphql")
    assert (second.exit_code, second.stdout) == (1, "")
    assert second.stderr == "Error: The database has users already; only an empty one can be seeded.\n"


def test_seed_with_too_few_users_is_rejected_before_the_database_starts(tmp_path: Path) -> None:
    result = run_seed("--users", "5", "--folder", str(tmp_path / "none"))

    assert (result.exit_code, result.stderr) == (1, "Error: 200000 grants on 20000 accounts take 122 users.\n")
    assert not (tmp_path / "none").exists()


def test_seed_without_an_address_uses_its_own_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    folders: list[Path] = []

    def postgres(folder: Path) -> object:
        folders.append(folder)
        raise KeyboardInterrupt

    monkeypatch.setattr(runtime, "VAR", tmp_path)
    monkeypatch.setattr("embedded.postgres", postgres)
    result = run_seed()

    assert result.exit_code == 1
    assert folders == [tmp_path / "seed"]


def test_seed_is_rejected_in_production() -> None:
    result = run_seed(
        FULLMAKT_ENV="production",
        FULLMAKT_DATABASE_URL="postgresql://owner@127.0.0.1:1/fullmakt",
        FULLMAKT_PUBLIC_URL="https://fullmakt.example.com",
    )

    assert result.exit_code == 2
    assert "FULLMAKT_ENV=development" in result.stderr
