"""Tests of `fullmakt verify-events`."""

from pathlib import Path

import pytest

from models.accounts.account import Account
from tests.api import Api, Person
from tests.commands.command_line import run_command
from tests.conftest import execute_outside_transaction


async def verify(database_url: str, *arguments: str) -> tuple[int, list[str]]:
    """Run `verify-events`. Returns the exit code and the lines of both outputs."""
    exit_code, output, error_output = await run_command(database_url, "verify-events", *arguments)
    return exit_code, (output + error_output).splitlines()


@pytest.fixture
async def anna(api: Api) -> Person:
    """A user whose own chain and whose account's chain have events."""
    anna = await api.person("anna@example.com")
    await api.do("updateAccount", {"accountId": anna.account_id, "name": "A"}, by=anna)
    return anna


async def account_number() -> int:
    return (await Account.all())[0].number


async def tamper(url: str, statement: str) -> None:
    await execute_outside_transaction(url, f"SET session_replication_role = replica; {statement}")


def files(folder: Path) -> list[Path]:
    return [*folder.iterdir()]


async def test_valid_chains_are_counted(anna: Person, database_url: str) -> None:
    assert await verify(database_url) == (0, ["2 chains, 7 events (0 with erased data); none broken."])


async def test_first_broken_event_is_reported(anna: Person, database_url: str) -> None:
    await tamper(database_url, "UPDATE events SET type = 'x' WHERE type LIKE 'account:account:%'")

    code, lines = await verify(database_url)

    assert code == 1
    assert lines[0].startswith(f"Chain of account {await account_number()}: broken at position 1, event ")
    assert lines[0].endswith(": the event at this position was changed, moved or inserted.")
    assert lines[1:] == ["2 chains, 7 events (0 with erased data); 1 broken."]


async def test_account_option_verifies_one_chain(anna: Person, database_url: str) -> None:
    await tamper(database_url, "UPDATE events SET type = 'x' WHERE type LIKE 'user:login:%'")

    code, lines = await verify(database_url, "--account", str(await account_number()))

    assert (code, lines) == (0, ["1 chains, 4 events (0 with erased data); none broken."])
    assert await verify(database_url, "--account", "7") == (1, ["Error: No account has this number."])


async def test_anchor_detects_a_cut_off_end(anna: Person, database_url: str, tmp_path: Path) -> None:
    anchor = tmp_path / "heads"
    assert (await verify(database_url, "--anchor", str(anchor)))[0] == 0
    text = anchor.read_text()
    assert [line.startswith("seal ") for line in text.splitlines()] == [False, False, True]
    await tamper(
        database_url,
        "DELETE FROM events e USING event_links l WHERE l.event_id = e.id AND position > 2;"
        "DELETE FROM event_links WHERE position > 2",
    )

    assert (await verify(database_url))[0] == 0
    code, lines = await verify(database_url, "--anchor", str(anchor))

    assert (code, len(lines)) == (1, 4)
    assert "position 3: the anchor has events from this position on; they were cut off." in lines[0]
    assert anchor.read_text() == text
    assert files(tmp_path) == [anchor]


async def test_anchor_is_updated_after_new_events(api: Api, anna: Person, database_url: str, tmp_path: Path) -> None:
    anchor = tmp_path / "heads"
    await verify(database_url, "--anchor", str(anchor))
    text = anchor.read_text()
    await api.do("updateAccount", {"accountId": anna.account_id, "name": "B"}, by=anna)

    assert (await verify(database_url, "--anchor", str(anchor), "--account", str(await account_number())))[0] == 0
    assert anchor.read_text() == text  # Only one account was verified.
    assert (await verify(database_url, "--anchor", str(anchor)))[0] == 0
    assert anchor.read_text() != text


@pytest.mark.parametrize("text", ["no anchor\n", "0 0 0\n", "{0} 1 00\n{0} 1 00\n"])
async def test_invalid_anchor_is_rejected(anna: Person, database_url: str, tmp_path: Path, text: str) -> None:
    anchor = tmp_path / "heads"
    anchor.write_text(text.format("00000000-0000-0000-0000-000000000000"))

    code, lines = await verify(database_url, "--anchor", str(anchor))

    assert code == 1
    assert str(anchor) in lines[-1]
