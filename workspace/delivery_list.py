"""The connection of the deliveries of a document."""

from typing import Final

from database.listing import ConnectionQuery
from database.page_sql import Order
from models.lists.sql import lookup
from workspace.document import TABLE
from workspace.sending import COLUMNS, DeliveryRow

_JOINS: Final = {
    "d": lookup(f"{TABLE} d", "d.id = s.document_id"),
    "f": lookup("document_files f", "f.id = s.document_files_id"),
    "m": "LEFT JOIN LATERAL (SELECT m.* FROM messages m WHERE m.id = s.message_id OFFSET 0) m ON TRUE",
}


def deliveries() -> ConnectionQuery[DeliveryRow]:
    """The deliveries of a document, under the document's id, the newest first. The caller has to check the scope."""
    return ConnectionQuery(
        row=DeliveryRow,
        columns=COLUMNS,
        source="document_deliveries s",
        joins=_JOINS,
        parent="s.document_id = {key}",
        order=Order((("s.id", "uuid"),), is_descending=True),
        required_columns=("id", "account_id", "created_by_id"),
        key="document_id",
    )
