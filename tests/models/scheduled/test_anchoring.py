"""The job that anchors the heads of the chains of events. `verify-events --anchor` then finds what was cut off."""

import asyncio
from pathlib import Path

import pytest

from models.audit import anchor, chain
from models.base.caller import Caller, OperationConfig
from models.scheduled import anchoring
from models.scheduled.anchoring import CommandFailed
from resolvers import ids
from tests.api import KEY, Api, Person
from tests.commands.test_events import verify
from tests.conftest import execute_outside_transaction


def caller(api: Api, path: Path | None = None, command: str = "") -> Caller:
    config = OperationConfig(KEY, anchor_file=str(path) if path else "", anchor_command=command)
    return Caller(now=api.clock.now, config=config)


async def rename(api: Api, person: Person, name: str) -> None:
    await api.do("updateAccount", {"accountId": person.account_id, "name": name}, by=person)


async def cut_off(database_url: str, person: Person, *, from_position: int) -> None:
    """Cut off the end of an account's chain together with its links."""
    key = ids.decode("Account", person.account_id)
    await execute_outside_transaction(
        database_url,
        "SET session_replication_role = replica;"
        "DELETE FROM events e USING event_links l WHERE l.event_id = e.id"
        f" AND l.chain = '{key}' AND position >= {from_position};"
        f"DELETE FROM event_links WHERE chain = '{key}' AND position >= {from_position}",
    )


async def test_job_appends_the_heads_that_changed(api: Api, tmp_path: Path) -> None:
    anna, path = await api.person("anna@example.com"), tmp_path / "heads"

    assert await anchoring.run(caller(api, path)) == 2
    api.clock.forward(minutes=1)
    assert await anchoring.run(caller(api, path)) == 0
    await rename(api, anna, "A")
    assert await anchoring.run(caller(api, path)) == 1

    contents = anchor.read(path)
    assert len(contents.heads) == 3
    assert {*contents.heads} >= {report.head async for report in chain.verify() if report.head}
    assert contents.seal_count == 2
    api.clock.forward(hours=1)
    assert await anchoring.run(caller(api, path)) == 0
    assert anchor.read(path).seal_count == 3  # a sign of life


async def test_cut_of_tail_and_head_is_found_by_the_anchor_of_the_job(
    api: Api, database_url: str, tmp_path: Path
) -> None:
    anna, path = await api.person("anna@example.com"), tmp_path / "heads"
    await rename(api, anna, "A")
    await anchoring.run(caller(api, path))
    await cut_off(database_url, anna, from_position=3)
    assert (await verify(database_url))[0] == 0
    text = path.read_text()

    code, lines = await verify(database_url, "--anchor", str(path))

    assert code == 1
    assert "position 3: the anchor has events from this position on; they were cut off." in lines[0]
    assert path.read_text() == text


@pytest.mark.parametrize("event_count", [1, 2, 4])
async def test_job_after_a_cut_does_not_hide_it(api: Api, database_url: str, tmp_path: Path, event_count: int) -> None:
    """The server goes on after the attack: new events take the positions of those that were cut off."""
    anna, path = await api.person("anna@example.com"), tmp_path / "heads"
    await rename(api, anna, "A")
    await anchoring.run(caller(api, path))
    await cut_off(database_url, anna, from_position=3)
    for name in "BCDE"[:event_count]:
        await rename(api, anna, name)
    await anchoring.run(caller(api, path))

    code, lines = await verify(database_url, "--anchor", str(path))

    assert code == 1
    assert "broken at position" in lines[0]
    assert "the anchor has" in lines[0]


async def test_removal_of_an_account_with_its_chain_is_found(api: Api, database_url: str, tmp_path: Path) -> None:
    anna, path = await api.person("anna@example.com"), tmp_path / "heads"
    await anchoring.run(caller(api, path))
    await cut_off(database_url, anna, from_position=1)
    await execute_outside_transaction(
        database_url, "SET session_replication_role = replica; DELETE FROM grants; DELETE FROM accounts"
    )

    code, lines = await verify(database_url, "--anchor", str(path))

    assert code == 1
    assert "which belongs to no account: broken at position 1" in lines[0]


async def test_servers_that_share_a_file_write_each_head_once(api: Api, tmp_path: Path) -> None:
    path = tmp_path / "heads"
    await api.person("anna@example.com")

    counts = await asyncio.gather(*(anchoring.run(caller(api, path)) for _ in range(3)))

    assert max(counts) == 2
    assert len(path.read_text().splitlines()) == 3
    assert anchor.read(path).seal_count == 1


async def test_command_receives_the_heads_that_changed(api: Api, tmp_path: Path) -> None:
    anna, copy = await api.person("anna@example.com"), tmp_path / "copy"
    command = f"sh -c 'cat >> {copy}'"

    assert await anchoring.run(caller(api, command=command)) == 2
    assert await anchoring.run(caller(api, command=command)) == 0
    await rename(api, anna, "A")
    assert await anchoring.run(caller(api, command=command)) == 1

    assert {*anchor.read(copy).heads} >= {report.head async for report in chain.verify() if report.head}


async def test_heads_are_sent_again_after_the_command_failed(api: Api, tmp_path: Path) -> None:
    path = tmp_path / "heads"
    await api.person("anna@example.com")

    with pytest.raises(CommandFailed):
        await anchoring.run(caller(api, path, command="false"))

    assert not path.exists()
    assert await anchoring.run(caller(api, path, command="true")) == 2


async def test_job_without_settings_does_nothing(api: Api) -> None:
    await api.person("anna@example.com")

    assert await anchoring.run(caller(api)) == 0
