"""Documents that requests name, as tests register and ask them."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, Literal

import app
from models import persisted_operation
from models.base.caller import Caller, OperationConfig
from models.persisted_operation import Document
from settings import Settings
from tests.api import KEY, Api, Clock, Person, running

URL = "http://fullmakt.example.com"
ROLES = "query Roles { roles { role } }"
MINE = "{ viewer { user { email } } }"
SIGN_IN = "mutation ($input: SignInInput!) { signIn(input: $input) { accessToken errors { code } } }"
GRAPHQL_JSON = {"Accept": "application/graphql-response+json"}
OPERATOR = Caller(now=datetime(2026, 1, 1, tzinfo=UTC), config=OperationConfig(KEY))


def digest(text: str) -> str:
    """The name of a text."""
    return sha256(text.encode()).hexdigest()


def apollo(text: str, **more: object) -> dict[str, Any]:
    """What Apollo's protocol adds to a request."""
    return {"extensions": {"persistedQuery": {"version": 1, "sha256Hash": digest(text), **more}}}


async def register(*texts: str, alias: str | None = None) -> None:
    """Do what the operator does."""
    await persisted_operation.add(OPERATOR, "web", [Document(text, alias) for text in texts])


@asynccontextmanager
async def server(url: str, trust: Literal["any", "trusted-for-anonymous", "trusted"]) -> AsyncGenerator[Api]:
    """A client of an application that trusts so many documents."""
    clock = Clock()
    settings = Settings(env="development", database_url=url, secret_key=KEY, public_url=URL, documents=trust)
    application = app.create(settings, clock=clock)
    async with running(application, URL, headers=GRAPHQL_JSON) as http:
        yield Api(http, clock)


async def post(
    api: Api, body: object, *, by: Person | None = None, headers: Mapping[str, str] | None = None
) -> tuple[int, Any]:
    """Status and body of what is answered."""
    sent = {**GRAPHQL_JSON, **({"Authorization": f"Bearer {by.token}"} if by else {}), **(headers or {})}
    response = await api.http.post("/graphql", json=body, headers=sent)
    return response.status_code, response.json()


def refusal(body: dict[str, Any]) -> tuple[str, str]:
    """Code and message of an answer that is one error and nothing else."""
    assert body.keys() == {"errors"}
    (error,) = body["errors"]
    return error["extensions"]["code"], error["message"]


def keeper(found: Mapping[str, str]) -> Callable[[str], Awaitable[str | None]]:
    """Where registered documents are."""

    async def find(key: str) -> str | None:
        return found.get(key)

    return find
