"""The connection of exports."""

from uuid import UUID

from database.listing import ConnectionQuery
from database.page_sql import Order
from workspace import export
from workspace.export import ExportRow


def exports(created_by_id: UUID | None) -> ConnectionQuery[ExportRow]:
    """The exports of an account, under the account's id, the newest first: those of one user, or of all for None."""
    query = ConnectionQuery(
        row=ExportRow,
        columns=export.COLUMNS,
        source=f"{export.TABLE} x",
        parent="x.account_id = {key}",
        order=Order((("x.id", "uuid"),), is_descending=True),
        required_columns=("id", "account_id", "created_by_id"),
        key="account_id",
    )
    if created_by_id is not None:
        query.where_indexed("x.created_by_id = {}", created_by_id)
    return query
