"""The connection of the deliveries of a document."""

from typing import Final

from database.listing import ConnectionQuery
from models.lists.sql import lookup, newest_first, optional_lookup
from workspace.document import TABLE
from workspace.sending import COLUMNS, DeliveryRow

_JOINS: Final = {
    "d": lookup(f"{TABLE} d", "d.id = s.document_id"),
    "f": lookup("document_files f", "f.id = s.document_files_id"),
    "m": optional_lookup("messages m", "m.id = s.message_id"),
}


def deliveries() -> ConnectionQuery[DeliveryRow]:
    """The deliveries of a document, under the document's id, the newest first. The caller has to check the scope."""
    return newest_first(
        DeliveryRow,
        COLUMNS,
        "document_deliveries s",
        "s.document_id = {key}",
        "account_id",
        "created_by_id",
        joins=_JOINS,
        key="document_id",
    )
