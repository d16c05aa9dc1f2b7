"""An HTTP client for tests of the API, on a real database."""

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
from models.access.reauthentication import MAX_AGE
from models.outbox.message import LinkPurpose, Message
from resolvers import ids

KEY = "a link key for tests, long enough to be one"
PUBLIC_URL = "http://fullmakt.example.com"
PASSWORD = "kestrel orbit lantern"
UNKNOWN_ID = ids.encode("Account", UUID(int=7))
"""A valid id of an account that does not exist."""


@dataclass
class Clock:
    """The clock of the application. The test moves it."""

    now: datetime = field(default_factory=lambda: datetime.now(UTC).replace(microsecond=0))

    def __call__(self) -> datetime:
        return self.now

    def forward(self, **amount: float) -> None:
        """Move the clock forward: `forward(days=7)`."""
        self.now += timedelta(**amount)


@dataclass(frozen=True)
class Response:
    """The response to a GraphQL request."""

    status: int
    body: dict[str, Any]

    @property
    def data(self) -> Any:
        """The data. Fails if there is a top-level error."""
        assert "errors" not in self.body, self.body
        return self.body["data"]

    @property
    def partial(self) -> Any:
        """The data of a response with errors."""
        return self.body["data"]

    @property
    def errors(self) -> list[dict[str, Any]]:
        """The top-level errors."""
        errors: list[dict[str, Any]] = self.body.get("errors", [])
        return errors

    @property
    def codes(self) -> list[str]:
        """The codes of the top-level errors, in order."""
        return [error["extensions"]["code"] for error in self.errors]


@dataclass(frozen=True)
class Person:
    """A signed-in user, with the account that they registered."""

    email: str
    token: str
    user_id: str
    account_id: str


class Api:
    """An HTTP client of an application.

    As the client of a product does, it answers REAUTHENTICATION_REQUIRED with the password and sends the mutation
    again, so that tests can move the clock. Tests of re-authentication set `reauthenticates` to False.
    """

    def __init__(self, http: httpx2.AsyncClient, clock: Clock, app: ASGIApp | None = None) -> None:
        self.http = http
        self.clock = clock
        self.reauthenticates = True
        self._app = app

    def at(self, address: str) -> "Api":
        """Return a client of the same application with another network address."""
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
    ) -> Response:
        """Send an operation as `by` (a user or a token), with `account` as the X-Account header."""
        token = by.token if isinstance(by, Person) else by
        request_headers = {
            **({"Authorization": f"Bearer {token}"} if token else {}),
            **({"X-Account": account} if account is not None else {}),
            **(headers or {}),
        }
        body = {"query": query, "variables": dict(variables or {})}
        response = await self._post(body, request_headers)
        if self.reauthenticates and _lacks_proof(response) and await self._reauthenticate(request_headers):
            response = await self._post(body, request_headers)
        return response

    async def keep_proof(self, by: Person | str) -> None:
        """Prove again if the proof of a session is too old, unless the test has turned this off."""
        response = await self.ask("{ viewer { session { authenticatedAt } } }", by=by)
        viewer = (response.body.get("data") or {}).get("viewer")
        proof = viewer and viewer["session"]["authenticatedAt"]
        if self.reauthenticates and proof and self.clock.now - datetime.fromisoformat(proof) >= MAX_AGE:
            token = by.token if isinstance(by, Person) else by
            _ = await self._reauthenticate({"Authorization": f"Bearer {token}"})

    async def _post(self, body: Mapping[str, Any], headers: Mapping[str, str]) -> Response:
        http_response = await self.http.post("/graphql", json=body, headers=headers)
        return Response(http_response.status_code, http_response.json())

    async def _reauthenticate(self, headers: Mapping[str, str]) -> bool:
        """Prove again with the password. False for a user with another password or a second factor."""
        document = "mutation ($input: ReauthenticateInput!) { reauthenticate(input: $input) { errors { code } } }"
        response = await self._post({"query": document, "variables": {"input": {"password": PASSWORD}}}, headers)
        return not response.data["reauthenticate"]["errors"]

    async def do(
        self, mutation: str, input_: Mapping[str, Any] | None, selection: str = "", *, by: Person | str | None = None
    ) -> dict[str, Any]:
        """Run a mutation and return its payload. `selection` names its fields besides `errors`."""
        name = mutation[0].upper() + mutation[1:]
        parameters = (f"($input: {name}Input!)", "(input: $input)") if input_ is not None else ("", "")
        document = (
            f"mutation{parameters[0]} {{ {mutation}{parameters[1]} {{ {selection} errors {{ code field message }} }} }}"
        )
        response = await self.ask(document, {"input": input_} if input_ is not None else {}, by=by)
        payload: dict[str, Any] = response.data[mutation]
        return payload

    async def link(self, email: str, purpose: str) -> str:
        """Return the token in the newest message with this purpose to an address."""
        message = await Message.filter(to_address=email, link_purpose=LinkPurpose(purpose)).order_by("-id").first()
        assert message is not None, f"no message with a link for {purpose} to {email}"
        assert message.link_seed is not None
        return tokens.derive(KEY, purpose, message.link_seed)

    async def person(self, email: str, name: str = "Anna Nowak", **arguments: object) -> Person:
        """Register, activate and sign in a new user."""
        input_ = {"name": name, "email": email, "password": PASSWORD, **arguments}
        payload = await self.do("register", input_, "registrationSecret")
        assert payload["errors"] == []
        selection = "accessToken viewer { user { id } currentAccount { id } }"
        secret = payload["registrationSecret"]
        activation = {"token": await self.link(email, "activation"), "registrationSecret": secret}
        payload = await self.do("activate", activation, selection)
        assert payload["errors"] == []
        viewer = payload["viewer"]
        return Person(email, payload["accessToken"], viewer["user"]["id"], viewer["currentAccount"]["id"])

    async def sign_in(self, person: Person) -> Person:
        """Return the user with a new session. It starts in the account that they used last."""
        payload = await self.do("signIn", {"email": person.email, "password": PASSWORD}, "accessToken")
        assert payload["errors"] == []
        return replace(person, token=payload["accessToken"])

    async def guest(self, owner: Person, email: str, role: str, **arguments: object) -> tuple[Person, str]:
        """Invite a new user to the owner's account. Return the user, and the id of their grant."""
        input_ = {"accountId": owner.account_id, "email": email, "role": role, **arguments}
        payload = await self.do("inviteUser", input_, by=owner)
        assert payload["errors"] == []
        acceptance = await self.do(
            "acceptInvitation",
            {"token": await self.link(email, "invitation"), "name": "Bo Berg", "password": PASSWORD},
            "accessToken grant { id } viewer { user { id } }",
        )
        assert acceptance["errors"] == []
        user_id = acceptance["viewer"]["user"]["id"]
        return Person(email, acceptance["accessToken"], user_id, owner.account_id), acceptance["grant"]["id"]


@asynccontextmanager
async def run_application(
    application: Starlette, url: str = PUBLIC_URL, *, headers: Mapping[str, str] | None = None, **transport: Any
) -> AsyncGenerator[httpx2.AsyncClient]:
    """Run an application in this process until the block ends. Yields an HTTP client of it."""
    asgi_transport = httpx2.ASGITransport(app=application, **transport)
    async with (
        application.router.lifespan_context(application),
        httpx2.AsyncClient(transport=asgi_transport, base_url=url, headers=headers) as http,
    ):
        yield http


def _lacks_proof(response: Response) -> bool:
    """True if the only mutation of a request was refused for want of a recent proof."""
    payloads = [*(response.body.get("data") or {}).values()]
    errors = payloads[0].get("errors", []) if len(payloads) == 1 and isinstance(payloads[0], dict) else []
    return any(error.get("code") == "REAUTHENTICATION_REQUIRED" for error in errors)


def codes(payload: Mapping[str, Any]) -> list[tuple[str, list[str] | None]]:
    """Return the code and field of each error of a payload."""
    return [(error["code"], error["field"]) for error in payload["errors"]]


def comparable_rows(table: str) -> str:
    """Return the SQL of a table's rows that a rejected request must not change.

    A forbidden request writes an event with its chain links, and a wrong secret is counted in `guesses`.
    """
    forbidden = "SELECT id FROM events WHERE type LIKE 'refused:%'"
    conditions = {
        "events": f"id NOT IN ({forbidden})",
        "event_links": f"event_id NOT IN ({forbidden})",
        "guesses": "FALSE",
        "passkey_challenges": "FALSE",  # a challenge is used up by a refused credential, too
    }
    return f"(SELECT * FROM {table} WHERE {conditions.get(table, 'TRUE')}) t"


async def count_rows() -> dict[str, int]:
    """Count the rows of each table that a rejected request must not change."""
    sql = " UNION ALL ".join(f"SELECT '{t}' AS name, count(*)::int AS rows FROM {comparable_rows(t)}" for t in TABLES)
    return {row.name: row.rows for row in await db.fetch(sql, row=db.Row)}


TABLES = (
    "users",
    "user_tokens",
    "former_addresses",
    "second_factors",
    "recovery_codes",
    "passkeys",
    "passkey_challenges",
    "sessions",
    "accounts",
    "limit_raises",
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
    "mail_blocks",
    "contacts",
    "products",
    "document_series",
    "sales_documents",
    "document_lines",
    "document_payments",
    "document_files",
    "document_deliveries",
    "expenses",
    "expense_amounts",
    "exports",
    "export_parts",
    "documents",
    "events",
    "event_links",
    "messages",
)
