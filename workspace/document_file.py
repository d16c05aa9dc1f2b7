"""The files of an issued document: its PDF, and its structured invoice.

They are made once for each language, when the document is first sent in it, and stored. Later sendings and downloads
read the stored bytes, so what was sent can be seen again, byte for byte. The server's database role can add files, and
neither change nor delete them.

Rendering is work for the processor. It runs in one thread, outside of transactions, and users take turns.
"""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from auth.fair_queue import FairQueue
from database import db, keys
from models.base.caller import Caller
from models.base.errors import RateLimited
from models.base.limit_name import LimitName
from workspace import issued_document, pdf, structured_invoice
from workspace.issued_document import IssuedDocument

MAX_QUEUED: Final = 50
"""Renderings that run or wait in a process. More are refused."""
MAX_QUEUED_OF_USER: Final = 5
_THREAD: Final = ThreadPoolExecutor(max_workers=1, thread_name_prefix="documents-pdf")
_QUEUE: Final = FairQueue(1)


@dataclass(frozen=True, slots=True)
class DocumentFiles:
    """The files of a document in one language. Without an `id` they are not stored yet."""

    id: UUID | None
    locale: str
    pdf: bytes | None = None
    """Of new files alone."""
    structured_invoice: bytes | None = None
    """Of new files alone. None: the document has no structured form."""


class _FilesRow(db.Row):
    id: UUID


_FIND: Final = "SELECT id FROM document_files WHERE document_id = $1 AND locale = $2"
_ADD: Final = """
INSERT INTO document_files (id, document_id, locale, pdf, structured_invoice, created_at)
VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING
"""


async def prepare(caller: Caller, document_id: UUID, locale: str) -> DocumentFiles:
    """The stored files of an issued document in a language, or new ones. Call it outside of a transaction.

    Raises RateLimited if too many renderings wait.
    """
    stored = await db.fetch_one(_FIND, document_id, locale, row=_FilesRow)
    if stored is not None:
        return DocumentFiles(stored.id, locale)
    content = await issued_document.load(document_id)
    client = str(caller.user_id)
    if _QUEUE.size >= MAX_QUEUED or _QUEUE.size_of(client) >= MAX_QUEUED_OF_USER:
        raise RateLimited(LimitName.RENDERINGS_AT_ONCE, retry_after_seconds=1)
    async with _QUEUE.turn(client):
        return await asyncio.get_running_loop().run_in_executor(_THREAD, _render, content, locale)


def _render(content: IssuedDocument, locale: str) -> DocumentFiles:
    return DocumentFiles(None, locale, pdf.render(content, locale), structured_invoice.to_ubl(content, locale))


async def store(caller: Caller, document_id: UUID, files: DocumentFiles) -> UUID:
    """Store new files, unless another sending has stored them meanwhile. Returns the id of the stored files."""
    if files.id is not None:
        return files.id
    _ = await db.execute(_ADD, keys.uuid7(), document_id, files.locale, files.pdf, files.structured_invoice, caller.now)
    (stored,) = await db.fetch(_FIND, document_id, files.locale, row=_FilesRow)
    return stored.id
