"""Generated rows of the workspace: those of the demo, and those of `fullmakt seed account`. See modules.py."""

from collections.abc import Callable
from typing import Final
from uuid import UUID

from database import db
from models.audit import event
from models.base.caller import Caller
from workspace import seed
from workspace.document import Document
from workspace.event_type import WorkspaceEventType

_DEMO_DOCUMENTS: Final = 30
_DEMO_CONTACTS: Final = 12
_DEMO_EXPENSES: Final = 15


class _User(db.Row):
    id: UUID


_USERS: Final = """
SELECT g.user_id AS id FROM grants g
WHERE g.account_id = $1 AND g.status = 'ACTIVE' AND g.role IN ('OWNER', 'SIMPLE_USER') ORDER BY g.id
"""


async def write_demo(caller: Caller, account_id: UUID) -> None:
    """Write the demo data of an account, unless it has documents. All or nothing, in one transaction."""
    async with db.transaction():
        if not await Document.exists(account_id=account_id):
            await _write(caller, account_id, _DEMO_DOCUMENTS, contacts=_DEMO_CONTACTS, expenses=_DEMO_EXPENSES)


async def write_rows(
    caller: Caller, account_id: UUID, rows: int, progress: Callable[[int], object] | None = None
) -> None:
    """Write `rows` documents, and what belongs to them, to an account. `progress` gets the number of each batch."""
    await _write(caller, account_id, rows, progress=progress)


async def _write(
    caller: Caller,
    account_id: UUID,
    documents: int,
    *,
    contacts: int | None = None,
    expenses: int | None = None,
    progress: Callable[[int], object] | None = None,
) -> None:
    """Write rows in the names of the account's owner and its simple users, and record an event of the operator."""
    users = await db.fetch(_USERS, account_id, row=_User)
    await event.record(caller, WorkspaceEventType.SEED, account_id=account_id, after={"documents": documents})
    await seed.write(
        account_id,
        [user.id for user in users],
        documents=documents,
        now=caller.now,
        contacts=contacts,
        expenses=expenses,
        progress=progress,
    )


DEMO: Final = write_demo
SEED: Final = write_rows
