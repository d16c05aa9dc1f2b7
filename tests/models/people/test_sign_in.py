"""Sign-in with a password."""

import asyncio
import unicodedata

import argon2
import pytest

from auth import passwords
from models.people.user import User
from tests.api import PASSWORD, Api, codes
from tests.models.people.logins import (
    NEW_PASSWORD,
    WRONG_CREDENTIALS,
    activate,
    credentials,
    registration_input,
    sign_in,
)
from tests.models.refusals import refusal_codes


async def test_inactive_login_is_reported_only_with_the_correct_password(api: Api) -> None:
    await api.do("register", registration_input())

    assert await refusal_codes(api, "signIn", credentials()) == [("NOT_ACTIVATED", ["email"])]
    assert await refusal_codes(api, "signIn", credentials(NEW_PASSWORD)) == WRONG_CREDENTIALS


async def test_unknown_address_and_wrong_password_answer_alike(api: Api) -> None:
    await api.person("anna@example.com")

    outcomes = [
        await api.do("signIn", credentials(NEW_PASSWORD, email), "accessToken viewer { user { id } }")
        for email in ("anna@example.com", "nobody@example.com", "no address at all", "")
    ]

    assert [response == outcomes[0] for response in outcomes] == [True] * 4
    assert codes(outcomes[0]) == WRONG_CREDENTIALS
    assert await refusal_codes(api, "signIn", credentials(NEW_PASSWORD)) == WRONG_CREDENTIALS


@pytest.mark.parametrize("password", [PASSWORD.upper(), f" {PASSWORD}", f"{PASSWORD} ", PASSWORD[:-1], "", "x" * 9999])
async def test_password_is_not_trimmed_or_folded(api: Api, password: str) -> None:
    await api.person("anna@example.com")

    assert await refusal_codes(api, "signIn", credentials(password)) == WRONG_CREDENTIALS


async def test_every_character_of_a_long_password_is_significant(api: Api) -> None:
    base = "kestrel orbit lantern " * 5
    await api.do("register", registration_input(password=f"{base}a"))
    await activate(api, f"{base}a")

    assert codes(await sign_in(api, f"{base}b")) == WRONG_CREDENTIALS
    assert codes(await sign_in(api, f"{base}a")) == []


async def test_password_matches_in_every_unicode_form(api: Api) -> None:
    password = "żółw gęśl jaźń źdźbło " * 5  # 110 characters composed, more than 128 decomposed
    decomposed_password = unicodedata.normalize("NFD", password)
    assert len(password) <= passwords.MAX_LENGTH < len(decomposed_password)
    await api.do("register", registration_input(password=password))
    await activate(api, password)

    assert codes(await sign_in(api, decomposed_password)) == []


@pytest.mark.usefixtures("costly_passwords")
async def test_outdated_hash_is_replaced_at_sign_in(api: Api) -> None:
    await api.person("anna@example.com")
    outdated_hash = argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)
    await User.all().update(password_hash=outdated_hash)

    assert codes(await sign_in(api)) == []

    password_hash = (await User.get()).password_hash
    assert password_hash is not None
    assert password_hash.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert codes(await sign_in(api)) == []


@pytest.mark.usefixtures("costly_passwords")
async def test_concurrent_sign_ins_succeed_while_the_hash_is_replaced(api: Api) -> None:
    await api.person("anna@example.com")
    outdated_hash = argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)
    await User.all().update(password_hash=outdated_hash)

    payloads = await asyncio.gather(*(sign_in(api) for _ in range(4)))

    assert [codes(payload) for payload in payloads] == [[]] * 4


async def test_too_many_waiting_sign_ins_are_rate_limited(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwords, "_MAX_QUEUED_CALLS", 0)

    response = await api.ask('mutation { signIn(input: {email: "a@example.com", password: "b"}) { accessToken } }')

    assert response.codes == ["RATE_LIMITED"]
