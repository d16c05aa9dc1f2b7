"""Bearer and link tokens: 256 random bits for the holder, a digest for us."""

import hashlib
import hmac
import secrets
from base64 import urlsafe_b64encode


def random_token() -> str:
    """A fresh bearer token: 256 bits, 43 characters of base64url."""
    return secrets.token_urlsafe(32)


def seed() -> bytes:
    """32 random bytes from which `derive` makes a link's token."""
    return secrets.token_bytes(32)


def derive(key: str, purpose: str, seed: bytes) -> str:
    """The token of a mailed link: an HMAC of its seed, 43 characters of base64url.

    The seed may lie in the database, because without `key`, which never does, it is worth
    nothing: a dump holds no working link. `purpose` keeps one kind of link from serving as another.
    """
    return urlsafe_b64encode(derive_bytes(key, purpose, seed)).rstrip(b"=").decode()


def derive_bytes(key: str, purpose: str, seed: bytes) -> bytes:
    """The same as 32 bytes, for secrets that are no token."""
    return hmac.digest(key.encode(), purpose.encode() + b"\x00" + seed, "sha256")


def digest(token: str) -> bytes:
    """SHA-256, 32 bytes. Enough for tokens of 100 random bits or more; never for passwords."""
    return hashlib.sha256(token.encode()).digest()
