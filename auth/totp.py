"""Time-based one-time codes (TOTP, RFC 6238): HMAC-SHA-1, 6 digits, steps of 30 seconds.

Every authenticator app supports these parameters, so none is configurable. A code is accepted during
its own step and one step before and after it, for clocks that differ and users who type slowly.
"""

import hmac
from base64 import b32encode
from datetime import datetime
from typing import Final
from urllib.parse import quote, urlencode

SECRET_BYTES: Final = 20
"""160 bits, as RFC 4226 recommends."""
DIGITS: Final = 6
STEP_SECONDS: Final = 30
WINDOW: Final = 1
"""Number of steps before and after the current one whose codes are also accepted."""


def step_at(now: datetime) -> int:
    """The number of the time step that contains `now`."""
    return int(now.timestamp()) // STEP_SECONDS


def code(secret: bytes, step: int) -> str:
    """The code of a time step: 6 digits (HOTP, RFC 4226)."""
    mac = hmac.digest(secret, step.to_bytes(8), "sha1")
    offset = mac[-1] & 0xF
    number = int.from_bytes(mac[offset : offset + 4]) & 0x7FFF_FFFF
    return str(number % 10**DIGITS).zfill(DIGITS)


def match_step(secret: bytes, candidate: str, *, now: datetime, after: int | None = None) -> int | None:
    """The step near `now` whose code equals `candidate`. None if there is none.

    `after` is the last used step: it and earlier steps are not accepted. Takes the same time for a
    wrong code as for a right one.
    """
    current, accepted_step = step_at(now), None
    for step in range(current - WINDOW, current + WINDOW + 1):
        is_equal = hmac.compare_digest(code(secret, step).encode(), candidate.encode())
        if is_equal and (after is None or step > after):
            accepted_step = step
    return accepted_step


def encode_secret(secret: bytes) -> str:
    """The secret in base32, to be typed into an app: 32 characters."""
    return b32encode(secret).decode()


def uri(secret: bytes, *, account: str, issuer: str) -> str:
    """The URI that an app reads from a QR code: otpauth://totp/..."""
    label = quote(f"{issuer}:{account}", safe=":")
    parameters = {
        "secret": encode_secret(secret),
        "issuer": issuer,
        "algorithm": "SHA1",
        "digits": DIGITS,
        "period": STEP_SECONDS,
    }
    return f"otpauth://totp/{label}?{urlencode(parameters, quote_via=quote)}"
