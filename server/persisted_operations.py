"""Persisted operations: a request refers to a document by its id. The trust policy may allow only registered ones.

    registered   by the operator, in the database (models/persisted_operation.py); cached here for FRESH_SECONDS
    automatic    by the first client that sent text and hash together; only in the cache of this process

Each kind has a cache of MAX_BYTES. An automatic persisted operation was not reviewed by the operator. It saves
bandwidth and is trusted no more than the text of a document in a request.
"""

import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from enum import StrEnum
from hashlib import sha256
from typing import Final

from executor.lru_cache import LRUCache
from models.persisted_operation import SHA256_PREFIX
from server.errors import InvalidOperation, RequestError
from server.request import CachedOperation, GraphQLRequest

FRESH_SECONDS: Final = 10
"""Maximum time that a removed operation can still be executed."""
MAX_BYTES: Final = 2 * 1024 * 1024
"""Bound of the texts of each kind."""
MAX_AUTOMATIC_LENGTH: Final = 32 * 1024
"""A longer document is not cached. Its client has to send it each time."""
_ENTRY_BYTES: Final = 512
"""Overhead of an entry, so that many tiny documents stay within the bound too."""

PERSISTED_QUERY_NOT_FOUND: Final = "PERSISTED_QUERY_NOT_FOUND"
NOT_IN_LIST: Final = "PERSISTED_QUERY_NOT_IN_LIST"
NOT_TRUSTED: Final = "QUERY_NOT_IN_SAFELIST"


class Trust(StrEnum):
    """Trust policy: which operations are allowed. The values are those of the setting."""

    OPEN = "any"
    """All operations."""
    REGISTERED_FOR_ANONYMOUS = "trusted-for-anonymous"
    """All operations for signed-in users. Only registered operations for others."""
    REGISTERED_ONLY = "trusted"
    """Only registered operations."""


def _digest(text: str) -> str:
    return sha256(text.encode(errors="surrogatepass")).hexdigest()


def _size(operation: CachedOperation) -> int:
    # A character takes up to four bytes in memory unless the text is ASCII.
    return len(operation.text) * (1 if operation.text.isascii() else 4) + _ENTRY_BYTES


def _store(cache: LRUCache[str, CachedOperation], key: str, operation: CachedOperation) -> None:
    cache.store(key, operation, size=_size(operation))


class PersistedOperations:
    """Resolves persisted operations and enforces the trust policy."""

    def __init__(self, trust: Trust, find: Callable[[str], Awaitable[str | None]]) -> None:
        """`find` loads the text of a registered operation by its id, or None."""
        self._trust = trust
        self._find = find
        self.registered_cache = LRUCache[str, CachedOperation](MAX_BYTES)
        self.automatic_cache = LRUCache[str, CachedOperation](MAX_BYTES)

    async def resolve(self, request: GraphQLRequest, *, is_anonymous: bool) -> GraphQLRequest:
        """The request with the text of its persisted operation.

        `is_anonymous`: the request has no credential, so the trust policy can reject it before its document is parsed.
        A request with a credential is checked by `admit`, after authentication. Raises RequestError.
        """
        if request.persisted_id is None and self._trust is Trust.OPEN:
            return request
        requires_registration = self._trust is Trust.REGISTERED_ONLY or (
            self._trust is Trust.REGISTERED_FOR_ANONYMOUS and is_anonymous
        )
        if request.query:
            if request.is_automatic and request.persisted_id != _digest(request.query):
                raise RequestError(400, "The sha256Hash does not match the query.")
            if requires_registration and await self._load_registered(_digest(request.query)) is None:
                raise self._not_trusted_error()
            return request
        operation = await self._find_by_id(request)
        if operation is None or (requires_registration and not operation.is_registered):
            raise _not_found_error(request, requires_registration=requires_registration)
        return replace(request, query=operation.text, cached_operation=operation)

    async def admit(self, request: GraphQLRequest, *, is_signed_in: bool) -> None:
        """Enforce the trust policy after authentication, and cache an automatic operation. Raises RequestError."""
        if self._trust is Trust.REGISTERED_ONLY or (self._trust is Trust.REGISTERED_FOR_ANONYMOUS and not is_signed_in):
            if await self._load_registered(_digest(request.query)) is None:
                raise self._not_trusted_error()
        elif request.is_automatic and request.cached_operation is None and len(request.query) <= MAX_AUTOMATIC_LENGTH:
            _store(self.automatic_cache, _digest(request.query), CachedOperation(request.query, is_registered=False))

    async def _find_by_id(self, request: GraphQLRequest) -> CachedOperation | None:
        key = (request.persisted_id or "").removeprefix(SHA256_PREFIX)
        automatic = self.automatic_cache.get(key)
        if automatic is not None and self._trust is Trust.OPEN:
            return automatic
        return await self._load_registered(key) or automatic

    async def _load_registered(self, key: str) -> CachedOperation | None:
        now = time.monotonic()
        previous = self.registered_cache.get(key)
        if previous is not None and now < previous.fresh_until:
            return previous
        text = await self._find(key)
        if text is None:
            self.registered_cache.drop(key)
            return None
        operation = CachedOperation(text, is_registered=True, fresh_until=now + FRESH_SECONDS)
        if previous is not None and previous.text == text:
            operation.is_public = previous.is_public
        _store(self.registered_cache, key, operation)
        return operation

    def _not_trusted_error(self) -> RequestError:
        condition = " without a sign-in" if self._trust is Trust.REGISTERED_FOR_ANONYMOUS else ""
        return RequestError(403, f"Only registered operations are allowed{condition}.", NOT_TRUSTED)


def _not_found_error(request: GraphQLRequest, *, requires_registration: bool) -> RequestError:
    if request.is_automatic and not requires_registration:
        # Apollo clients send the text after this exact message. Status 400 or 500 makes some of them give up.
        return InvalidOperation(404, "PersistedQueryNotFound", PERSISTED_QUERY_NOT_FOUND)
    return InvalidOperation(404, "No registered operation has this id.", NOT_IN_LIST)
