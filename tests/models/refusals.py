"""A refusal leaves nothing behind: what the tests of operations hold every one of them to."""

from collections.abc import Mapping
from typing import Any

from database import db
from models.audit import event
from tests.api import TABLES, Answer, Api, Person, changed, codes, counts

Codes = list[tuple[str, list[str] | None]]


async def refused(api: Api, mutation: str, given: Mapping[str, Any] | None, *, by: Person | str | None = None) -> Codes:
    """The codes and fields of a mutation's errors, after which every row must be as it was."""
    await _enter(api, by)
    before = await state()
    payload = await api.do(mutation, given, by=by)
    assert await state() == before
    return codes(payload)


async def rejected(
    api: Api, mutation: str, given: Mapping[str, Any] | None, *, by: Person | str | None = None
) -> Answer:
    """The answer to a mutation that is refused at the top, after which every row must be as it was."""
    await _enter(api, by)
    before = await state()
    answer = await attempt(api, mutation, given, by=by)
    assert await state() == before
    return answer


async def attempt(
    api: Api, mutation: str, given: Mapping[str, Any] | None, *, by: Person | str | None = None
) -> Answer:
    """A mutation whose answer may have top-level errors."""
    name = mutation[0].upper() + mutation[1:]
    taken = (f"($input: {name}Input!)", "(input: $input)") if given is not None else ("", "")
    document = f"mutation{taken[0]} {{ {mutation}{taken[1]} {{ errors {{ code field }} }} }}"
    return await api.ask(document, {"input": given} if given is not None else {}, by=by)


async def state() -> dict[str, object]:
    """Every table's rows as a digest; of messages their number, for the worker writes to them too."""
    digests = " UNION ALL ".join(
        f"SELECT '{table}' AS name, md5(string_agg(t::text, '|' ORDER BY t::text)) AS rows FROM {changed(table)}"
        for table in TABLES
        if table != "messages"
    )
    found: dict[str, object] = {row.name: row.rows for row in await db.fetch(digests, row=db.Row)}
    found["counts"] = await counts()
    return found


async def _enter(api: Api, by: Person | str | None) -> None:
    """Entering an account is noted by itself, with whatever comes first."""
    await api.ask("{ __typename }", by=by)


async def events(kind: str) -> list[Any]:
    """The events of a type, the oldest first."""
    shown = ", ".join(event.COLUMNS.values())
    return await db.fetch(f"SELECT {shown} FROM events e WHERE e.type = $1 ORDER BY e.id", kind, row=db.Row)


async def mails(to: str, kind: str) -> list[Any]:
    """The mails of a kind to an address, the oldest first."""
    sql = "SELECT * FROM messages WHERE to_address = $1 AND kind = $2 ORDER BY id"
    return await db.fetch(sql, to, kind, row=db.Row)
