"""The row scope of the workspace: a user without DOCUMENTS_READ_ALL has only the documents that they created.

Lines, payments and events of documents have the scope of their document. See auth/row_scope.py.
"""

from typing import Final

from auth.policy import Permission
from auth.row_scope import RowScope

SCOPE: Final = RowScope(Permission.DOCUMENTS_READ_ALL, "created_by_id")
"""The scope of documents, and of their lines, payments and events."""
