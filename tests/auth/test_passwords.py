"""Passwords: hashing, checking, judging."""

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


async def test_a_hash_is_argon2id_at_owasps_floor_and_salted() -> None:
    one, other = await passwords.hash_password(STRONG), await passwords.hash_password(STRONG)

    assert one.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert one != other
    assert await passwords.verify(STRONG, one)


async def test_only_the_right_password_matches() -> None:
    hashed = await passwords.hash_password(STRONG)

    wrong = [STRONG.upper(), f"{STRONG} ", "", "\0", "x" * 129, f"{STRONG}\0"]
    assert [await passwords.verify(password, hashed) for password in wrong] == [False] * 6


@pytest.mark.parametrize("hashed", [None, "", "x", "$argon2id$", "$argon2id$v=19$m=8,t=1,p=1$AAAA$AAAA"])
async def test_what_is_no_hash_matches_nothing(hashed: str | None) -> None:
    assert not await passwords.verify(STRONG, hashed)
    assert not await passwords.verify("the password of nobody", hashed)


async def test_the_form_of_the_text_does_not_count() -> None:
    decomposed = unicodedata.normalize("NFD", "żółw gęśl jaźń")

    hashed = await passwords.hash_password(decomposed)

    assert await passwords.verify("żółw gęśl jaźń", hashed)
    assert await passwords.verify(decomposed, hashed)


async def test_an_unknown_address_costs_what_a_known_one_does(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []

    def watched(_: str, hashed: str) -> bool:
        seen.append(hashed)
        return True

    monkeypatch.setattr(passwords, "_verify", watched)

    assert await passwords.verify(STRONG, "$hash") is True
    assert await passwords.verify(STRONG, None) is False
    assert [argon2.extract_parameters(hashed) for hashed in seen[1:]] == [
        argon2.extract_parameters(await passwords.hash_password("x"))
    ]


async def test_more_than_can_be_answered_in_time_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwords, "_MAX_WAITING", 3)

    found = await asyncio.gather(*(passwords.hash_password(STRONG) for _ in range(5)), return_exceptions=True)

    assert [isinstance(outcome, passwords.Busy) for outcome in found] == [False] * 3 + [True] * 2
    assert await passwords.hash_password(STRONG)


async def test_hashing_leaves_the_loop_free() -> None:
    hashing = asyncio.create_task(passwords.hash_password(STRONG))
    turns = 0
    while not hashing.done():
        await asyncio.sleep(0.001)
        turns += 1

    assert turns > 3


async def test_lower_parameters_are_outdated() -> None:
    weak = argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(STRONG)

    assert passwords.is_outdated(weak)
    assert not passwords.is_outdated(await passwords.hash_password(STRONG))


@pytest.mark.parametrize(
    ("password", "found"),
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
def test_judging(password: str, found: Weakness | None) -> None:
    about = ("Anna Nowak", "anna.nowak@example.com", unicodedata.normalize("NFD", "Żółw"))

    assert passwords.weakness(password, about=about) is found


@given(st.text(max_size=200), st.text(max_size=30))
def test_any_text_is_judged(password: str, name: str) -> None:
    found = passwords.weakness(password, about=(name, f"{name}@example.com"))

    length = len(unicodedata.normalize("NFC", password))
    assert (found is Weakness.TOO_SHORT) == (length < passwords.MIN_LENGTH)
    assert (found is Weakness.TOO_LONG) == (length > passwords.MAX_LENGTH)


async def test_a_password_of_a_megabyte_is_refused_before_it_is_composed_or_hashed() -> None:
    """Putting so many marks in order would take an hour, on the loop."""
    marks = "\u0301" * 250_000 + "\u0323" * 250_000

    started = time.perf_counter()
    for text in ("a" * 1_000_000, marks):
        assert passwords.weakness(text, about=("Anna", "anna@example.com")) is Weakness.TOO_LONG
        assert not await passwords.verify(text, None)

    assert time.perf_counter() - started < 2


async def test_a_password_of_128_letters_is_one_however_they_are_composed() -> None:
    composed = "ậ" * passwords.MAX_LENGTH
    hashed = await passwords.hash_password(composed)

    assert await passwords.verify(unicodedata.normalize("NFD", composed), hashed)
    assert passwords.weakness(unicodedata.normalize("NFD", composed) + "a", about=()) is Weakness.TOO_LONG
