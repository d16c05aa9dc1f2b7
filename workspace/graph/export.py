"""Exports in the graph."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any, Final
from uuid import UUID

import strawberry
from graphql import GraphQLObjectType

import schema
from auth.policy import Permission
from auth.rules import Rule
from database.listing import Connection as Page
from database.rows import column
from resolvers.context import Context, Info
from resolvers.mutation_resolver import mutation_resolver
from resolvers.pages import rows_by_ids
from resolvers.row_scope import ScopedRights, pages_in_scope
from schema.connection import Node
from schema.declare import field, global_id, graph_enum, graph_type, input_field, needs
from schema.payload import Payload, payload
from workspace import export, export_link, export_list
from workspace.export import SCOPE, ExportFailure, ExportRow, ExportStatus
from workspace.export_format import ExportFormat
from workspace.export_link import NewLink
from workspace.export_source import ExportKind

# ---- Resolvers -------------------------------------------------------------------------------

of_exports: Final = ScopedRights(scope=SCOPE)
"""The rights on exports."""
by_ids = rows_by_ids(export.by_ids)
"""The exports with these ids. None for an unknown id."""


def rule_of(coordinate: str) -> Rule:
    """The rule of a field of the graph, by its coordinate: `Document.number`."""
    type_name, _, field_name = coordinate.partition(".")
    object_type = schema.build().type_map[type_name]
    assert isinstance(object_type, GraphQLObjectType)  # noqa: S101 - columns copy fields of objects
    rule: Rule = object_type.fields[field_name].extensions["rule"]
    return rule


async def of_accounts(accounts: Sequence[Any], info: Info, **page: Any) -> list[Page[ExportRow]]:
    """The exports of each account that the caller has created."""
    return await pages_in_scope(SCOPE, export_list.exports, column(accounts, "id"), info, page)


def statuses(rows: Sequence[Any], info: Info) -> list[ExportStatus]:
    """The status of each export at the time of the request."""
    states = zip(column(rows, "status"), column(rows, "expires_at"), strict=True)
    now = info.context.now
    return [export.status_at({"status": status, "expires_at": end}, now) for status, end in states]


def column_names(rows: Sequence[Any], _: Info) -> list[list[str]]:
    """The names of the columns of each export."""
    return [names.split() for names in column(rows, "columns")]


async def _load_payload(context: Context, key: UUID) -> dict[str, object]:
    return {"export": (await by_ids([key], context))[0]}


async def _load_link_payload(context: Context, link: NewLink) -> dict[str, object]:
    url = f"{context.caller.config.public_url}{export_link.PATH}/{link.token}"
    return {"url": url, "expires_at": link.expires_at} | await _load_payload(context, link.export_id)


create_export = mutation_resolver(export.creation(rule_of), _load_payload)
create_export_link = mutation_resolver(export_link.create, _load_link_payload)

# ---- Types -----------------------------------------------------------------------------------

graph_enum(
    ExportKind,
    "The rows of an export.",
    {
        ExportKind.DOCUMENTS: "Documents, without deleted drafts.",
        ExportKind.DOCUMENT_LINES: "Lines of these documents.",
        ExportKind.CONTACTS: "Contacts, archived ones included.",
        ExportKind.PRODUCTS: "Products, archived ones included.",
        ExportKind.EXPENSES: "Expenses, archived ones included.",
    },
)
graph_enum(
    ExportFormat,
    "The format of the file of an export.",
    {
        ExportFormat.CSV: "CSV in UTF-8 with a byte order mark. In a language with a decimal comma, numbers have one "
        "and fields are separated by `;`, in all others by `,`. A text that begins like a formula has an apostrophe in "
        "front.",
        ExportFormat.JSON_LINES: "A JSON object for each row, in a line of its own. Decimal numbers are texts.",
    },
)
graph_enum(
    ExportStatus,
    "The status of an export.",
    {
        ExportStatus.QUEUED: "It waits for its first part.",
        ExportStatus.RUNNING: "A part of its file is written.",
        ExportStatus.READY: "It can be downloaded.",
        ExportStatus.FAILED: "It has no file: see `failure`.",
        ExportStatus.EXPIRED: "Its file was deleted, a day after it was ready.",
    },
)
graph_enum(
    ExportFailure,
    "The reason why an export failed.",
    {
        ExportFailure.RIGHTS_LOST: "The creator lost a permission that the content needs.",
        ExportFailure.TOO_LARGE: "The file is larger than 1 GiB. A range of dates makes it smaller.",
        ExportFailure.INTERNAL: "An error of the server. Another export may succeed.",
    },
)


@graph_type(
    needs(Permission.EXPORTS_CREATE),
    of_exports,
    description="An export: a file with rows of an account. It has the rows and the columns that its creator may read, "
    "and exists only for its creator.",
)
class Export(Node):
    """An export."""

    id: strawberry.ID = global_id("Export")
    kind: ExportKind = field(description="The rows.")
    format: ExportFormat = field(description="The format of the file.")
    date_from: date | None = field(description="The first date of the rows. Null: no limit.")
    date_to: date | None = field(description="The last date of the rows. Null: no limit.")
    column_names: list[str] = field(
        column=column_names,
        columns=("columns",),
        description="The names of its columns, in their order. Columns that the creator may not read are missing.",
    )
    status: ExportStatus = field(
        column=statuses, columns=("status", "expires_at"), description="The status at the time of the request."
    )
    failure: ExportFailure | None = field(description="Why it failed. Null: it has not failed.")
    row_count: int = field(description="The number of rows that are written so far.")
    byte_count: int = field(description="The size of the file so far, in bytes.")
    created_at: datetime = field(description="When it was created.")
    expires_at: datetime | None = field(description="When its file is deleted. Null: it has no file yet.")


# ---- Inputs and payloads ---------------------------------------------------------------------

_RANGE = (
    "Documents and their lines are selected by the date of issue, so a range leaves drafts out; expenses by their "
    "date; contacts and products by the date of their creation (UTC)."
)


@strawberry.input(description="An export of rows of an account.")
class CreateExportInput:
    """The input of createExport."""

    account_id: strawberry.ID
    kind: ExportKind = input_field("The rows. Needs the permission to list them.")
    format: ExportFormat = input_field("The format of the file.")
    date_from: date | None = input_field(f"The first date, included. Null or omitted: no limit. {_RANGE}")
    date_to: date | None = input_field("The last date, included. Null or omitted: no limit.")
    idempotency_key: str | None


@strawberry.input(description="An export to download.")
class CreateExportLinkInput:
    """The input of createExportLink."""

    export_id: strawberry.ID = input_field("The export.")


@payload
class CreateExportPayload(Payload):
    """The payload of createExport."""

    export: Export | None = field(description="The new export. Null if refused.")


@payload
class CreateExportLinkPayload(Payload):
    """The payload of createExportLink."""

    url: str | None = field(description="The address of the file, for one GET request. Null if refused.")
    expires_at: datetime | None = field(description="When the link stops working. Null if refused.")
    export: Export | None = field(description="The export. Null if refused.")
