"""Time sheets in the graph: the type, the list of an account, and the mutations. Each with its rule."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any, Final
from uuid import UUID

import strawberry

import resolvers.user
from database.listing import Connection as Page
from database.listing import ConnectionQuery
from resolvers import ids
from resolvers.context import Context, Info
from resolvers.mutation_resolver import mutation_resolver
from resolvers.pages import rows_by_ids
from resolvers.row_scope import ScopedRights, pages_in_scope
from schema.connection import BOTH_WAYS, Connection, Node
from schema.declare import field, global_id, graph_enum, graph_part, graph_type, input_field, mutation, needs
from schema.payload import Payload, payload
from schema.user import User
from timesheets import lists, time_entry
from timesheets.lists import TimeEntryOrder
from timesheets.permissions import READ, SCOPE
from timesheets.time_entry import TimeEntryRow

# ---- Resolvers: each answers for all objects of a level at once ------------------------------

of_time_entries: Final = ScopedRights(scope=SCOPE)
"""The rights on time entries."""
by_ids = rows_by_ids(time_entry.by_ids)
"""The entries with these ids. None for an unknown id."""


async def of_accounts(
    accounts: Sequence[Any],
    info: Info,
    filter: lists.TimeEntryFilter | None = None,  # noqa: A002 - the argument's name
    order_by: TimeEntryOrder | None = None,
    **page: Any,
) -> list[Page[TimeEntryRow]]:
    """The entries of each account that are in the caller's scope."""

    def make_query(created_by_id: UUID | None) -> ConnectionQuery[TimeEntryRow]:
        return lists.time_entries(filter, order_by, created_by_id=created_by_id)

    return await pages_in_scope(SCOPE, make_query, [row["id"] for row in accounts], info, page)


async def _load_payload(context: Context, key: UUID) -> dict[str, object]:
    return {"time_entry": (await by_ids([key], context))[0]}


async def _load_deleted(_: Context, key: UUID) -> dict[str, object]:
    return {"deleted_time_entry_id": ids.encode("TimeEntry", key)}


create_time_entry = mutation_resolver(time_entry.create, _load_payload)
update_time_entry = mutation_resolver(time_entry.update, _load_payload)
delete_time_entry = mutation_resolver(time_entry.delete, _load_deleted)

# ---- Types -----------------------------------------------------------------------------------

graph_enum(
    TimeEntryOrder,
    "The order of a list of time entries. The default is WORKED_ON.",
    {
        TimeEntryOrder.WORKED_ON: "By the day of the work, the latest first.",
        TimeEntryOrder.CREATED_AT: "By creation, the newest first.",
    },
)


@graph_type(
    needs(READ),
    of_time_entries,
    description="The time that a user worked on a project on a day. Without TIMESHEETS_READ_ALL, only entries that the "
    "viewer created exist for the viewer.",
)
class TimeEntry(Node):
    """A time entry."""

    id: strawberry.ID = global_id("TimeEntry")
    project: str = field(description="The name of the project.")
    minutes: int = field(description="The time in minutes, 1 to 1440.")
    worked_on: date = field(description="The day of the work.")
    created_at: datetime = field(description="When it was created.")
    created_by: User | None = field(
        batch=resolvers.user.creators, columns=("created_by_id",), description="The user who did the work."
    )


@strawberry.input(description="A filter of time entries. A null or omitted field does not restrict.")
class TimeEntryFilter:
    """A filter of time entries."""

    search: str | None = input_field("Words of the project, or parts of them. Case and accents do not count.")
    since: date | None = input_field("The first day.")
    until: date | None = input_field("The last day.")


@graph_part
class AccountPart:
    """Fields of Account."""

    time_entries: Connection[TimeEntry] | None = field(
        needs(READ),
        batch=of_accounts,
        columns=("id",),
        arguments=BOTH_WAYS | {"filter": TimeEntryFilter | None, "order_by": TimeEntryOrder | None},
        description="The time entries. Without TIMESHEETS_READ_ALL, only those of the viewer. Null if the viewer may "
        "not read time sheets.",
    )


# ---- Mutations -------------------------------------------------------------------------------

_ENTRY_ID = "The id of the time entry."
_PROJECT = "The name of the project, at most 200 characters."
_MINUTES = "The time in minutes, 1 to 1440."
_WORKED_ON = "The day of the work, from 2000 to today (UTC)."


@strawberry.input(description="A new time entry of the viewer.")
class CreateTimeEntryInput:
    """The input of createTimeEntry."""

    account_id: strawberry.ID
    project: str = input_field(_PROJECT)
    minutes: int = input_field(_MINUTES)
    worked_on: date | None = input_field(f"{_WORKED_ON} Null or omitted: today.")
    idempotency_key: str | None


@strawberry.input(description="The fields of the time entry to change. A null or omitted field stays as it is.")
class UpdateTimeEntryInput:
    """The input of updateTimeEntry."""

    time_entry_id: strawberry.ID = input_field(_ENTRY_ID)
    project: str | None = input_field(_PROJECT)
    minutes: int | None = input_field(_MINUTES)
    worked_on: date | None = input_field(_WORKED_ON)


@strawberry.input(description="A time entry to delete.")
class DeleteTimeEntryInput:
    """The input of deleteTimeEntry."""

    time_entry_id: strawberry.ID = input_field(_ENTRY_ID)


@payload
class CreateTimeEntryPayload(Payload):
    """The payload of createTimeEntry."""

    time_entry: TimeEntry | None = field(description="The new entry. Null if refused.")


@payload
class UpdateTimeEntryPayload(Payload):
    """The payload of updateTimeEntry."""

    time_entry: TimeEntry | None = field(description="The entry after the change. Null if refused.")


@payload
class DeleteTimeEntryPayload(Payload):
    """The payload of deleteTimeEntry."""

    deleted_time_entry_id: strawberry.ID | None = field(description="The id of the deleted entry. Null if refused.")


@graph_part
class MutationPart:
    """Fields of Mutation. Each has the rule of its operation."""

    create_time_entry: CreateTimeEntryPayload | None = mutation(
        create_time_entry, CreateTimeEntryInput, description="Enter time that the viewer worked."
    )
    update_time_entry: UpdateTimeEntryPayload | None = mutation(
        update_time_entry, UpdateTimeEntryInput, description="Change a time entry."
    )
    delete_time_entry: DeleteTimeEntryPayload | None = mutation(
        delete_time_entry, DeleteTimeEntryInput, description="Delete a time entry."
    )


ACCOUNT: Final = AccountPart
MUTATION: Final = MutationPart
TYPES: Final = (TimeEntry,)
LOADERS: Final = {"TimeEntry": by_ids}
ROW_RIGHTS: Final = {TimeEntryRow: of_time_entries}
