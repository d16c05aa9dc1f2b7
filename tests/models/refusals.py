"""Helpers that run a mutation and assert that its refusal changes no row."""

from collections.abc import Mapping
from typing import Any

from auth import policy
from auth.policy import Permission
from database import db
from models.audit import event
from models.outbox import message
from tests.api import TABLES, Api, Person, Response, codes, comparable_rows, count_rows

Codes = list[tuple[str, list[str] | None]]
ALL_RIGHTS = policy.mask(Permission)


async def refusal_codes(
    api: Api, mutation: str, variables: Mapping[str, Any] | None, *, by: Person | str | None = None
) -> Codes:
    """Run a mutation and assert that no row changed. Returns the codes and fields of its user errors."""
    await _enter(api, by)
    before = await state()
    payload = await api.do(mutation, variables, by=by)
    assert await state() == before
    return codes(payload)


async def rejection(
    api: Api, mutation: str, variables: Mapping[str, Any] | None, *, by: Person | str | None = None
) -> Response:
    """Run a mutation and assert that no row changed. Returns the response with its top-level errors."""
    await _enter(api, by)
    before = await state()
    answer = await attempt(api, mutation, variables, by=by)
    assert await state() == before
    return answer


async def attempt(
    api: Api, mutation: str, variables: Mapping[str, Any] | None, *, by: Person | str | None = None
) -> Response:
    """Run a mutation whose response may have top-level errors."""
    name = mutation[0].upper() + mutation[1:]
    declaration, argument = (f"($input: {name}Input!)", "(input: $input)") if variables is not None else ("", "")
    document = f"mutation{declaration} {{ {mutation}{argument} {{ errors {{ code field }} }} }}"
    return await api.ask(document, {"input": variables} if variables is not None else {}, by=by)


async def state() -> dict[str, object]:
    """A digest of the rows of each table. Messages are only counted, because the mailer writes to them, too."""
    sql = " UNION ALL ".join(
        f"SELECT '{table}' AS name, md5(string_agg(t::text, '|' ORDER BY t::text)) AS rows"
        f" FROM {comparable_rows(table)}"
        for table in TABLES
        if table != "messages"
    )
    digests_by_table: dict[str, object] = {row.name: row.rows for row in await db.fetch(sql, row=db.Row)}
    digests_by_table["counts"] = await count_rows()
    return digests_by_table


async def _enter(api: Api, by: Person | str | None) -> None:
    """Make a first request, because entering an account is recorded with the first one. Then renew an old proof."""
    await api.ask("{ __typename }", by=by)
    if by is not None:
        await api.keep_proof(by)


async def events(kind: str) -> list[Any]:
    """The events of a type, the oldest first."""
    columns = db.select_list(event.COLUMNS)
    return await db.fetch(f"SELECT {columns} FROM events e WHERE e.type = $1 ORDER BY e.id", kind, row=db.Row)


async def mails(to: str, kind: str) -> list[Any]:
    """The mails of a kind to an address, the oldest first."""
    sql = "SELECT * FROM messages WHERE to_address = $1 AND kind = $2 ORDER BY id"
    return await db.fetch(sql, to, kind, row=db.Row)


async def subjects(to: str, kind: str) -> list[str]:
    """The subjects of these mails, in English."""
    return [message.subject(row, "en", ALL_RIGHTS) for row in await mails(to, kind)]
