"""The storage of the workspace: its tables and migrations, its event types, and what its tables tell about persons."""

from collections.abc import Mapping
from typing import Any, Final

from auth.policy import Permission
from auth.rules import needs
from database.db import DatabaseSchema
from models.audit.event_type import EventTypeEnum
from models.outbox.message_kind import MessageKind
from models.privacy.personal_data import DELETE, PersonalData
from workspace import document, export_writing, sending
from workspace.event_type import WorkspaceEventType

_OF_BUYERS: Final = ("buyer_name", "buyer_vat_number", "buyer_address", "note", "search_key")
"""Columns of documents about the buyer, a person other than the user who created the document."""
SCHEMA: Final = DatabaseSchema(
    label="workspace",
    modules=(
        "workspace.contact",
        "workspace.product",
        "workspace.document",
        "workspace.document_line",
        "workspace.payment",
        "workspace.expense",
        "workspace.export",
        "workspace.sending",
    ),
    migrations="workspace.migrations",
    append_only=("document_payments", "document_files", "document_deliveries"),
    constraint_errors={"issued_documents_stay": document.immutable},
)
PERSONAL_DATA: Final = (
    PersonalData(
        "documents",
        document.TABLE,
        "t.created_by_id = {user}",
        ("created_by_id",),
        None,
        _OF_BUYERS,
        rule=needs(Permission.DOCUMENTS_READ),
        plain_columns=("id", "account_id", "created_by_id"),
    ),
    PersonalData(
        "documentDeliveries",
        "document_deliveries",
        "t.sent_by_id = {user}",
        ("sent_by_id",),
        None,
        ("to_address", "message_id"),  # the address of another person
        rule=needs(Permission.DOCUMENTS_READ),
        plain_columns=("id", "account_id", "sent_by_id", "created_at"),
    ),
    PersonalData(
        "expenses",
        "expenses",
        "t.created_by_id = {user}",
        ("created_by_id",),
        None,
        ("search_key",),
        rule=needs(Permission.EXPENSES_READ),
        plain_columns=("id", "account_id", "created_by_id"),
    ),
    PersonalData(
        "exports",
        "exports",
        "t.created_by_id = {user}",
        ("created_by_id",),
        DELETE,
        ("link_digest",),
        rule=needs(Permission.EXPORTS_CREATE),
        plain_columns=("id", "account_id", "created_by_id", "created_at"),
    ),
)
EVENT_TYPES: Final[type[EventTypeEnum]] = WorkspaceEventType
IMPERSONAL_TABLES: Final[Mapping[str, str]] = {
    "contacts": "customers and suppliers of an account: data of the account, not of its users",
    "products": "products of an account, with prices",
    "document_lines": "what an account sells, without a user",
    "document_payments": "amounts and dates of documents",
    "expense_amounts": "amounts of expenses, without a user",
    "document_series": "the last number of a year",
    "document_files": "documents as they were sent, without the user who sent them",
    "export_parts": "files with data of an account, kept for a day, and deleted with their export",
}
ATTACHMENTS: Final = {MessageKind.DOCUMENT_SENT: sending.attachments_of_message}
JOBS: Final[Mapping[str, Any]] = {"exports ended": export_writing.end_all}
STEPS: Final[Mapping[str, Any]] = {"parts of exports written": export_writing.write_part}
