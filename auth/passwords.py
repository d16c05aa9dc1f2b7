"""Password hashing, verification and strength rules."""

import asyncio
import unicodedata
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from enum import Enum, auto
from typing import Final, TypeVar

import argon2
from zxcvbn_rs_py import zxcvbn

T = TypeVar("T")

MIN_LENGTH: Final = 12
MAX_LENGTH: Final = 128
PRODUCT: Final = "fullmakt"  # easy to guess on this site, so it does not count toward the length
_MIN_WORD_LENGTH: Final = 4  # shorter parts of a name occur in ordinary sentences
_EASY_TO_GUESS: Final = 1  # zxcvbn scores 0-4; 1 and below falls to an online attack

# The OWASP minimum. About 40 ms each; the library's defaults use six times as much memory.
_HASHER: Final = argon2.PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)

# Threads keep the event loop free. The queue is bounded, so a flood of sign-ins cannot use up memory
# or delay every later sign-in.
_THREADS: Final = ThreadPoolExecutor(max_workers=2, thread_name_prefix="argon2")
_MAX_QUEUED_CALLS: Final = 200
_QUEUED_CALLS: Final[set[object]] = set()

# NFC sorts combining marks in quadratic time: 120 kB of them take 6 seconds.
_MAX_COMPOSITION: Final = 4  # code points that NFC may combine into one


class Busy(Exception):
    """The queue of passwords to hash is full. The client should try again."""

    retry_after_seconds = 5


class Weakness(Enum):
    """The reason why a password is rejected."""

    TOO_SHORT = auto()
    TOO_LONG = auto()
    GUESSABLE = auto()
    PERSONAL = auto()


def weakness(password: str, *, about: Iterable[str]) -> Weakness | None:
    """The reason why `password` is too weak. None if it is strong enough.

    Rejected are short passwords, common passwords, plain sequences, and passwords that contain a part
    of the user's name or address (`about`). No kinds of characters are required.
    """
    text = _normalize(password)
    if len(text) < MIN_LENGTH:
        return Weakness.TOO_SHORT
    if len(text) > MAX_LENGTH:
        return Weakness.TOO_LONG
    caseless = text.casefold()
    personal_words = [word for name in about for word in _words(name)]
    if any(word in caseless for word in personal_words):
        return Weakness.PERSONAL
    if len(caseless.replace(PRODUCT, "")) < MIN_LENGTH or int(zxcvbn(text, personal_words).score) <= _EASY_TO_GUESS:
        return Weakness.GUESSABLE
    return None


def _normalize(password: str) -> str:
    """`password` in NFC. Unchanged if it is too long in any form."""
    if len(password) > _MAX_COMPOSITION * MAX_LENGTH:
        return password
    return unicodedata.normalize("NFC", password)


def _words(text: str) -> list[str]:
    """The parts of a name or an address that are long enough to identify the user."""
    name = unicodedata.normalize("NFC", text).casefold().partition("@")[0]
    parts = "".join(c if c.isalnum() else " " for c in name).split()
    return [part for part in {*parts, name.strip()} if len(part) >= _MIN_WORD_LENGTH]


async def hash_password(password: str) -> str:
    """Argon2id with the OWASP minimum (19 MiB, t=2, p=1), off the event loop. Raises Busy."""
    return await _in_thread(_HASHER.hash, _normalize(password))


async def verify(password: str, password_hash: str | None) -> bool:
    """True if `password` matches `password_hash`. None never matches. Raises Busy.

    None takes as long as a real hash: otherwise the duration of a sign-in reveals whether the address
    has a login.
    """
    text = _normalize(password)
    if len(text) > MAX_LENGTH:
        text = ""
    return (
        await _in_thread(_verify, text, _DUMMY_HASH if password_hash is None else password_hash)
        and password_hash is not None
    )


def is_outdated(password_hash: str) -> bool:
    """True if `password_hash` was made with weaker parameters than today's."""
    return _HASHER.check_needs_rehash(password_hash)


def _verify(password: str, password_hash: str) -> bool:
    try:
        return _HASHER.verify(password_hash, password)
    except (argon2.exceptions.VerificationError, argon2.exceptions.InvalidHashError):
        return False


async def _in_thread(function: Callable[..., T], *args: object) -> T:
    if len(_QUEUED_CALLS) >= _MAX_QUEUED_CALLS:
        raise Busy
    call = object()
    _QUEUED_CALLS.add(call)
    try:
        return await asyncio.get_running_loop().run_in_executor(_THREADS, function, *args)
    finally:
        _QUEUED_CALLS.discard(call)


_DUMMY_HASH: Final = _HASHER.hash("the password of no user")
