"""Documents that a request names instead of sending them, and who may send others.

    registered   by the operator, in the database (models/persisted_operation.py); kept here for FRESH_SECONDS
    automatic    by the first client that sent text and digest together; kept here alone, while there is room

A process forgets the oldest of either kind when they are too many bytes. What is automatic was never
looked at by anybody: it saves bytes, and is trusted no more than a text that comes along.
"""

import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import replace
from enum import StrEnum
from hashlib import sha256
from typing import Final

from models.persisted_operation import SHA256
from server.document_cache import PersistedDocument
from server.errors import Rejected, Unfit
from server.request import GraphQLRequest

FRESH_SECONDS: Final = 10
"""How long a document that was removed may still be answered."""
MOST_BYTES: Final = 2 * 1024 * 1024
"""Of text, of each kind."""
LONGEST: Final = 32 * 1024
"""A longer one is not kept automatically: its client goes on sending it."""
_BESIDE: Final = 512

NOT_FOUND: Final = "PERSISTED_QUERY_NOT_FOUND"
NOT_IN_LIST: Final = "PERSISTED_QUERY_NOT_IN_LIST"
NOT_TRUSTED: Final = "QUERY_NOT_IN_SAFELIST"


class Trust(StrEnum):
    """Whose documents are answered: anybody's, only registered ones to who is not signed in, or only these."""

    ANY = "any"
    FOR_ANONYMOUS = "trusted-for-anonymous"
    TRUSTED = "trusted"


class LRUCache:
    """Documents by name, at most `most_bytes` of text; the one asked for longest ago goes."""

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._kept: OrderedDict[str, PersistedDocument] = OrderedDict()
        self._most_bytes = most_bytes
        self.bytes = 0

    def get(self, key: str) -> PersistedDocument | None:
        """What has this name."""
        found = self._kept.get(key)
        if found is not None:
            self._kept.move_to_end(key)
        return found

    def put(self, key: str, named: PersistedDocument) -> None:
        """Keep it under this name, in another's place if need be."""
        self.drop(key)
        self._kept[key] = named
        self.bytes += _weight(named)
        while self.bytes > self._most_bytes:
            _, gone = self._kept.popitem(last=False)
            self.bytes -= _weight(gone)

    def drop(self, key: str) -> None:
        """Forget it, if it is known."""
        gone = self._kept.pop(key, None)
        if gone is not None:
            self.bytes -= _weight(gone)

    def __len__(self) -> int:
        """How many names are known."""
        return len(self._kept)


def _digest(text: str) -> str:
    return sha256(text.encode(errors="surrogatepass")).hexdigest()


def _weight(named: PersistedDocument) -> int:
    return len(named.text) * (1 if named.text.isascii() else 4) + _BESIDE


class PersistedOperations:
    """Finds what requests name, and says whose documents are answered."""

    def __init__(self, trust: Trust, find: Callable[[str], Awaitable[str | None]]) -> None:
        """`find` is where the registered ones are."""
        self._trust = trust
        self._find = find
        self.registered = LRUCache()
        self.automatic = LRUCache()

    async def named(self, asked: GraphQLRequest, *, is_anonymous: bool) -> GraphQLRequest:
        """The request with the text that it names.

        `is_anonymous` where nobody has even tried to be somebody: then what is not trusted ends here, before
        anything is done with it. Whether somebody is signed in, `admit` asks. Raises Rejected.
        """
        if asked.name is None and self._trust is Trust.ANY:
            return asked
        is_strict = self._trust is Trust.TRUSTED or (self._trust is Trust.FOR_ANONYMOUS and is_anonymous)
        if asked.query:
            if asked.is_automatic and asked.name != _digest(asked.query):
                raise Rejected(400, "The sha256Hash is not that of the query.")
            if is_strict and await self._registered(_digest(asked.query)) is None:
                raise self._not_trusted()
            return asked
        found = await self._of_name(asked)
        if found is None or (is_strict and not found.is_registered):
            raise _unknown(asked, is_strict=is_strict)
        return replace(asked, query=found.text, named=found)

    async def admit(self, asked: GraphQLRequest, *, is_signed_in: bool) -> None:
        """Let a request pass once it is known who asks, and keep what its client wants kept. Raises Rejected."""
        if self._trust is Trust.TRUSTED or (self._trust is Trust.FOR_ANONYMOUS and not is_signed_in):
            if await self._registered(_digest(asked.query)) is None:
                raise self._not_trusted()
        elif asked.is_automatic and asked.named is None and len(asked.query) <= LONGEST:
            self.automatic.put(_digest(asked.query), PersistedDocument(asked.query, is_registered=False))

    async def _of_name(self, asked: GraphQLRequest) -> PersistedDocument | None:
        key = (asked.name or "").removeprefix(SHA256)
        automatic = self.automatic.get(key)
        if automatic is not None and self._trust is Trust.ANY:
            return automatic
        return await self._registered(key) or automatic

    async def _registered(self, key: str) -> PersistedDocument | None:
        now = time.monotonic()
        known = self.registered.get(key)
        if known is not None and now < known.fresh_until:
            return known
        text = await self._find(key)
        if text is None:
            self.registered.drop(key)
            return None
        found = PersistedDocument(text, is_registered=True, fresh_until=now + FRESH_SECONDS)
        if known is not None and known.text == text:
            found.is_public = known.is_public
        self.registered.put(key, found)
        return found

    def _not_trusted(self) -> Rejected:
        whom = " to who is not signed in" if self._trust is Trust.FOR_ANONYMOUS else ""
        return Rejected(403, f"Only registered documents are answered{whom}; this is none of them.", NOT_TRUSTED)


def _unknown(asked: GraphQLRequest, *, is_strict: bool) -> Rejected:
    if asked.is_automatic and not is_strict:
        # These very words make clients send the text; 400 and 500 would make some of them stop asking.
        return Unfit(404, "PersistedQueryNotFound", NOT_FOUND)
    return Unfit(404, "No registered document has this id.", NOT_IN_LIST)
