"""Inputs and expected errors for tests of logins."""

from typing import Any

from tests.api import PASSWORD, Api

NEW_PASSWORD = "marble thicket cobalt"
INVALID_LINK = [("TOKEN_INVALID", ["token"])]
WRONG_CREDENTIALS = [("INVALID_CREDENTIALS", None)]


def registration_input(**fields: object) -> dict[str, object]:
    return {"name": "Anna Nowak", "email": "anna@example.com", "password": PASSWORD, **fields}


def credentials(password: str = PASSWORD, email: str = "anna@example.com") -> dict[str, str]:
    return {"email": email, "password": password}


async def activate(api: Api, password: str = PASSWORD, email: str = "anna@example.com") -> dict[str, Any]:
    """Follow the newest activation link of an address, and choose a password."""
    return await api.do("activate", {"token": await api.link(email, "activation"), "password": password}, "accessToken")


async def sign_in(api: Api, password: str = PASSWORD, email: str = "anna@example.com") -> dict[str, Any]:
    return await api.do("signIn", credentials(password, email), "accessToken viewer { user { id } }")
