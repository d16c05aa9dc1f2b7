"""One-time codes of an authenticator app: RFC 6238 over RFC 4226 with SHA-1, 6 digits and 30 seconds.

What every app can do, so nothing of it is a setting. A code is right during its own 30 seconds and
the 30 on either side, for clocks that differ and people who type slowly.
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
"""Steps on either side of the current one whose codes are right too."""


def step_at(now: datetime) -> int:
    """The number of the time step that `now` is in."""
    return int(now.timestamp()) // STEP_SECONDS


def code(secret: bytes, step: int) -> str:
    """The code of a time step: 6 digits."""
    mac = hmac.digest(secret, step.to_bytes(8), "sha1")
    place = mac[-1] & 0xF
    number = int.from_bytes(mac[place : place + 4]) & 0x7FFF_FFFF
    return str(number % 10**DIGITS).zfill(DIGITS)


def matching(secret: bytes, given: str, *, now: datetime, after: int | None = None) -> int | None:
    """The step whose code `given` is, or None: near `now`, and later than `after`, the last one used.

    Takes as long for a wrong code as for a right one.
    """
    current, found = step_at(now), None
    for step in range(current - WINDOW, current + WINDOW + 1):
        is_it = hmac.compare_digest(code(secret, step).encode(), given.encode())
        if is_it and (after is None or step > after):
            found = step
    return found


def shown(secret: bytes) -> str:
    """A secret as it is typed into an app: 32 characters of base32."""
    return b32encode(secret).decode()


def uri(secret: bytes, *, account: str, issuer: str) -> str:
    """The address that an app takes from a QR code: otpauth://totp/..."""
    label = quote(f"{issuer}:{account}", safe=":")
    facts = {
        "secret": shown(secret),
        "issuer": issuer,
        "algorithm": "SHA1",
        "digits": DIGITS,
        "period": STEP_SECONDS,
    }
    return f"otpauth://totp/{label}?{urlencode(facts, quote_via=quote)}"
