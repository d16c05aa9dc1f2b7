"""Rules for passwords, change of a password, and reset by a mailed link."""

import pytest

from auth import passwords
from database import db
from models.people.mailed_link import RESET_LIFETIME
from tests.api import PASSWORD, Api, codes
from tests.models.people.logins import (
    INVALID_LINK,
    NEW_PASSWORD,
    WRONG_CREDENTIALS,
    credentials,
    registration_input,
    sign_in,
)
from tests.models.refusals import events, mails, refusal_codes

# ---- Rules -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("password", "code"),
    [
        ("", "TOO_SHORT"),
        ("kestrel orb", "TOO_SHORT"),
        ("x" * 129, "TOO_LONG"),
        ("password1234", "TOO_WEAK"),
        ("qwertyuiop123", "TOO_WEAK"),
        ("aaaaaaaaaaaaaaaa", "TOO_WEAK"),
        ("fullmakt fullmakt", "TOO_WEAK"),
        ("Fullmakt kestrel", "TOO_WEAK"),
        ("i am ANNA of the hill", "TOO_WEAK"),
        ("the nowak of the hill", "TOO_WEAK"),
    ],
)
async def test_weak_password_is_refused(api: Api, password: str, code: str) -> None:
    assert await refusal_codes(api, "register", registration_input(password=password)) == [(code, ["password"])]


@pytest.mark.parametrize("password", ["kestrel orbi", "kestrel orbit lantern " * 5 + "marble thicket ćó"])
async def test_strong_password_is_accepted(api: Api, password: str) -> None:
    assert (await api.do("register", registration_input(password=password)))["errors"] == []


async def test_too_long_password_is_refused_without_hashing(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    await api.person("anna@example.com")
    checked_passwords: list[str] = []
    check = passwords._verify

    def spy(password: str, password_hash: str) -> bool:
        checked_passwords.append(password)
        return check(password, password_hash)

    monkeypatch.setattr(passwords, "_verify", spy)

    assert await refusal_codes(api, "signIn", credentials("x" * 129)) == WRONG_CREDENTIALS
    assert checked_passwords == [""]


# ---- Change and reset ------------------------------------------------------------------------


async def test_password_change_ends_other_sessions_and_reset_links(api: Api) -> None:
    anna = await api.person("anna@example.com")
    other_token = (await sign_in(api))["accessToken"]
    await api.do("requestPasswordReset", {"email": anna.email})
    link = await api.link(anna.email, "reset")

    payload = await api.do("changePassword", {"currentPassword": PASSWORD, "newPassword": NEW_PASSWORD}, by=anna)

    assert payload["errors"] == []
    assert (await api.ask("{ viewer { user { id } } }", by=other_token)).data["viewer"] is None
    assert (await api.ask("{ viewer { user { id } } }", by=anna)).data["viewer"] is not None
    assert len(await mails(anna.email, "password-changed")) == 1
    assert codes(await api.do("resetPassword", {"token": link, "password": PASSWORD})) == INVALID_LINK
    assert codes(await sign_in(api)) == WRONG_CREDENTIALS
    assert codes(await sign_in(api, NEW_PASSWORD)) == []


async def test_password_change_needs_the_current_password(api: Api) -> None:
    anna = await api.person("anna@example.com")

    wrong_input = {"currentPassword": NEW_PASSWORD, "newPassword": NEW_PASSWORD}
    assert await refusal_codes(api, "changePassword", wrong_input, by=anna) == [
        ("INVALID_CREDENTIALS", ["currentPassword"])
    ]
    weak_input = {"currentPassword": PASSWORD, "newPassword": "anna@example.com"}
    assert await refusal_codes(api, "changePassword", weak_input, by=anna) == [("TOO_WEAK", ["newPassword"])]


async def test_reset_ends_every_session_and_is_mailed(api: Api) -> None:
    anna = await api.person("anna@example.com")
    await api.do("requestPasswordReset", {"email": "ANNA@example.com"})
    token = await api.link(anna.email, "reset")

    payload = await api.do("resetPassword", {"token": token, "password": NEW_PASSWORD})

    assert payload["errors"] == []
    assert (await api.ask("{ viewer { user { id } } }", by=anna)).data["viewer"] is None
    assert len(await mails(anna.email, "password-changed")) == 1
    assert await refusal_codes(api, "resetPassword", {"token": token, "password": PASSWORD}) == INVALID_LINK
    assert codes(await sign_in(api, NEW_PASSWORD)) == []


async def test_reset_link_expires_after_an_hour_or_with_a_newer_link(api: Api) -> None:
    await api.person("anna@example.com")
    await api.do("requestPasswordReset", {"email": "anna@example.com"})
    first = await api.link("anna@example.com", "reset")
    await api.do("requestPasswordReset", {"email": "anna@example.com"})
    second = await api.link("anna@example.com", "reset")

    assert await refusal_codes(api, "resetPassword", {"token": first, "password": NEW_PASSWORD}) == INVALID_LINK
    api.clock.now += RESET_LIFETIME
    assert await refusal_codes(api, "resetPassword", {"token": second, "password": NEW_PASSWORD}) == [
        ("TOKEN_EXPIRED", ["token"])
    ]


async def test_reset_request_answers_and_records_alike_for_every_address(api: Api) -> None:
    await api.person("anna@example.com")
    await api.do("register", registration_input(email="pending@example.com"))

    outcomes = [
        await api.do("requestPasswordReset", {"email": email})
        for email in ("anna@example.com", "pending@example.com", "nobody@example.com")
    ]

    assert outcomes == [{"errors": []}] * 3
    assert len(await events("user:password:forget")) == 3
    message_rows = await db.fetch("SELECT to_address FROM messages WHERE kind = 'password-reset'", row=db.Row)
    assert [row.to_address for row in message_rows] == ["anna@example.com"]
