"""Primary keys and public numbers."""

import secrets
import time
from uuid import UUID

_last = [0]


def uuid7() -> UUID:
    """A version 7 UUID (RFC 9562): milliseconds first, so that keys grow with time, then chance.

    Each is above the one that this process made before, within a millisecond too: what one operation
    writes is listed in the order in which it was written.
    """
    value = time.time_ns() // 1_000_000 << 74 | secrets.randbits(74)
    if value <= _last[0]:
        value = _last[0] + 1 + secrets.randbits(32)
    _last[0] = value
    milliseconds, random = value >> 74, value & ((1 << 74) - 1)
    high = (milliseconds << 16) | 0x7000 | (random >> 62)
    low = (0b10 << 62) | (random & ((1 << 62) - 1))
    return UUID(int=(high << 64) | low)


def account_number() -> int:
    """Eight random digits: short enough to dictate, and the next one cannot be guessed."""
    return 10_000_000 + secrets.randbelow(90_000_000)
