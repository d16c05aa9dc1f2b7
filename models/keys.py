"""Primary keys and public numbers."""

import secrets
import time
from uuid import UUID


def uuid7() -> UUID:
    """A version 7 UUID (RFC 9562): milliseconds first, so that keys grow with time, then chance."""
    milliseconds = time.time_ns() // 1_000_000
    random = secrets.randbits(74)
    high = (milliseconds << 16) | 0x7000 | (random >> 62)
    low = (0b10 << 62) | (random & ((1 << 62) - 1))
    return UUID(int=(high << 64) | low)


def account_number() -> int:
    """Eight random digits: short enough to dictate, and the next one cannot be guessed."""
    return 10_000_000 + secrets.randbelow(90_000_000)
