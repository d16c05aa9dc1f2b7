"""Helpers to register persisted operations and to send requests with their ids."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, Literal

import app
from models import persisted_operation
from models.base.caller import Caller, OperationConfig
from models.persisted_operation import PersistedOperation
from settings import Settings
from tests.api import KEY, Api, Clock, Person, run_application

URL = "http://fullmakt.example.com"
ROLES = "query Roles { roles { role } }"
OWN_EMAIL = "{ viewer { user { email } } }"
SIGN_IN = "mutation ($input: SignInInput!) { signIn(input: $input) { accessToken errors { code } } }"
GRAPHQL_JSON = {"Accept": "application/graphql-response+json"}
OPERATOR = Caller(now=datetime(2026, 1, 1, tzinfo=UTC), config=OperationConfig(KEY))


def digest(text: str) -> str:
    """The SHA-256 of a text in hex, which is its id."""
    return sha256(text.encode()).hexdigest()


def apollo(text: str, **extra_keys: object) -> dict[str, Any]:
    """The extensions of Apollo's protocol for automatic persisted queries."""
    return {"extensions": {"persistedQuery": {"version": 1, "sha256Hash": digest(text), **extra_keys}}}


async def register(*texts: str, alias: str | None = None) -> None:
    """Register operations, as the operator does."""
    await persisted_operation.add(OPERATOR, "web", [PersistedOperation(text, alias) for text in texts])


@asynccontextmanager
async def server(url: str, trust: Literal["any", "trusted-for-anonymous", "trusted"]) -> AsyncGenerator[Api]:
    """A client of an application with this trust policy."""
    clock = Clock()
    settings = Settings(env="development", database_url=url, secret_key=KEY, public_url=URL, documents=trust)
    application = app.create(settings, clock=clock)
    async with run_application(application, URL, headers=GRAPHQL_JSON) as http:
        yield Api(http, clock)


async def post(
    api: Api, body: object, *, by: Person | None = None, headers: Mapping[str, str] | None = None
) -> tuple[int, Any]:
    """The status and the body of a response."""
    request_headers = {**GRAPHQL_JSON, **({"Authorization": f"Bearer {by.token}"} if by else {}), **(headers or {})}
    response = await api.http.post("/graphql", json=body, headers=request_headers)
    return response.status_code, response.json()


def sole_error(body: dict[str, Any]) -> tuple[str, str]:
    """The code and the message of a response that has one error and no data."""
    assert body.keys() == {"errors"}
    (error,) = body["errors"]
    return error["extensions"]["code"], error["message"]


def lookup(texts: Mapping[str, str]) -> Callable[[str], Awaitable[str | None]]:
    """A function that finds the text of a registered operation in `texts`."""

    async def find(key: str) -> str | None:
        return texts.get(key)

    return find
