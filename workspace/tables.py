"""The storage of the workspace: its tables and migrations, its event types, and what its tables tell about persons."""

from collections.abc import Mapping
from typing import Final

from auth.policy import Permission
from auth.rules import needs
from database.db import DatabaseSchema
from models.audit.event_type import EventTypeEnum
from models.privacy.personal_data import PersonalData
from workspace import document
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
        "workspace.issuing",
    ),
    migrations="workspace.migrations",
    append_only=("document_payments",),
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
)
EVENT_TYPES: Final[type[EventTypeEnum]] = WorkspaceEventType
IMPERSONAL_TABLES: Final[Mapping[str, str]] = {
    "contacts": "customers and suppliers of an account: data of the account, not of its users",
    "products": "products of an account, with prices",
    "document_lines": "what an account sells, without a user",
    "document_payments": "amounts and dates of documents",
    "document_series": "the last number of a year",
}
