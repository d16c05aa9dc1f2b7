"""Sending of issued documents by mail, with the PDF and the structured invoice attached.

    send --prepare--> files of the document --queue--> document SENT, a delivery, and a mail in the outbox

The files are rendered before the transaction that sends, so no lock and no connection waits for them. The mail refers
to the stored files by its delivery: all attempts send the same bytes. The mail has the language of the contact, else of
the account, and names the seller as the document does. An issued document can be sent any number of times.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from tortoise import fields
from tortoise.models import Model

from auth.policy import Permission
from database import db, keys
from i18n import mark
from models.access.operation import OperationContext, declares_permission
from models.access.scoped_operation import requires_in_scope
from models.accounts.account import Account
from models.base import naming
from models.base.caller import Caller
from models.base.errors import RateLimited, Refusal, UserErrorCode, refuse
from models.base.idempotency import idempotent
from models.base.validation import Validation
from models.outbox import message
from models.outbox.attachment import Attachment
from models.outbox.message_kind import MessageKind
from workspace import document_file
from workspace.contact import Contact
from workspace.document import TABLE, Document, DocumentStatus
from workspace.document_file import DocumentFiles
from workspace.event_type import WorkspaceEventType
from workspace.scope import SCOPE


class DocumentDelivery(Model):
    """A sending of a document to an address."""

    id = fields.UUIDField(primary_key=True, default=keys.uuid7)
    account_id = fields.UUIDField()
    document_id = fields.UUIDField()
    document_files_id = fields.UUIDField()
    message_id = fields.UUIDField()
    sent_by_id = fields.UUIDField()
    to_address = fields.TextField()
    created_at = fields.DatetimeField()

    class Meta(Model.Meta):
        """Table mapping."""

        table = "document_deliveries"


class DeliveryRow(db.Row):
    """A delivery in lists, with the account and the creator of its document, and the state of its mail.

    `status`, `failure` and `sent_at` are null if the mail has been deleted from the outbox.
    """

    graphql_type = "DocumentDelivery"

    id: UUID
    account_id: UUID
    created_by_id: UUID
    document_id: UUID
    sent_by_id: UUID
    to_address: str
    status: str | None
    failure: str | None
    sent_at: datetime | None
    has_structured_invoice: bool
    created_at: datetime


COLUMNS: Final = db.columns_of(
    "s",
    DeliveryRow,
    {
        "created_by_id": "d.created_by_id",
        "status": "m.status",
        "failure": "m.failure",
        "sent_at": "m.sent_at",
        "has_structured_invoice": "f.structured_invoice IS NOT NULL",
    },
)
_SOURCE: Final = f"""document_deliveries s JOIN {TABLE} d ON d.id = s.document_id
    JOIN document_files f ON f.id = s.document_files_id LEFT JOIN messages m ON m.id = s.message_id"""
_BY_IDS: Final = f"SELECT {db.select_list(COLUMNS)} FROM {_SOURCE} WHERE s.id = ANY($1::uuid[])"


async def by_ids(ids: list[UUID]) -> list[DeliveryRow | None]:
    """The deliveries with these ids, in this order. The caller has to check the access and the scope."""
    return db.in_order(ids, await db.fetch(_BY_IDS, ids, row=DeliveryRow))


# ---- Sending ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Sending:
    """The document to send, and the receiver of the mail."""

    document: Document
    email: str
    locale: str


@declares_permission(Permission.DOCUMENTS_SEND, WorkspaceEventType.DOCUMENT_SEND)
async def send(
    caller: Caller, document_id: UUID, *, email: str | None = None, idempotency_key: str | None = None
) -> UUID:
    """Send an issued document to an address, or to that of its contact. Returns the document's id.

    Raises RateLimited for mails beyond the limits, or if too many documents are being rendered.
    """
    files: DocumentFiles | None = None
    try:
        files = await document_file.prepare(caller, document_id, await _locale(caller, document_id, email=email))
    except Refusal:
        # `_queue` refuses it too, unless the request repeats one that was done.
        if idempotency_key is None:
            raise
    arguments: dict[str, Any] = {"email": email, "files": files, "idempotency_key": idempotency_key}
    try:
        return await _queue(caller, document_id=document_id, **arguments)
    except RateLimited:
        if files is not None:  # the next attempts render nothing
            _ = await document_file.store(caller, document_id, files)
        raise


@requires_in_scope(SCOPE, Permission.DOCUMENTS_SEND, WorkspaceEventType.DOCUMENT_SEND, of="document", table=TABLE)
async def _locale(context: OperationContext, document_id: UUID, *, email: str | None) -> str:
    """The language of the files to prepare, if the document can be sent."""
    return (await _check(context, document_id, email)).locale


@idempotent("sendDocument", undigested="files")
@requires_in_scope(SCOPE, Permission.DOCUMENTS_SEND, WorkspaceEventType.DOCUMENT_SEND, of="document", table=TABLE)
async def _queue(
    context: OperationContext, document_id: UUID, *, email: str | None, files: DocumentFiles | None
) -> UUID:
    """Store the delivery, and put the mail into the outbox. Returns the document's id."""
    sending = await _check(context, document_id, email)
    if files is None or files.locale != sending.locale:
        raise refuse(UserErrorCode.INVALID_STATE, None, mark("The contact was changed meanwhile. Try again."))
    document = sending.document
    delivery = await DocumentDelivery.create(
        account_id=context.account_id,
        document_id=document_id,
        document_files_id=await document_file.store(context.caller, document_id, files),
        message_id=keys.uuid7(),
        sent_by_id=context.user_id,
        to_address=sending.email,
        created_at=context.now,
    )
    _ = await Document.filter(id=document_id, status=DocumentStatus.ISSUED).update(status=DocumentStatus.SENT)
    (facts,) = await db.fetch(_FACTS, document_id, row=_MailFacts)
    await message.queue(
        context.caller,
        MessageKind.DOCUMENT_SENT,
        to=message.Contact(sending.email, None, sending.locale),
        account_id=context.account_id,
        by_account=context.account_id,
        params={
            "account_name": naming.text(facts.seller_name, context.account_id),
            "document_number": facts.number,
        },
        message_id=delivery.message_id,
    )
    await context.record(WorkspaceEventType.DOCUMENT_SEND, after={"document": document_id, "number": document.number})
    return document_id


class _MailFacts(db.Row):
    number: str
    seller_name: str


_FACTS: Final = f"SELECT d.number, d.seller_name FROM {TABLE} d WHERE d.id = $1"


async def _check(context: OperationContext, document_id: UUID, email: str | None) -> _Sending:
    """The receiver of a document. Raises Refusal: it is not issued, or no valid address is known."""
    document = await Document.get(id=document_id)
    if document.number is None:
        raise refuse(UserErrorCode.INVALID_STATE, None, mark("Only an issued document can be sent."))
    contact = await Contact.get(id=document.contact_id)
    account = await Account.get(id=context.account_id)
    with Validation() as check:
        if email is not None and email.strip():
            address = check.email("email", email)
        elif contact.email is not None:
            address = contact.email
        else:
            address = ""
            check.add_problem(
                UserErrorCode.REQUIRED, "email", mark("The contact has no e-mail address. Enter one here.")
            )
    return _Sending(document, address, contact.locale or account.default_locale)


# ---- Reading the files -----------------------------------------------------------------------


class _FilesRow(db.Row):
    number: str
    pdf: bytes
    structured_invoice: bytes | None


_FILES: Final = f"""
SELECT d.number, f.pdf, f.structured_invoice
FROM document_deliveries s JOIN {TABLE} d ON d.id = s.document_id JOIN document_files f ON f.id = s.document_files_id
WHERE s.{{column}} = $1
"""


async def attachments_of_message(message_id: UUID) -> Sequence[Attachment]:
    """The files that a mail has. Raises LookupError for a mail that is of no delivery."""
    return await _attachments("message_id", message_id)


async def attachments_of_delivery(delivery_id: UUID) -> Sequence[Attachment]:
    """The files that were sent: the PDF, then the structured invoice if there is one. Raises LookupError."""
    return await _attachments("id", delivery_id)


async def _attachments(column: str, key: UUID) -> Sequence[Attachment]:
    row = await db.fetch_one(_FILES.format(column=column), key, row=_FilesRow)
    if row is None:
        raise LookupError(f"no delivery of the {column} {key}")
    name = file_name(row.number)
    files = [Attachment(f"{name}.pdf", "application/pdf", row.pdf)]
    if row.structured_invoice is not None:
        files.append(Attachment(f"{name}.xml", "application/xml", row.structured_invoice))
    return files


def file_name(number: str) -> str:
    """The number of a document as the name of a file: letters and digits of ASCII, points, dashes and underscores."""
    kept = "".join(char if char.isascii() and (char.isalnum() or char in "._-") else "-" for char in number)
    return kept.lstrip(".-") or "document"
