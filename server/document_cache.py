"""A cache of parsed and validated GraphQL documents, by their text."""

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from graphql import DocumentNode, GraphQLError, OperationDefinitionNode

from auth.fair_queue import FairQueue
from executor.lru_cache import LRUCache
from models.base.errors import RateLimited
from models.base.limit_name import LimitName
from server.cost import Cost

MAX_BYTES: Final = 512 * 1024
"""Bound of all cached texts. One byte of text stands for about 100 bytes of memory."""
MAX_DOCUMENT_BYTES: Final = 8 * 1024
"""A longer document is not cached but checked each time."""
_ENTRY_BYTES: Final = 256
"""Overhead of an entry, so that many tiny documents stay within the bound too."""
MAX_QUEUED_CHECKS: Final = 200
MAX_QUEUED_CHECKS_OF_CLIENT: Final = 50


@dataclass(frozen=True, slots=True)
class InvalidDocument:
    """A document that does not parse, exceeds a limit or is not valid: its code, errors and extensions."""

    code: str
    errors: tuple[GraphQLError, ...]
    extensions: Mapping[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True, slots=True)
class ValidDocument:
    """A valid document and its operations by name, each with its cost. The name is None for an anonymous operation."""

    document: DocumentNode
    operations: Mapping[str | None, tuple[OperationDefinitionNode, Cost]]

    def operation(self, name: str | None) -> tuple[OperationDefinitionNode, Cost] | None:
        """The operation of that name. Without a name, the only operation. None if there is no such operation."""
        if name is None and len(self.operations) == 1:
            return next(iter(self.operations.values()))
        return self.operations.get(name)


CheckedDocument: TypeAlias = ValidDocument | InvalidDocument
"""A valid document, or the reason why it is invalid."""


@dataclass(slots=True)
class _Check:
    """A check that waits or runs, and the number of requests that wait for its result."""

    task: asyncio.Task[CheckedDocument]
    request_count: int = 0


class DocumentCache:
    """Caches the result of `check` by text, within `max_bytes` of text."""

    def __init__(self, check: Callable[[str], CheckedDocument], *, max_bytes: int = MAX_BYTES) -> None:
        self._check = check
        self._documents = LRUCache[str, CheckedDocument](max_bytes)
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="documents")
        self._queue = FairQueue(1)
        self._checks: dict[tuple[str, str], _Check] = {}

    def __call__(self, text: str) -> CheckedDocument:
        """The result of checking a text, from the cache if it is there."""
        document = self._documents.get(text)
        return self._store(text, self._check(text)) if document is None else document

    async def load(self, text: str, client: str) -> CheckedDocument:
        """The result of checking a text for a client, in a thread unless it is cached.

        A document within the limits can take 200 ms. The thread gives way to the event loop within 5 ms. Clients take
        turns. Requests of one client with the same text wait for one check. Those of another client have a turn of
        their own, so that they do not wait for all other checks of the first client; it finds the text in the cache.
        Raises RateLimited if too many checks wait.
        """
        document = self._documents.get(text)
        if document is not None:
            return document
        check = self._checks.get((client, text)) or self._start_check(text, client)
        check.request_count += 1
        try:
            return await asyncio.shield(check.task)  # a request that ends early does not end the check of the others
        finally:
            check.request_count -= 1
            if not check.request_count:
                _ = check.task.cancel()
                del self._checks[client, text]

    def _start_check(self, text: str, client: str) -> _Check:
        count_of_client = sum(key[0] == client for key in self._checks)
        if len(self._checks) >= MAX_QUEUED_CHECKS or count_of_client >= MAX_QUEUED_CHECKS_OF_CLIENT:
            raise RateLimited(LimitName.DOCUMENTS_AT_ONCE, retry_after_seconds=1)
        check = _Check(asyncio.create_task(self._check_in_turn(text, client)))
        self._checks[client, text] = check
        return check

    async def _check_in_turn(self, text: str, client: str) -> CheckedDocument:
        async with self._queue.turn(client):
            document = self._documents.get(text)
            if document is not None:
                return document
            document = await asyncio.get_running_loop().run_in_executor(self._thread, self._check, text)
        return self._store(text, document)

    def _store(self, text: str, document: CheckedDocument) -> CheckedDocument:
        size = len(text.encode(errors="surrogatepass")) + _ENTRY_BYTES
        if size <= MAX_DOCUMENT_BYTES:
            self._documents.store(text, document, size=size)
        return document

    @property
    def bytes(self) -> int:
        """The size of all cached texts."""
        return self._documents.bytes

    def contains(self, text: str) -> bool:
        """True if the text is cached."""
        return text in self._documents

    def __len__(self) -> int:
        """The number of cached documents."""
        return len(self._documents)
