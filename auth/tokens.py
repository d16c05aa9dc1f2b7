"""Bearer tokens and link tokens. The client holds the token; the server stores a digest or a seed."""

import hashlib
import hmac
import secrets
from base64 import urlsafe_b64encode


def random_token() -> str:
    """A new bearer token: 256 bits, 43 characters of base64url."""
    return secrets.token_urlsafe(32)


def seed() -> bytes:
    """32 random bytes from which `derive` makes a link's token."""
    return secrets.token_bytes(32)


def derive(key: str, purpose: str, seed: bytes) -> str:
    """The token of a mailed link: an HMAC of its seed, 43 characters of base64url.

    The database stores the seed but never `key`, so a database dump contains no working link.
    `purpose` prevents a link of one kind from being used as another kind.
    """
    return urlsafe_b64encode(derive_bytes(key, purpose, seed)).rstrip(b"=").decode()


def derive_bytes(key: str, purpose: str, seed: bytes) -> bytes:
    """The HMAC of `derive` as 32 bytes, for secrets that are not tokens."""
    return hmac.digest(key.encode(), purpose.encode() + b"\x00" + seed, "sha256")


def derive_digits(key: str, purpose: str, seed: bytes) -> str:
    """A code of eight digits that a user reads in a mail and types. Limit the guesses: it has 27 bits."""
    return f"{int.from_bytes(derive_bytes(key, purpose, seed)) % 10**8:08}"


def digest(token: str) -> bytes:
    """SHA-256, 32 bytes. Only for tokens of at least 100 random bits; never for passwords."""
    return hashlib.sha256(token.encode()).digest()
