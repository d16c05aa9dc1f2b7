"""Activation of a login, and mailing of a new link."""

from models.people.mailed_link import ACTIVATION_LIFETIME
from tests.api import Api, codes
from tests.models.people.logins import INVALID_LINK, NEW_PASSWORD, registration_input, sign_in
from tests.models.refusals import mails, refusal_codes


async def test_activation_link_works_once(api: Api) -> None:
    await api.do("register", registration_input())
    token = await api.link("anna@example.com", "activation")
    assert codes(await api.do("activate", {"token": token})) == []

    assert await refusal_codes(api, "activate", {"token": token}) == INVALID_LINK


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
    assert codes(await api.do("activate", {"token": await api.link("anna@example.com", "activation")})) == []


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
