"""The permissions of time sheets, and the row scope: a user without TIMESHEETS_READ_ALL has only their own entries."""

from typing import Final

from auth.policy import Permission
from auth.row_scope import RowScope

READ: Final = Permission["TIMESHEETS_READ"]
WRITE: Final = Permission["TIMESHEETS_WRITE"]
SCOPE: Final = RowScope(Permission["TIMESHEETS_READ_ALL"], "created_by_id")
