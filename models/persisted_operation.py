"""Persisted operations: GraphQL documents that the operator has registered, so that a request can name them.

    add --> registered --remove--> gone, from every process within server/persisted_operations.py's FRESH_SECONDS

A request names an operation by the SHA-256 of its text, or by an alias: the id that the client's compiler gave it.
Clients share nothing. An operation of two clients is registered twice, and can be removed for only one of them.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Final

from database import db
from models.audit import event
from models.audit.event_type import EventType
from models.base.caller import Caller
from models.base.errors import BadInput
from models.base.validation import Validation

MAX_CLIENT_NAME: Final = 100
SHA256_PREFIX: Final = "sha256:"
_DIGEST: Final = re.compile(f"(?:{SHA256_PREFIX})?([0-9a-f]{{64}})")
_ALIAS: Final = re.compile(r"[A-Za-z0-9._~:-]{1,200}")


@dataclass(frozen=True, slots=True)
class PersistedOperation:
    """The text of an operation, and its alias, or None if it has none."""

    text: str
    alias: str | None = None

    @property
    def digest(self) -> bytes:
        """The SHA-256 of the text."""
        return sha256(self.text.encode()).digest()


class PersistedOperationRow(db.Row):
    """An operation as it is registered for one client."""

    digest: bytes
    client: str
    alias: str | None
    text: str
    added_at: datetime


_COLUMNS: Final = db.select_list(db.columns_of("d", PersistedOperationRow))


# ---- Commands of the operator ----------------------------------------------------------------

_ADD: Final = f"""
INSERT INTO documents AS d (digest, client, alias, text, added_at)
SELECT new.digest, $1, new.alias, new.text, $2
FROM unnest($3::bytea[], $4::text[], $5::text[]) AS new (digest, alias, text)
ON CONFLICT (digest, client) DO UPDATE SET alias = EXCLUDED.alias
    WHERE d.alias IS DISTINCT FROM EXCLUDED.alias AND EXCLUDED.alias IS NOT NULL
RETURNING {_COLUMNS}
"""
# An alias names one text across all clients: requests do not say which client they come from.
_CONFLICT: Final = f"""
SELECT {_COLUMNS} FROM documents d
JOIN unnest($1::bytea[], $2::text[]) AS new (digest, alias) ON d.alias = new.alias AND d.digest <> new.digest LIMIT 1
"""


async def add(caller: Caller, client: str, operations: Sequence[PersistedOperation]) -> int:
    """Register valid operations for a client. Returns the number of those that are new or have a new alias.

    Raises:
        Refusal: the client's name is not valid.
        BadInput: an alias is not valid, or belongs to another operation. Nothing is registered.
    """
    with Validation() as check:
        client = check.line("client", client, max_length=MAX_CLIENT_NAME)
    digests_by_alias: dict[str, bytes] = {}
    for operation in operations:
        alias = operation.alias
        if alias is None:
            continue
        if not _ALIAS.fullmatch(alias) or _DIGEST.fullmatch(alias):
            raise BadInput(f"{alias[:80]!r} is not a valid id: up to 200 letters, digits and . _ ~ : - are allowed.")
        if digests_by_alias.setdefault(alias, operation.digest) != operation.digest:
            raise BadInput(f"{alias} is the id of two operations.")
    unique = {operation.digest: operation for operation in sorted(operations, key=_has_alias)}
    digests, aliases = list(unique), [operation.alias for operation in unique.values()]
    async with db.transaction():
        # Concurrent registrations wait for each other. Readers do not wait.
        await db.execute("SELECT pg_advisory_xact_lock(hashtext('documents'))")
        if conflict := await db.fetch_one(_CONFLICT, digests, aliases, row=PersistedOperationRow):
            raise BadInput(f"{conflict.alias} is the id of another operation, of {conflict.client}; remove that first.")
        texts = [operation.text for operation in unique.values()]
        rows = await db.fetch(_ADD, client, caller.now, digests, aliases, texts, row=PersistedOperationRow)
        if rows:
            await event.record(caller, EventType.OPERATOR_OPERATION_ADD, after={"client": client, "count": len(rows)})
        return len(rows)


def _has_alias(operation: PersistedOperation) -> bool:
    return operation.alias is not None


_REMOVE: Final = """
DELETE FROM documents WHERE ($1::text IS NULL OR client = $1)
AND ($2::bytea[] IS NULL OR digest = ANY($2) OR alias = ANY($3::text[]))
"""


async def remove(caller: Caller, keys: Sequence[str], *, client: str | None) -> int:
    """Remove operations by digest or alias, of one client, or of all clients if `client` is None.

    Without `keys`, all operations of the client are removed. Returns the number of removed operations.

    Raises:
        BadInput: neither keys nor a client.
    """
    if not keys and client is None:
        raise BadInput("Name operations, a client, or both.")
    digests = [bytes.fromhex(match[1]) for key in keys if (match := _DIGEST.fullmatch(key))]
    async with db.transaction():
        count = await db.execute(_REMOVE, client, digests if keys else None, list(keys))
        if count:
            await event.record(caller, EventType.OPERATOR_OPERATION_REMOVE, before={"client": client, "count": count})
        return count


_LOAD_ALL: Final = f"""
SELECT {_COLUMNS} FROM documents d WHERE $1::text IS NULL OR d.client = $1
ORDER BY d.client, d.added_at, d.digest
"""


async def load_all(client: str | None = None) -> list[PersistedOperationRow]:
    """All registered operations, or those of one client, sorted by client, the oldest first."""
    return await db.fetch(_LOAD_ALL, client, row=PersistedOperationRow)


# ---- Requests --------------------------------------------------------------------------------


class _Text(db.Row):
    text: str


_BY_DIGEST: Final = "SELECT text FROM documents WHERE digest = $1 LIMIT 1"
_BY_ALIAS: Final = "SELECT text FROM documents WHERE alias = $1 LIMIT 1"


async def load_text(key: str) -> str | None:
    """The text of a registered operation; None if it is not registered.

    `key` is the digest, with or without the prefix `sha256:`, or the alias.
    """
    by_digest = _DIGEST.fullmatch(key)
    if by_digest is None and not _ALIAS.fullmatch(key):
        return None
    sql, value = (_BY_DIGEST, bytes.fromhex(by_digest[1])) if by_digest else (_BY_ALIAS, key)
    operation = await db.fetch_one(sql, value, row=_Text)
    return operation.text if operation else None
