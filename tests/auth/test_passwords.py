"""Password hashing, verification and strength rules."""

import asyncio
import time
import unicodedata

import argon2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from auth import passwords
from auth.passwords import Weakness

STRONG = "kestrel orbit lantern"

pytestmark = pytest.mark.usefixtures("costly_passwords")


async def test_hash_is_salted_argon2id_with_owasp_minimum() -> None:
    first_hash, second_hash = await passwords.hash_password(STRONG), await passwords.hash_password(STRONG)

    assert first_hash.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert first_hash != second_hash
    assert await passwords.verify(STRONG, first_hash)


async def test_only_the_correct_password_matches() -> None:
    password_hash = await passwords.hash_password(STRONG)

    wrong = [STRONG.upper(), f"{STRONG} ", "", "\0", "x" * 129, f"{STRONG}\0"]
    assert [await passwords.verify(password, password_hash) for password in wrong] == [False] * 6


@pytest.mark.parametrize("invalid_hash", [None, "", "x", "$argon2id$", "$argon2id$v=19$m=8,t=1,p=1$AAAA$AAAA"])
async def test_invalid_hash_matches_no_password(invalid_hash: str | None) -> None:
    assert not await passwords.verify(STRONG, invalid_hash)
    assert not await passwords.verify("the password of no user", invalid_hash)


async def test_unicode_normalization_form_does_not_matter() -> None:
    nfd_password = unicodedata.normalize("NFD", "żółw gęśl jaźń")

    password_hash = await passwords.hash_password(nfd_password)

    assert await passwords.verify("żółw gęśl jaźń", password_hash)
    assert await passwords.verify(nfd_password, password_hash)


async def test_missing_hash_costs_the_same_as_a_real_hash(monkeypatch: pytest.MonkeyPatch) -> None:
    hashes: list[str] = []

    def record(_: str, password_hash: str) -> bool:
        hashes.append(password_hash)
        return True

    monkeypatch.setattr(passwords, "_verify", record)

    assert await passwords.verify(STRONG, "$hash") is True
    assert await passwords.verify(STRONG, None) is False
    assert [argon2.extract_parameters(password_hash) for password_hash in hashes[1:]] == [
        argon2.extract_parameters(await passwords.hash_password("x"))
    ]


async def test_full_queue_raises_busy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwords, "_MAX_QUEUED_CALLS", 3)

    outcomes = await asyncio.gather(*(passwords.hash_password(STRONG) for _ in range(5)), return_exceptions=True)

    assert [isinstance(outcome, passwords.Busy) for outcome in outcomes] == [False] * 3 + [True] * 2
    assert await passwords.hash_password(STRONG)


async def test_hashing_does_not_block_the_event_loop() -> None:
    task = asyncio.create_task(passwords.hash_password(STRONG))
    turns = 0
    while not task.done():
        await asyncio.sleep(0.001)
        turns += 1

    assert turns > 3


async def test_hash_with_weaker_parameters_is_outdated() -> None:
    weak = argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(STRONG)

    assert passwords.is_outdated(weak)
    assert not passwords.is_outdated(await passwords.hash_password(STRONG))


@pytest.mark.parametrize(
    ("password", "weakness"),
    [
        ("kestrel orb", Weakness.TOO_SHORT),
        ("🦅🪐🏮 kestre", Weakness.TOO_SHORT),
        ("x" * 129, Weakness.TOO_LONG),
        ("x" * 9_000, Weakness.TOO_LONG),
        ("password1234", Weakness.GUESSABLE),
        ("abcdefghijklmnop", Weakness.GUESSABLE),
        ("Fullmakt kestrel", Weakness.GUESSABLE),
        ("nowak nowak nowak", Weakness.PERSONAL),
        ("orbit ANNA.NOWAK lantern", Weakness.PERSONAL),
        ("orbit żółw lantern", Weakness.PERSONAL),
        (STRONG, None),
        (f"{STRONG} fullmakt", None),
    ],
)
def test_weakness_of_a_password(password: str, weakness: Weakness | None) -> None:
    about = ("Anna Nowak", "anna.nowak@example.com", unicodedata.normalize("NFD", "Żółw"))

    assert passwords.weakness(password, about=about) is weakness


@given(st.text(max_size=200), st.text(max_size=30))
def test_weakness_follows_the_length_for_any_text(password: str, name: str) -> None:
    weakness = passwords.weakness(password, about=(name, f"{name}@example.com"))

    length = len(unicodedata.normalize("NFC", password))
    assert (weakness is Weakness.TOO_SHORT) == (length < passwords.MIN_LENGTH)
    assert (weakness is Weakness.TOO_LONG) == (length > passwords.MAX_LENGTH)


async def test_huge_password_is_rejected_before_normalization_and_hashing() -> None:
    """Normalizing so many combining marks would block the event loop for an hour."""
    marks = "\u0301" * 250_000 + "\u0323" * 250_000

    started_at = time.perf_counter()
    for text in ("a" * 1_000_000, marks):
        assert passwords.weakness(text, about=("Anna", "anna@example.com")) is Weakness.TOO_LONG
        assert not await passwords.verify(text, None)

    assert time.perf_counter() - started_at < 2


async def test_length_limit_counts_normalized_characters() -> None:
    nfc_password = "ậ" * passwords.MAX_LENGTH
    password_hash = await passwords.hash_password(nfc_password)

    assert await passwords.verify(unicodedata.normalize("NFD", nfc_password), password_hash)
    assert passwords.weakness(unicodedata.normalize("NFD", nfc_password) + "a", about=()) is Weakness.TOO_LONG
