"""Passwords: how they are hashed, checked, and judged too weak."""

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
PRODUCT: Final = "fullmakt"  # what comes to everybody's mind here adds nothing to the length
_TELLING: Final = 4  # shorter words of a name turn up in any sentence
_EASY_TO_GUESS: Final = 1  # zxcvbn scores 0-4; 1 and below falls to an online attack

# OWASP's floor. About 40 ms each; the defaults of the library cost six times as much memory.
_HASHER: Final = argon2.PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)

# A thread per core keeps the loop free; the bound on waiting keeps a flood of sign-ins from
# piling up memory and delay.
_THREADS: Final = ThreadPoolExecutor(max_workers=2, thread_name_prefix="argon2")
_MAX_WAITING: Final = 200
_WAITING: Final[set[object]] = set()


# Composing puts marks in order, in the square of their number: 120 kB of them take 6 seconds.
_MOST_COMPOSED: Final = 4  # characters that become one


class Busy(Exception):
    """More passwords are waiting to be hashed than can be answered in time; try again."""

    retry_after_seconds = 5


class Weakness(Enum):
    """Why a password is refused."""

    TOO_SHORT = auto()
    TOO_LONG = auto()
    GUESSABLE = auto()
    PERSONAL = auto()


def weakness(password: str, *, about: Iterable[str]) -> Weakness | None:
    """Why `password` must not be used, or None.

    There are no composition rules: length counts, common passwords and plain sequences are
    refused, and so are those with a part of the user's own name or address (`about`).
    """
    text = _composed(password)
    if len(text) < MIN_LENGTH:
        return Weakness.TOO_SHORT
    if len(text) > MAX_LENGTH:
        return Weakness.TOO_LONG
    folded = text.casefold()
    own = [word for text in about for word in _words(text)]
    if any(word in folded for word in own):
        return Weakness.PERSONAL
    if len(folded.replace(PRODUCT, "")) < MIN_LENGTH or int(zxcvbn(text, own).score) <= _EASY_TO_GUESS:
        return Weakness.GUESSABLE
    return None


def _composed(password: str) -> str:
    """The form in which passwords are compared; of one that is too long in any form, itself."""
    if len(password) > _MOST_COMPOSED * MAX_LENGTH:
        return password
    return unicodedata.normalize("NFC", password)


def _words(text: str) -> list[str]:
    """The parts of a name or an address that are long enough to be somebody's."""
    name = unicodedata.normalize("NFC", text).casefold().partition("@")[0]
    parts = "".join(c if c.isalnum() else " " for c in name).split()
    return [part for part in {*parts, name.strip()} if len(part) >= _TELLING]


async def hash_password(password: str) -> str:
    """Argon2id at OWASP's floor (19 MiB, t=2, p=1), off the event loop. Raises Busy."""
    return await _in_thread(_HASHER.hash, _composed(password))


async def verify(password: str, hashed: str | None) -> bool:
    """Whether `password` is the one behind `hashed`; as slow for None, which never matches.

    Same cost for an unknown address, or the time of a sign-in tells who has a login.
    """
    text = _composed(password)
    if len(text) > MAX_LENGTH:
        text = ""
    return await _in_thread(_verify, text, _NOBODY if hashed is None else hashed) and hashed is not None


def is_outdated(hashed: str) -> bool:
    """Whether the parameters have risen since `hashed` was made."""
    return _HASHER.check_needs_rehash(hashed)


def _verify(password: str, hashed: str) -> bool:
    try:
        return _HASHER.verify(hashed, password)
    except (argon2.exceptions.VerificationError, argon2.exceptions.InvalidHashError):
        return False


async def _in_thread(work: Callable[..., T], *args: object) -> T:
    if len(_WAITING) >= _MAX_WAITING:
        raise Busy
    mine = object()
    _WAITING.add(mine)
    try:
        return await asyncio.get_running_loop().run_in_executor(_THREADS, work, *args)
    finally:
        _WAITING.discard(mine)


_NOBODY: Final = _HASHER.hash("the password of nobody")
