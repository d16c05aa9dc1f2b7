"""Primary keys and public numbers."""

import secrets
import time
from uuid import UUID

_last = [0]


def uuid7() -> UUID:
    """A version 7 UUID (RFC 9562): milliseconds first, so that keys grow with time, then random bits.

    Each UUID of a process is greater than the one before, also within a millisecond. Rows that one operation inserts
    are therefore listed in the order of their insertion.
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
    """Eight random digits: short enough to dictate, and not guessable from another account's number."""
    return 10_000_000 + secrets.randbelow(90_000_000)
