"""A document is a GraphQL text that the operator has registered for a client, and a request can then name.

    add --> registered --remove--> gone, from every process within server/persisted_operations.py's FRESH_SECONDS

It is found by the SHA-256 of its text, or by an alias: the id that the client's own compiler gave it.
Clients share nothing: what two of them use stands there twice, and stays for the other when one is removed.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Final

from database import db
from models.audit import event
from models.base.caller import Caller
from models.base.errors import BadInput
from models.base.validation import Validation

LONGEST_CLIENT: Final = 100
SHA256: Final = "sha256:"
_DIGEST: Final = re.compile(f"(?:{SHA256})?([0-9a-f]{{64}})")
_ALIAS: Final = re.compile(r"[A-Za-z0-9._~:-]{1,200}")


@dataclass(frozen=True, slots=True)
class Document:
    """A text, and what its client calls it beside the digest."""

    text: str
    alias: str | None = None

    @property
    def digest(self) -> bytes:
        """By what it is found."""
        return sha256(self.text.encode()).digest()


class DocumentRow(db.Row):
    """A document as it is registered for one client."""

    digest: bytes
    client: str
    alias: str | None
    text: str
    added_at: datetime


# ---- The operator ----------------------------------------------------------------------------

_ADD: Final = """
INSERT INTO documents (digest, client, alias, text, added_at)
SELECT d, $1, a, t, $2 FROM unnest($3::bytea[], $4::text[], $5::text[]) AS g (d, a, t)
ON CONFLICT (digest, client) DO UPDATE SET alias = EXCLUDED.alias
    WHERE documents.alias IS DISTINCT FROM EXCLUDED.alias AND EXCLUDED.alias IS NOT NULL
RETURNING digest, client, alias, text, added_at
"""
# An alias names one text, whosever it is: requests do not say which client they come from.
_TAKEN: Final = """
SELECT digest, client, alias, text, added_at FROM documents d
JOIN unnest($1::bytea[], $2::text[]) AS g (new, name) ON d.alias = g.name AND d.digest <> g.new LIMIT 1
"""


async def add(caller: Caller, client: str, documents: Sequence[Document]) -> int:
    """Register documents, already checked, for a client. Returns how many of them are new, or have a new alias.

    Raises:
        Refusal: a client without a name.
        BadInput: an alias that no request can carry, or that is another document's; nothing is registered.
    """
    with Validation() as check:
        client = check.line("client", client, longest=LONGEST_CLIENT)
    known: dict[str, bytes] = {}
    for one in documents:
        if one.alias is None:
            continue
        if not _ALIAS.fullmatch(one.alias) or _DIGEST.fullmatch(one.alias):
            raise BadInput(f"{one.alias[:80]!r} cannot be an id: letters, digits and . _ ~ : - are taken, 200 at most.")
        if known.setdefault(one.alias, one.digest) != one.digest:
            raise BadInput(f"{one.alias} is the id of two documents.")
    unique = {one.digest: one for one in sorted(documents, key=lambda one: one.alias is not None)}
    digests, aliases = list(unique), [one.alias for one in unique.values()]
    async with db.transaction():
        # Who registers at the same time waits; who reads does not.
        await db.execute("SELECT pg_advisory_xact_lock(hashtext('documents'))")
        if taken := await db.fetch_one(_TAKEN, digests, aliases, row=DocumentRow):
            raise BadInput(f"{taken.alias} is the id of another document, of {taken.client}; remove that first.")
        texts = [one.text for one in unique.values()]
        added = await db.fetch(_ADD, client, caller.now, digests, aliases, texts, row=DocumentRow)
        if added:
            await event.record(caller, "operator:document:add", after={"client": client, "count": len(added)})
        return len(added)


_REMOVE: Final = """
DELETE FROM documents WHERE ($1::text IS NULL OR client = $1)
AND ($2::bytea[] IS NULL OR digest = ANY($2) OR alias = ANY($3::text[]))
"""


async def remove(caller: Caller, keys: Sequence[str], *, client: str | None) -> int:
    """Take back documents by digest or alias, of one client or of all; without any, all of the client.

    Returns how many.

    Raises:
        BadInput: neither documents nor a client.
    """
    if not keys and client is None:
        raise BadInput("Name documents, a client, or both.")
    digests = [bytes.fromhex(found[1]) for key in keys if (found := _DIGEST.fullmatch(key))]
    async with db.transaction():
        removed = await db.execute(_REMOVE, client, digests if keys else None, list(keys))
        if removed:
            await event.record(caller, "operator:document:remove", before={"client": client, "count": removed})
        return removed


_ALL: Final = """
SELECT digest, client, alias, text, added_at FROM documents WHERE $1::text IS NULL OR client = $1
ORDER BY client, added_at, digest
"""


async def registered(client: str | None = None) -> list[DocumentRow]:
    """All that are registered, or those of a client; by client, the oldest first."""
    return await db.fetch(_ALL, client, row=DocumentRow)


# ---- Requests --------------------------------------------------------------------------------


class _Text(db.Row):
    text: str


_BY_DIGEST: Final = "SELECT text FROM documents WHERE digest = $1 LIMIT 1"
_BY_ALIAS: Final = "SELECT text FROM documents WHERE alias = $1 LIMIT 1"


async def text(key: str) -> str | None:
    """The text of a registered document, by its digest, with or without `sha256:` before it, or by its alias."""
    by_digest = _DIGEST.fullmatch(key)
    if by_digest is None and not _ALIAS.fullmatch(key):
        return None
    sql, value = (_BY_DIGEST, bytes.fromhex(by_digest[1])) if by_digest else (_BY_ALIAS, key)
    found = await db.fetch_one(sql, value, row=_Text)
    return found.text if found else None
