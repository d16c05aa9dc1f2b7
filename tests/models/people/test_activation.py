"""Activation of a login, and mailing of a new link."""

import asyncio
from typing import Any

import pytest

from models.people.mailed_link import ACTIVATION_LIFETIME
from models.people.user import User
from tests.api import PASSWORD, Api, codes
from tests.models.people.logins import (
    INVALID_LINK,
    NEW_PASSWORD,
    WRONG_CREDENTIALS,
    activate,
    registration_input,
    sign_in,
)
from tests.models.refusals import mails, refusal_codes

STRANGERS_PASSWORD = "otter glacier saxophone"


def without_errors(payload: dict[str, Any]) -> dict[str, Any]:
    """The fields of a payload besides its errors."""
    return {name: field for name, field in payload.items() if name != "errors"}


async def test_activation_link_works_once(api: Api) -> None:
    await api.do("register", registration_input())
    token = await api.link("anna@example.com", "activation")
    assert codes(await api.do("activate", {"token": token, "password": PASSWORD})) == []

    assert await refusal_codes(api, "activate", {"token": token}) == INVALID_LINK
    assert await refusal_codes(api, "activate", {"token": token, "password": NEW_PASSWORD}) == INVALID_LINK


async def test_activation_link_expires_after_a_day(api: Api) -> None:
    await api.do("register", registration_input())
    token = await api.link("anna@example.com", "activation")
    api.clock.now += ACTIVATION_LIFETIME

    assert await refusal_codes(api, "activate", {"token": token}) == [("TOKEN_EXPIRED", ["token"])]


async def test_refused_activation_does_not_use_the_link(api: Api) -> None:
    await api.do("register", registration_input())
    token = await api.link("anna@example.com", "activation")

    assert await refusal_codes(api, "activate", {"token": token, "password": "anna@example.com"}) == [
        ("TOO_WEAK", ["password"])
    ]
    assert codes(await api.do("activate", {"token": token, "password": NEW_PASSWORD})) == []
    assert codes(await sign_in(api, NEW_PASSWORD)) == []


async def test_resent_activation_invalidates_the_first_link(api: Api) -> None:
    await api.do("register", registration_input())
    old = await api.link("anna@example.com", "activation")

    await api.do("resendActivation", {"email": "Anna@example.com"})

    assert codes(await api.do("activate", {"token": old})) == INVALID_LINK
    assert codes(await activate(api)) == []


async def test_resending_answers_alike_and_mails_only_inactive_logins(api: Api) -> None:
    await api.person("active@example.com")
    await api.do("register", registration_input())

    outcomes = [
        await api.do("resendActivation", {"email": email})
        for email in ("anna@example.com", "active@example.com", "nobody@example.com")
    ]

    assert outcomes == [{"errors": []}] * 3
    assert len(await mails("anna@example.com", "activation")) == 2
    assert len(await mails("active@example.com", "activation")) == 1
    assert await mails("nobody@example.com", "activation") == []


# ---- Passwords -------------------------------------------------------------------------------


async def test_password_of_a_stranger_does_not_survive_the_proof_of_the_address(api: Api) -> None:
    await api.do("register", registration_input(password=STRANGERS_PASSWORD))
    second_payload = await api.do("register", registration_input(), "registrationSecret")
    token = await api.link("anna@example.com", "activation")

    for secret in (None, "", "x" * 43, second_payload["registrationSecret"]):
        arguments = {"token": token, "registrationSecret": secret}
        assert await refusal_codes(api, "activate", arguments) == [("REQUIRED", ["password"])]
    assert codes(await activate(api)) == []

    assert codes(await sign_in(api, STRANGERS_PASSWORD)) == WRONG_CREDENTIALS
    assert codes(await sign_in(api)) == []


async def test_client_that_registered_keeps_the_password(api: Api) -> None:
    payload = await api.do("register", registration_input(), "registrationSecret")
    activation = {"token": await api.link("anna@example.com", "activation")} | without_errors(payload)

    assert codes(await api.do("activate", activation)) == []

    assert codes(await sign_in(api)) == []


async def test_password_of_the_activation_wins_over_the_secret(api: Api) -> None:
    payload = await api.do("register", registration_input(), "registrationSecret")
    activation = {"token": await api.link("anna@example.com", "activation"), "password": NEW_PASSWORD}

    assert codes(await api.do("activate", activation | without_errors(payload))) == []

    assert codes(await sign_in(api)) == WRONG_CREDENTIALS
    assert codes(await sign_in(api, NEW_PASSWORD)) == []


async def test_secret_that_was_not_given_is_forgotten(api: Api) -> None:
    payload = await api.do("register", registration_input(), "registrationSecret")
    token = await api.link("anna@example.com", "activation")
    assert codes(await activate(api)) == []

    assert (await User.get()).registration_secret_digest is None
    assert await refusal_codes(api, "activate", {"token": token} | without_errors(payload)) == INVALID_LINK


async def test_registration_from_before_the_secrets_needs_a_password(api: Api) -> None:
    payload = await api.do("register", registration_input(), "registrationSecret")
    await User.all().update(registration_secret_digest=None)
    activation = {"token": await api.link("anna@example.com", "activation")} | without_errors(payload)

    assert await refusal_codes(api, "activate", activation) == [("REQUIRED", ["password"])]
    assert codes(await activate(api)) == []


# ---- Several links ---------------------------------------------------------------------------


async def list_tokens(api: Api, count: int) -> list[str]:
    """Register the address several times. Returns the tokens of the links."""
    links: list[str] = []
    for _ in range(count):
        await api.do("register", registration_input())
        links.append(await api.link("anna@example.com", "activation"))
    return links


@pytest.mark.parametrize("position", [0, 1, 2])
async def test_each_link_works_until_one_is_used(api: Api, position: int) -> None:
    links = await list_tokens(api, 3)

    assert codes(await api.do("activate", {"token": links[position], "password": PASSWORD})) == []

    for token in links:
        assert await refusal_codes(api, "activate", {"token": token, "password": NEW_PASSWORD}) == INVALID_LINK
        assert await refusal_codes(api, "activate", {"token": token, "password": PASSWORD}) == [
            ("ALREADY_ACTIVE", ["token"])
        ]


async def test_two_links_at_once_activate_once(api: Api) -> None:
    links = await list_tokens(api, 2)
    inputs = [{"token": token, "password": word} for token, word in zip(links, [PASSWORD, NEW_PASSWORD], strict=True)]

    payloads = await asyncio.gather(*(api.do("activate", input_) for input_ in inputs))

    assert sorted(map(codes, payloads)) == [[], INVALID_LINK]
    assert len([None for word in (PASSWORD, NEW_PASSWORD) if codes(await sign_in(api, word)) == []]) == 1


async def test_new_login_by_an_invitation_forgets_the_secret_of_a_stranger(api: Api) -> None:
    payload = await api.do("register", registration_input(password=STRANGERS_PASSWORD), "registrationSecret")
    activation = {"token": await api.link("anna@example.com", "activation")} | without_errors(payload)
    owner = await api.person("owner@example.com")

    await api.guest(owner, "anna@example.com", "ACCOUNTANT")

    assert (await User.get(email="anna@example.com")).registration_secret_digest is None
    assert await refusal_codes(api, "activate", activation) == INVALID_LINK
    assert codes(await sign_in(api, STRANGERS_PASSWORD)) == WRONG_CREDENTIALS


async def test_new_login_by_an_invitation_closes_each_activation_link(api: Api) -> None:
    owner = await api.person("owner@example.com")
    links = await list_tokens(api, 2)

    await api.guest(owner, "anna@example.com", "ACCOUNTANT")

    for token in links:
        assert await refusal_codes(api, "activate", {"token": token, "password": NEW_PASSWORD}) == INVALID_LINK
