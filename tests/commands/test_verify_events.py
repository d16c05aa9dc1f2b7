"""`fullmakt verify-events`, as the operator runs it."""

import asyncio
import os
import sys
from pathlib import Path

import pytest

from models.accounts.account import Account
from tests.api import KEY, Api, Person
from tests.conftest import administer
from tests.serving import PUBLIC_URL, ROOT


async def run(database_url: str, *arguments: str) -> tuple[int, list[str]]:
    """The exit code, and the lines of both outputs."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, str(ROOT / "cli.py"), "verify-events", *arguments),
        env={
            "PATH": os.environ["PATH"],
            "FULLMAKT_DATABASE_URL": database_url,
            "FULLMAKT_SECRET_KEY": KEY,
            "FULLMAKT_PUBLIC_URL": PUBLIC_URL,
        },
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, said.decode().splitlines()


@pytest.fixture
async def anna(api: Api) -> Person:
    """Somebody with a chain for herself and one for her account, of three events each."""
    anna = await api.person("anna@example.com")
    await api.do("updateAccount", {"accountId": anna.account_id, "name": "A"}, by=anna)
    return anna


async def number() -> int:
    return (await Account.all())[0].number


async def attack(url: str, statement: str) -> None:
    await administer(url, f"SET session_replication_role = replica; {statement}")


def files(folder: Path) -> list[Path]:
    return [*folder.iterdir()]


async def test_whole_chains_are_counted(anna: Person, database_url: str) -> None:
    assert await run(database_url) == (0, ["2 chains, 7 events, 0 of them with something erased; none broken."])


async def test_the_first_broken_link_is_named(anna: Person, database_url: str) -> None:
    await attack(database_url, "UPDATE events SET type = 'x' WHERE type LIKE 'account:account:%'")

    code, said = await run(database_url)

    assert code == 1
    assert said[0].startswith(f"Chain of account {await number()}: broken at place 1, event ")
    assert said[0].endswith(": the event at this place was changed, moved or put in.")
    assert said[1:] == ["2 chains, 7 events, 0 of them with something erased; 1 broken."]


async def test_one_account_is_looked_at_by_itself(anna: Person, database_url: str) -> None:
    await attack(database_url, "UPDATE events SET type = 'x' WHERE type LIKE 'user:login:%'")

    code, said = await run(database_url, "--account", str(await number()))

    assert (code, said) == (0, ["1 chains, 4 events, 0 of them with something erased; none broken."])
    assert await run(database_url, "--account", "7") == (1, ["Error: No account has this number."])


async def test_the_anchor_finds_what_was_cut_off(anna: Person, database_url: str, tmp_path: Path) -> None:
    anchor = tmp_path / "heads"
    assert (await run(database_url, "--anchor", str(anchor)))[0] == 0
    kept = anchor.read_text()
    assert len(kept.splitlines()) == 2
    await attack(
        database_url,
        "DELETE FROM events e USING event_links l WHERE l.event_id = e.id AND position > 2;"
        "DELETE FROM event_links WHERE position > 2",
    )

    assert (await run(database_url))[0] == 0
    code, said = await run(database_url, "--anchor", str(anchor))

    assert (code, len(said)) == (1, 3)
    assert "place 3: the anchor saw events from this place on; they were cut off." in said[0]
    assert anchor.read_text() == kept
    assert files(tmp_path) == [anchor]


async def test_the_anchor_follows_what_was_added(api: Api, anna: Person, database_url: str, tmp_path: Path) -> None:
    anchor = tmp_path / "heads"
    await run(database_url, "--anchor", str(anchor))
    kept = anchor.read_text()
    await api.do("updateAccount", {"accountId": anna.account_id, "name": "B"}, by=anna)

    assert (await run(database_url, "--anchor", str(anchor), "--account", str(await number())))[0] == 0
    assert anchor.read_text() == kept  # it looked at one account only
    assert (await run(database_url, "--anchor", str(anchor)))[0] == 0
    assert anchor.read_text() != kept


@pytest.mark.parametrize("text", ["no anchor\n", "0 0 0\n", "{0} 1 00\n{0} 1 00\n"])
async def test_what_is_no_anchor_is_said_so(anna: Person, database_url: str, tmp_path: Path, text: str) -> None:
    anchor = tmp_path / "heads"
    anchor.write_text(text.format("00000000-0000-0000-0000-000000000000"))

    code, said = await run(database_url, "--anchor", str(anchor))

    assert code == 1
    assert str(anchor) in said[-1]
