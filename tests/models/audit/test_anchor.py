"""The anchor file: what is appended, and which changes of the file and of the database it shows."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest

from models.audit import anchor, chain
from models.audit.anchor import InvalidAnchor
from models.audit.chain import Head
from tests.api import Api

NOW = datetime(2026, 11, 29, tzinfo=UTC)


def head(number: int, position: int = 1) -> Head:
    return Head(UUID(int=number), position, bytes([number, position]) * 16)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "heads"


def append(path: Path, *heads: Head, transaction: int) -> bool:
    last_seal, sealed_at = anchor.read_last_seal(path), NOW + timedelta(seconds=transaction)
    return anchor.append(path, heads, sealed_at=sealed_at, transaction=transaction, last_seal=last_seal)


def test_all_heads_are_read_in_the_order_of_chains_and_positions(path: Path) -> None:
    assert append(path, head(2), head(1), transaction=5)
    assert append(path, head(1, 2), transaction=9)

    contents = anchor.read(path)

    assert contents.heads == [head(1), head(1, 2), head(2)]
    assert [*anchor.changed_heads([head(1, 2), head(2, 2), head(3)], contents.heads)] == [head(2, 2), head(3)]
    assert contents.seal_count == 2
    assert contents.last_seal == anchor.read_last_seal(path)
    assert contents.last_seal is not None
    assert contents.last_seal.transaction == 9


def test_file_is_only_appended_to(path: Path) -> None:
    append(path, head(1), transaction=5)
    before = path.read_bytes()

    append(path, head(2), transaction=9)

    assert path.read_bytes().startswith(before)
    assert len(path.read_bytes().splitlines()) == 4


@pytest.mark.parametrize("transaction", [5, 6])
def test_heads_that_another_process_has_sealed_are_not_repeated(path: Path, transaction: int) -> None:
    """Other transactions may have ended between the snapshots of the two."""
    assert append(path, head(1), transaction=5)

    assert not anchor.append(path, [head(1)], sealed_at=NOW, transaction=transaction, last_seal=None)

    assert len(path.read_text().splitlines()) == 2


def test_line_that_a_crash_cut_off_is_replaced(path: Path) -> None:
    append(path, head(1), transaction=5)
    with path.open("a") as file:
        file.write(anchor.head_line(head(2)) + anchor.head_line(head(3))[:20])
    assert anchor.read(path).heads == [head(1), head(2)]

    append(path, head(3), transaction=9)

    assert anchor.read(path).heads == [head(1), head(2), head(3)]


def test_heads_without_a_seal_are_an_anchor_that_can_be_continued(path: Path) -> None:
    """A file that a command received, or an older version wrote."""
    path.write_text(anchor.head_line(head(1)) + anchor.head_line(head(2)))
    assert anchor.read_last_seal(path) is None

    append(path, head(3), transaction=5)

    assert anchor.read(path).heads == [head(1), head(2), head(3)]


def test_last_seal_is_found_before_many_lines(path: Path) -> None:
    append(path, head(1), transaction=5)
    with path.open("a") as file:
        file.write(anchor.head_line(head(2)) * 1000)

    seal = anchor.read_last_seal(path)

    assert seal is not None
    assert seal.transaction == 5


@pytest.mark.parametrize("line", range(4))
def test_change_of_each_line_is_found(path: Path, line: int) -> None:
    append(path, head(1), transaction=5)
    append(path, head(2), transaction=9)
    lines = path.read_text().splitlines(keepends=True)
    lines[line] = lines[line].replace("1", "2", 1)
    path.write_text("".join(lines))

    with pytest.raises(InvalidAnchor):
        anchor.read(path)


@pytest.mark.parametrize("line", range(3))
def test_removal_of_a_line_before_a_seal_is_found(path: Path, line: int) -> None:
    append(path, head(1), transaction=5)
    append(path, head(2), transaction=9)
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[:line] + lines[line + 1 :]))

    with pytest.raises(InvalidAnchor):
        anchor.read(path)


async def test_only_changed_heads_are_loaded(api: Api) -> None:
    anna = await api.person("anna@example.com")
    await api.person("bo@example.com")
    first = await anchor.load_transaction()
    assert await anchor.load_heads(first, await anchor.load_transaction()) == []
    await api.do("updateAccount", {"accountId": anna.account_id, "name": "A"}, by=anna)

    changed = await anchor.load_heads(first, await anchor.load_transaction())

    all_heads = [report.head async for report in chain.verify() if report.head]
    assert changed == [report for report in all_heads if report.position == changed[0].position][-1:]
    assert await anchor.load_heads(None, first) == all_heads
    assert await anchor.load_heads(first + 10**9, first) == all_heads  # restored from a backup
