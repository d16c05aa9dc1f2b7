"""Password hashing, verification and strength rules."""

import asyncio
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from enum import Enum, auto
from typing import Final, TypeVar

import argon2
from zxcvbn_rs_py import zxcvbn

from auth.fair_queue import FairQueue
from i18n.unicode_form import compose

T = TypeVar("T")

MIN_LENGTH: Final = 12
MAX_LENGTH: Final = 128
PRODUCT: Final = "fullmakt"  # easy to guess on this site, so it does not count toward the length
_MIN_WORD_LENGTH: Final = 4  # shorter parts of a name occur in ordinary sentences
_EASY_TO_GUESS: Final = 1  # zxcvbn scores 0-4; 1 and below falls to an online attack
_MAX_PERSONAL_WORDS: Final = 100
_MAX_ABOUT: Final = 1000  # a longer name or address is invalid, and the password is judged all the same

# zxcvbn tries each combination of the letters that digits and signs can stand for, and its time grows with the square
# of the length: 128 chosen characters took a second, without releasing the GIL. It therefore judges the beginning, with
# one sign for each letter. A password that is hard to guess has a beginning that is hard to guess.
_JUDGED_LENGTH: Final = 48
_SIGNS: Final = str.maketrans("@{[<!|$+", "4(((1157")

# The OWASP minimum. About 40 ms each; the library's defaults use six times as much memory.
_HASHER: Final = argon2.PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)

# Threads keep the event loop free. The queue is bounded, so a flood of sign-ins cannot use up memory, and fair, so a
# flood from one network delays the others by a few calls only.
_THREAD_COUNT: Final = 2
_THREADS: Final = ThreadPoolExecutor(max_workers=_THREAD_COUNT, thread_name_prefix="argon2")
_QUEUE: Final = FairQueue(_THREAD_COUNT)
_MAX_QUEUED_CALLS: Final = 200
_MAX_QUEUED_CALLS_OF_CLIENT: Final = 50

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
    personal_words = [word for name in about for word in _words(name[:_MAX_ABOUT])]
    if any(word in caseless for word in personal_words):
        return Weakness.PERSONAL
    if len(caseless.replace(PRODUCT, "")) < MIN_LENGTH:
        return Weakness.GUESSABLE
    score = int(zxcvbn(text[:_JUDGED_LENGTH].translate(_SIGNS), personal_words[:_MAX_PERSONAL_WORDS]).score)
    return Weakness.GUESSABLE if score <= _EASY_TO_GUESS else None


def _normalize(password: str) -> str:
    """`password` in NFC. Unchanged if it is too long in any form."""
    if len(password) > _MAX_COMPOSITION * MAX_LENGTH:
        return password
    return compose(password)


def _words(text: str) -> list[str]:
    """The parts of a name or an address that are long enough to identify the user."""
    name = compose(text).casefold().partition("@")[0]
    parts = "".join(c if c.isalnum() else " " for c in name).split()
    return [part for part in {*parts, name.strip()} if len(part) >= _MIN_WORD_LENGTH]


async def hash_password(password: str, *, client: str = "") -> str:
    """Argon2id with the OWASP minimum (19 MiB, t=2, p=1), off the event loop. Raises Busy.

    Calls of one `client` wait for each other. The client is the caller's network, or "" if it is unknown.
    """
    return await _in_thread(client, _HASHER.hash, _normalize(password))


async def verify(password: str, password_hash: str | None, *, client: str = "") -> bool:
    """True if `password` matches `password_hash`. None never matches. `client` as in `hash_password`. Raises Busy.

    None takes as long as a real hash: otherwise the duration of a sign-in reveals whether the address
    has a login.
    """
    text = _normalize(password)
    if len(text) > MAX_LENGTH:
        text = ""
    return (
        await _in_thread(client, _verify, text, _DUMMY_HASH if password_hash is None else password_hash)
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


async def _in_thread(client: str, function: Callable[..., T], *args: object) -> T:
    if _QUEUE.size >= _MAX_QUEUED_CALLS or (client and _QUEUE.size_of(client) >= _MAX_QUEUED_CALLS_OF_CLIENT):
        raise Busy
    async with _QUEUE.turn(client):
        return await asyncio.get_running_loop().run_in_executor(_THREADS, function, *args)


_ = zxcvbn(PRODUCT)  # The first call loads the lists of common words: 25 ms.
_DUMMY_HASH: Final = _HASHER.hash("the password of no user")
