"""Links mailed to users."""

import pytest

from auth import tokens
from database import db
from models.people.user import User
from tests.api import KEY, Api
from tests.models.people.logins import INVALID_LINK, NEW_PASSWORD, registration_input
from tests.models.refusals import refusal_codes


@pytest.mark.parametrize(
    "token", ["", "x", "A" * 43, pytest.param(tokens.random_token(), id="random"), "ż", "x" * 9000]
)
async def test_unknown_token_is_refused(api: Api, token: str) -> None:
    assert await refusal_codes(api, "activate", {"token": token}) == INVALID_LINK
    assert await refusal_codes(api, "resetPassword", {"token": token, "password": NEW_PASSWORD}) == INVALID_LINK


async def test_link_works_for_its_own_purpose_only(api: Api) -> None:
    await api.do("register", registration_input())
    token = await api.link("anna@example.com", "activation")

    assert await refusal_codes(api, "resetPassword", {"token": token, "password": NEW_PASSWORD}) == INVALID_LINK
    assert (
        await refusal_codes(api, "acceptInvitation", {"token": token, "name": "A B", "password": NEW_PASSWORD})
        == INVALID_LINK
    )


async def test_no_table_contains_a_password_or_a_token(api: Api) -> None:
    """Only the digest of the token and the hash of the password are stored. tests/models/audit covers whole runs."""
    await api.do("register", registration_input())
    token = await api.link("anna@example.com", "activation")
    row = await db.fetch_one("SELECT token_digest FROM user_tokens", row=db.Row)
    user = await User.get()

    assert row is not None
    assert row.token_digest == tokens.digest(token)
    assert user.password_hash is not None
    assert user.password_hash.startswith("$argon2id$")
    assert KEY not in str(await db.fetch("SELECT m::text FROM messages m", row=db.Row))
