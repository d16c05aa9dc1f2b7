"""Deliveries of documents in the graph."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import strawberry

import resolvers.user
from auth.policy import Permission
from database.listing import Connection as Page
from database.rows import column
from models.outbox import failure
from models.outbox.message import MessageStatus
from resolvers.context import Context, Info
from resolvers.pages import pages, rows_by_ids
from resolvers.row_scope import ScopedRights
from schema.connection import Node
from schema.declare import field, global_id, graph_type, needs
from schema.user import User
from workspace import delivery_link, delivery_list, sending
from workspace.delivery_link import DeliveredFile
from workspace.scope import SCOPE
from workspace.sending import DeliveryRow

# ---- Resolvers -------------------------------------------------------------------------------

of_deliveries: Final = ScopedRights(scope=SCOPE)
"""The rights on deliveries: those on their document."""
by_ids = rows_by_ids(sending.by_ids)
"""The deliveries with these ids. None for an unknown id."""


async def of_documents(documents: Sequence[Any], info: Info, **page: Any) -> list[Page[DeliveryRow]]:
    """The deliveries of each document."""
    return await pages(delivery_list.deliveries(), column(documents, "id"), info, page)


def failure_reason(row: DeliveryRow, info: Info) -> str | None:
    """Why the last attempt to send the mail failed. None if none failed."""
    return None if row.failure is None else failure.describe(row.failure, info.context.caller.locale)


def pdf_paths(rows: Sequence[Any], info: Info) -> list[str | None]:
    """The path of a new link to each PDF. None in a view-as request, which has the rights of another user."""
    return [_path(info.context, key, DeliveredFile.PDF) for key in column(rows, "id")]


def structured_invoice_paths(rows: Sequence[Any], info: Info) -> list[str | None]:
    """The path of a new link to each structured invoice. None if there is none, and in a view-as request."""
    return [
        _path(info.context, key, DeliveredFile.STRUCTURED_INVOICE) if has_structured_invoice else None
        for key, has_structured_invoice in zip(column(rows, "id"), column(rows, "has_structured_invoice"), strict=True)
    ]


def _path(context: Context, key: UUID, file: DeliveredFile) -> str | None:
    return delivery_link.path(context.caller, key, file) if context.view is None else None


# ---- Types -----------------------------------------------------------------------------------


@graph_type(
    needs(Permission.DOCUMENTS_READ),
    of_deliveries,
    description="A sending of a document by mail, with the files as they were sent.",
)
class DocumentDelivery(Node):
    """A delivery."""

    id: strawberry.ID = global_id("DocumentDelivery")
    to: str | None = field(
        needs(Permission.CONTACTS_READ),
        attr="to_address",
        columns=("to_address",),
        description="The e-mail address of the receiver. Null if the viewer may not read contacts.",
    )
    status: MessageStatus | None = field(
        description="The status of the mail. Null: the mail was deleted, 400 days after it was queued."
    )
    failure_reason: str | None = field(
        resolve=failure_reason,
        columns=("failure",),
        description="Why the last attempt to send the mail failed, with the code of the mail server's reply, in the "
        "language of the viewer. Null: no attempt has failed, or it was sent since.",
    )
    sent_at: datetime | None = field(description="When a mail server took the mail. Null: not yet, or it was deleted.")
    sent_by: User | None = field(
        batch=resolvers.user.senders, columns=("sent_by_id",), description="The user who sent the document."
    )
    created_at: datetime = field(description="When the mail was queued.")
    pdf_path: str | None = field(
        column=pdf_paths,
        columns=("id",),
        description="The path on this server from which the PDF is downloaded as it was sent. It works for 5 minutes, "
        "while the session of the viewer is open. Keep it secret: it needs no other credential. Null in a view-as "
        "request.",
    )
    structured_invoice_path: str | None = field(
        column=structured_invoice_paths,
        columns=("id", "has_structured_invoice"),
        description="The path of the invoice by EN 16931, as UBL 2.1, like `pdfPath`. Null: the document has none, "
        "because the country of the seller or of the buyer was not known, or it is a view-as request.",
    )
