"""The graph as its clients see it: everything over HTTP, on a real database."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx2
from starlette.applications import Starlette
from starlette.types import ASGIApp

from auth import tokens
from database import db
from models.outbox.message import LinkPurpose, Message
from resolvers import ids

KEY = "a link key for tests, long enough to be one"
PUBLIC_URL = "http://fullmakt.example.com"
PASSWORD = "kestrel orbit lantern"
NOWHERE = ids.encode("Account", UUID(int=7))
"""The well-formed id of an account that does not exist."""


@dataclass
class Clock:
    """The time, as far as the application knows; moved by the test."""

    now: datetime = field(default_factory=lambda: datetime.now(UTC).replace(microsecond=0))

    def __call__(self) -> datetime:
        return self.now

    def forward(self, **amount: float) -> None:
        """Let time pass: `forward(days=7)`."""
        self.now += timedelta(**amount)


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    body: dict[str, Any]

    @property
    def data(self) -> Any:
        """The data, where there must be no top-level error."""
        assert "errors" not in self.body, self.body
        return self.body["data"]

    @property
    def partial(self) -> Any:
        """The data beside errors."""
        return self.body["data"]

    @property
    def errors(self) -> list[dict[str, Any]]:
        """The top-level errors."""
        found: list[dict[str, Any]] = self.body.get("errors", [])
        return found

    @property
    def codes(self) -> list[str]:
        """The codes of the top-level errors, in order."""
        return [error["extensions"]["code"] for error in self.errors]


@dataclass(frozen=True)
class Person:
    """Somebody signed in, with the account he registered."""

    email: str
    token: str
    user_id: str
    account_id: str


class Api:
    """A client of one application."""

    def __init__(self, http: httpx2.AsyncClient, clock: Clock, app: ASGIApp | None = None) -> None:
        self.http = http
        self.clock = clock
        self._app = app

    def at(self, address: str) -> "Api":
        """The same application, asked from another client address."""
        assert self._app is not None
        transport = httpx2.ASGITransport(app=self._app, client=(address, 1))
        return Api(httpx2.AsyncClient(transport=transport, base_url=PUBLIC_URL), self.clock, self._app)

    async def ask(
        self,
        query: str,
        variables: Mapping[str, Any] | None = None,
        *,
        by: Person | str | None = None,
        account: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Send an operation, as `by` (a person or a token), in the account of an X-Account header."""
        token = by.token if isinstance(by, Person) else by
        sent = {
            **({"Authorization": f"Bearer {token}"} if token else {}),
            **({"X-Account": account} if account is not None else {}),
            **(headers or {}),
        }
        body = {"query": query, "variables": dict(variables or {})}
        response = await self.http.post("/graphql", json=body, headers=sent)
        return Answer(response.status_code, response.json())

    async def do(
        self, mutation: str, given: Mapping[str, Any] | None, show: str = "", *, by: Person | str | None = None
    ) -> dict[str, Any]:
        """Run a mutation and give its payload; `show` selects what of it, beside the errors."""
        name = mutation[0].upper() + mutation[1:]
        taken = (f"($input: {name}Input!)", "(input: $input)") if given is not None else ("", "")
        document = f"mutation{taken[0]} {{ {mutation}{taken[1]} {{ {show} errors {{ code field message }} }} }}"
        answer = await self.ask(document, {"input": given} if given is not None else {}, by=by)
        payload: dict[str, Any] = answer.data[mutation]
        return payload

    async def link(self, email: str, purpose: str) -> str:
        """The token in the newest mail of that purpose to an address."""
        mail = await Message.filter(to_address=email, link_purpose=LinkPurpose(purpose)).order_by("-id").first()
        assert mail is not None, f"no mail with a link of {purpose} to {email}"
        assert mail.link_seed is not None
        return tokens.derive(KEY, purpose, mail.link_seed)

    async def person(self, email: str, name: str = "Anna Nowak", **more: object) -> Person:
        """Somebody who has registered, followed his link, and is signed in."""
        done = await self.do("register", {"name": name, "email": email, "password": PASSWORD, **more})
        assert done["errors"] == []
        shown = "accessToken viewer { user { id } currentAccount { id } }"
        done = await self.do("activate", {"token": await self.link(email, "activation")}, shown)
        assert done["errors"] == []
        viewer = done["viewer"]
        return Person(email, done["accessToken"], viewer["user"]["id"], viewer["currentAccount"]["id"])

    async def sign_in(self, person: Person) -> Person:
        """The same person with a new session, which starts in the account that they used last."""
        payload = await self.do("signIn", {"email": person.email, "password": PASSWORD}, "accessToken")
        assert payload["errors"] == []
        return replace(person, token=payload["accessToken"])

    async def guest(self, owner: Person, email: str, role: str, **more: object) -> tuple[Person, str]:
        """Somebody new who has accepted an invitation to the owner's account; and his grant's id."""
        given = {"accountId": owner.account_id, "email": email, "role": role, **more}
        done = await self.do("inviteUser", given, by=owner)
        assert done["errors"] == []
        accepted = await self.do(
            "acceptInvitation",
            {"token": await self.link(email, "invitation"), "name": "Bo Berg", "password": PASSWORD},
            "accessToken grant { id } viewer { user { id } }",
        )
        assert accepted["errors"] == []
        user_id = accepted["viewer"]["user"]["id"]
        return Person(email, accepted["accessToken"], user_id, owner.account_id), accepted["grant"]["id"]


@asynccontextmanager
async def running(
    application: Starlette, url: str = PUBLIC_URL, *, headers: Mapping[str, str] | None = None, **transport: Any
) -> AsyncGenerator[httpx2.AsyncClient]:
    """A client of an application that runs in this process, until the block ends."""
    through = httpx2.ASGITransport(app=application, **transport)
    async with (
        application.router.lifespan_context(application),
        httpx2.AsyncClient(transport=through, base_url=url, headers=headers) as http,
    ):
        yield http


def codes(payload: Mapping[str, Any]) -> list[tuple[str, list[str] | None]]:
    """The code and field of each error of a payload."""
    return [(error["code"], error["field"]) for error in payload["errors"]]


def changed(table: str) -> str:
    """The rows of a table as far as a refusal must leave them alone.

    What was forbidden is an event, with its link; what was wrong is counted.
    """
    forbidden = "SELECT id FROM events WHERE type LIKE 'refused:%'"
    own = {
        "events": f"id NOT IN ({forbidden})",
        "event_links": f"event_id NOT IN ({forbidden})",
        "guesses": "FALSE",
    }
    return f"(SELECT * FROM {table} WHERE {own.get(table, 'TRUE')}) t"


async def counts() -> dict[str, int]:
    """How many rows each table has: what a refusal must not change."""
    sql = " UNION ALL ".join(f"SELECT '{t}' AS name, count(*)::int AS rows FROM {changed(t)}" for t in TABLES)
    return {row.name: row.rows for row in await db.fetch(sql, row=db.Row)}


TABLES = (
    "users",
    "user_tokens",
    "second_factors",
    "recovery_codes",
    "sessions",
    "accounts",
    "organization_numbers",
    "bank_accounts",
    "grants",
    "invitations",
    "engagements",
    "ownership_transfers",
    "reminders",
    "access_requests",
    "grant_changes",
    "subscription_entries",
    "idempotency_keys",
    "voucher_batches",
    "vouchers",
    "guesses",
    "documents",
    "events",
    "event_links",
    "messages",
)
