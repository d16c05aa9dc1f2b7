"""The connection of exports."""

from uuid import UUID

from database.listing import ConnectionQuery
from models.lists.sql import newest_first
from workspace import export
from workspace.export import ExportRow


def exports(created_by_id: UUID | None) -> ConnectionQuery[ExportRow]:
    """The exports of an account, under the account's id, the newest first: those of one user, or of all for None."""
    query = newest_first(
        ExportRow,
        export.COLUMNS,
        f"{export.TABLE} x",
        "x.account_id = {key}",
        "account_id",
        "created_by_id",
        key="account_id",
    )
    if created_by_id is not None:
        query.where_indexed("x.created_by_id = {}", created_by_id)
    return query
