"""The sample in the graph: a type, a list of accounts, a mutation and a field of Query."""

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

import strawberry

from auth.policy import Permission
from database import db
from database.listing import Connection as Page
from models.access.operation import OperationContext, requires
from models.lists.sql import newest_first
from resolvers import rights
from resolvers.context import Context, Info
from resolvers.mutation_resolver import mutation_resolver
from resolvers.pages import pages, rows_by_ids
from schema.connection import FORWARD, Connection, Node
from schema.declare import AUTHENTICATED, field, global_id, graph_part, graph_type, input_field, mutation, needs
from schema.payload import Payload, payload
from tests.sample_module import tables
from tests.sample_module.tables import NoteEventType

NOTES_READ, NOTES_WRITE = Permission["NOTES_READ"], Permission["NOTES_WRITE"]


class NoteRow(db.Row):
    """A note in lists."""

    graphql_type = "Note"

    id: UUID
    account_id: UUID
    text: str


COLUMNS: Final = db.columns_of("n", NoteRow)


@requires(NOTES_WRITE, NoteEventType.NOTE_WRITE)
async def write(context: OperationContext, account_id: UUID, *, text: str) -> UUID:
    """Write a note. Returns its id."""
    note = await tables.Note.create(account_id=account_id, author_id=context.user_id, text=text)
    await context.record(NoteEventType.NOTE_WRITE, after={"note": note.id, "text": text})
    return note.id


async def _read(keys: list[UUID]) -> list[NoteRow | None]:
    sql = f"SELECT {db.select_list(COLUMNS)} FROM notes n WHERE n.id = ANY($1::uuid[])"
    return db.in_order(keys, await db.fetch(sql, keys, row=NoteRow))


by_ids = rows_by_ids(_read)


async def of_accounts(accounts: Sequence[Any], info: Info, **page: Any) -> list[Page[NoteRow]]:
    """The notes of each account."""
    query = newest_first(NoteRow, COLUMNS, "notes n", "n.account_id = {key}", "account_id")
    return await pages(query, [row["id"] for row in accounts], info, page)


async def _load_payload(context: Context, key: UUID) -> dict[str, object]:
    return {"note": (await by_ids([key], context))[0]}


@graph_type(needs(NOTES_READ), rights.of_account_parts, description="A note.")
class Note(Node):
    """A note."""

    id: strawberry.ID = global_id("Note")
    text: str = field(description="The text.")


@strawberry.input(description="A note.")
class WriteNoteInput:
    """The input of writeNote."""

    account_id: strawberry.ID
    text: str = input_field("The text.")


@payload
class WriteNotePayload(Payload):
    """The payload of writeNote."""

    note: Note | None = field(description="The note. Null if refused.")


@graph_part
class AccountPart:
    """Fields of Account."""

    notes: Connection[Note] | None = field(
        needs(NOTES_READ), batch=of_accounts, columns=("id",), arguments=FORWARD, description="The notes."
    )


@graph_part
class QueryPart:
    """Fields of Query."""

    greeting: str | None = field(AUTHENTICATED, resolve=lambda _row, _info: "Hello", description="A greeting.")


@graph_part
class MutationPart:
    """Fields of Mutation."""

    write_note: WriteNotePayload | None = mutation(
        mutation_resolver(write, _load_payload), WriteNoteInput, description="Write a note."
    )


ACCOUNT: Final = AccountPart
QUERY: Final = QueryPart
MUTATION: Final = MutationPart
TYPES: Final = (Note,)
LOADERS: Final = {"Note": by_ids}
ROW_RIGHTS: Final = {NoteRow: rights.of_account_parts}
