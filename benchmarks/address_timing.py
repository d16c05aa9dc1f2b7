"""Response times that must not reveal whether an address, a token or an account number exists.

A production server with its own database gets the requests over one connection. Known and unknown values take turns.
Rows show medians. The goal limits the difference of the medians, in milliseconds.
"""

import asyncio
import http.client
import re
import time
from base64 import b32decode
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from statistics import median
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit
from uuid import UUID

import asyncpg
import msgspec

from auth import tokens, totp
from auth.policy import Role
from benchmarks.measurement import Goal, Row, Section
from benchmarks.server import UnexpectedResponse, environment, serve
from database import db, migrate
from models.accounts import account
from models.accounts.account import Account
from models.base.caller import Caller, OperationConfig
from models.outbox.message import LinkPurpose, Message
from models.people import activation, registration, second_factor, user
from models.people.session import NewSession
from models.privacy import erasure
from models.sharing import invitation
from models.tables import SCHEMA
from resolvers import ids

MAX_DIFFERENCE_MS: Final = 10
TURNS: Final = 500
WARM_UP_TURNS: Final = 5
PASSWORD: Final = "kestrel orbit lantern"  # noqa: S105 - an example
WRONG_PASSWORD: Final = "a wrong guess"  # noqa: S105 - the same
DATABASE: Final = "address_timing"
KEY: Final = environment("", "")["FULLMAKT_SECRET_KEY"]

BodyFactory = Callable[[int], bytes]


# ---- Fixtures --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Fixtures:
    """The users, accounts and tokens that the cases refer to."""

    url: str
    token: str
    bureau_id: UUID
    account_id: UUID
    foreign_account: Account
    revoked_token: str


async def prepare_fixtures(server_url: str) -> Fixtures:
    """Create a new database with the caller and with the users and accounts that the requests name."""
    url = urlunsplit(urlsplit(server_url)._replace(path=f"/{DATABASE}"))
    await _execute(server_url, f"DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)", f"CREATE DATABASE {DATABASE}")
    await migrate.migrate(url, SCHEMA)
    async with db.connection(url, SCHEMA, pool_size=2):
        caller_id, token = await _create_user("caller@example.com")
        bureau_id = await account.create(_caller(caller_id), name="Bureau", kind=account.AccountKind.BUREAU)
        own_account = await Account.get(owner_id=caller_id, kind=account.AccountKind.BUSINESS)
        for email in ("known@example.com", "erased@example.com"):
            await _create_user(email)
        await registration.register(_caller(), name="Waiting", email="waiting@example.com", password=PASSWORD)
        await _add_second_factor(await _sign_up("factor@example.com"))
        erased_user = await user.User.get(email="erased@example.com")
        await erasure.erase(_caller(erased_user.id), password=PASSWORD)
        registered_user = await user.User.get(email="known@example.com")
        invitation_id = await invitation.issue(
            _caller(caller_id), own_account.id, email="revoked@example.com", role=Role.ACCOUNTANT
        )
        revoked_token = await _load_token("revoked@example.com", LinkPurpose.INVITATION)
        await invitation.revoke(_caller(caller_id), invitation_id)
        return Fixtures(
            url, token, bureau_id, own_account.id, await Account.get(owner_id=registered_user.id), revoked_token
        )


def _caller(user_id: UUID | None = None, session_id: UUID | None = None) -> Caller:
    config = OperationConfig(KEY, trial_days=300, free_seats=100_000, trials_per_user=100)
    now = datetime.now(UTC)
    return Caller(now=now, config=config, user_id=user_id, session_id=session_id, authenticated_at=now)


async def _create_user(email: str) -> tuple[UUID, str]:
    """Create an active user. Return their id and the token of a session."""
    sign_in = await _sign_up(email)
    return sign_in.session.user_id, sign_in.access_token


async def _sign_up(email: str) -> NewSession:
    secret = await registration.register(_caller(), name="Anna Nowak", email=email, password=PASSWORD)
    token = await _load_token(email, LinkPurpose.ACTIVATION)
    return await activation.activate(_caller(), token=token, registration_secret=secret)


async def _load_token(email: str, purpose: LinkPurpose) -> str:
    message = await Message.filter(to_address=email, link_purpose=purpose).order_by("-id").first()
    if message is None or message.link_seed is None:
        raise UnexpectedResponse(f"No message to {email}.")
    return tokens.derive(KEY, purpose, message.link_seed)


async def _add_second_factor(sign_in: NewSession) -> None:
    caller = _caller(sign_in.session.user_id, sign_in.session.id)
    enrolment = await second_factor.enroll(caller, password=PASSWORD)
    secret = b32decode(enrolment.secret.replace(" ", ""))
    await second_factor.confirm(caller, code=totp.code(secret, totp.step_at(datetime.now(UTC))))


async def _execute(url: str, *statements: str) -> None:
    connection = await asyncpg.connect(url.replace("asyncpg:", "postgresql:", 1))
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


# ---- Requests --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Case:
    """Requests that must get the same response. The first one names a value that does not exist."""

    name: str
    contestants: Mapping[str, BodyFactory]
    is_signed_in: bool = False


def list_cases(fixtures: Fixtures) -> list[Case]:
    """List the operations that must not reveal whether a user or an account exists."""
    account_id, bureau = ids.encode("Account", fixtures.account_id), ids.encode("Account", fixtures.bureau_id)
    emails = {"known": "known@example.com", "waiting": "waiting@example.com", "erased": "erased@example.com"}
    unknown_token = tokens.derive(KEY, "x", b"x")
    login = {"name": "A B", "password": PASSWORD}

    def mutations(
        mutation: str, inputs: Mapping[str, Mapping[str, Any]], selection: str = ""
    ) -> dict[str, BodyFactory]:
        return {name: _mutation(mutation, input_, selection) for name, input_ in inputs.items()}

    def mutations_by_email(mutation: str, *names: str, **arguments: object) -> dict[str, BodyFactory]:
        known_emails = {name: emails[name] for name in names}
        return mutations(
            mutation,
            {name: {"email": email, **arguments} for name, email in {"unknown": "{n}", **known_emails}.items()},
        )

    def node_query(id_: str) -> BodyFactory:
        return _query("query ($id: ID!) { node(id: $id) { id } }", {"id": id_})

    role = {"role": "ACCOUNTANT"}
    return [
        Case(
            "signIn",
            mutations_by_email("signIn", "known", "waiting", "erased", password=WRONG_PASSWORD)
            | mutations("signIn", {"with second factor": {"email": "factor@example.com", "password": WRONG_PASSWORD}}),
        ),
        Case("requestPasswordReset", mutations_by_email("requestPasswordReset", "known", "waiting", "erased")),
        Case("resendActivation", mutations_by_email("resendActivation", "known", "waiting", "erased")),
        Case("register", mutations_by_email("register", "known", "waiting", name="Anna Nowak", password=PASSWORD)),
        Case(
            "invitation",
            {
                name: _query("query ($token: String!) { invitation(token: $token) { email } }", {"token": token})
                for name, token in {"unknown": unknown_token, "revoked": fixtures.revoked_token}.items()
            },
        ),
        Case(
            "acceptInvitation",
            mutations(
                "acceptInvitation",
                {"unknown": {"token": unknown_token, **login}, "revoked": {"token": fixtures.revoked_token, **login}},
            ),
        ),
        Case(
            "requestAccess",
            mutations(
                "requestAccess",
                {
                    "unknown": {"accountNumber": 987_654_321, **role},
                    "known": {"accountNumber": fixtures.foreign_account.number, **role},
                },
            ),
            is_signed_in=True,
        ),
        Case(
            "engageBureau",
            mutations(
                "engageBureau",
                {
                    "unknown": {"bureauAccountId": bureau, "clientNumber": 987_654_321},
                    "known": {"bureauAccountId": bureau, "clientNumber": fixtures.foreign_account.number},
                },
            ),
            is_signed_in=True,
        ),
        Case(
            "createClientAccount",
            mutations(
                "createClientAccount",
                {
                    name: {"bureauAccountId": bureau, "name": "Client", "ownerName": "Anna Nowak", "ownerEmail": email}
                    for name, email in {"unknown": "{n}", **emails}.items()
                },
            ),
            is_signed_in=True,
        ),
        Case(
            "inviteUser",
            mutations_by_email("inviteUser", "known", "waiting", accountId=account_id, role="ACCOUNTANT"),
            is_signed_in=True,
        ),
        Case(
            "node",
            {
                "unknown": node_query(ids.encode("Account", UUID(int=7))),
                "malformed": node_query("malformed"),
                "foreign": node_query(ids.encode("Account", fixtures.foreign_account.id)),
                "foreign user": node_query(ids.encode("User", fixtures.foreign_account.owner_id)),
            },
            is_signed_in=True,
        ),
    ]


def _mutation(name: str, input_: Mapping[str, Any], selection: str = "") -> BodyFactory:
    input_type = f"{name[0].upper()}{name[1:]}Input"
    query = f"mutation ($input: {input_type}!) {{ {name}(input: $input) {{ {selection} errors {{ code }} }} }}"
    return _query(query, {"input": input_})


def _query(query: str, variables: Mapping[str, Any]) -> BodyFactory:
    """Return a function that encodes the body for a turn. `{n}` is replaced by an address that no earlier turn used."""
    body = msgspec.json.encode({"query": query, "variables": variables})
    return lambda turn: body.replace(b"{n}", b"unknown-%d@example.com" % turn)


# ---- Measuring -------------------------------------------------------------------------------

# Removes the effects of a request, so that every request starts from the same state.
_RESET_STATEMENTS: Final = (
    "UPDATE guesses SET tried = '{}' WHERE tried <> '{}'",
    "DELETE FROM access_requests",
    "DELETE FROM engagement_requests",
    "DELETE FROM engagements WHERE status = 'PENDING'",
    "DELETE FROM invitations WHERE status = 'PENDING'",
)


def measure(server_url: str, turns: int = TURNS, *, warm_up_turns: int = WARM_UP_TURNS) -> Section:
    """Measure each case. Its requests take turns."""
    fixtures = asyncio.run(prepare_fixtures(server_url))
    raw: dict[str, object] = {}
    rows: list[Row] = []
    with serve(fixtures.url) as server, asyncio.Runner() as runner, _open_connection(server.url) as send:
        database = runner.run(_connect_to_database(fixtures.url))
        for case in list_cases(fixtures):
            times: dict[str, list[float]] = {name: [] for name in case.contestants}
            names = list(case.contestants)
            responses: set[bytes] = set()
            for turn in range(turns + warm_up_turns):
                for name in names[turn % len(names) :] + names[: turn % len(names)]:
                    runner.run(_reset_state(database))
                    milliseconds, response = send(
                        case.contestants[name](turn), fixtures.token if case.is_signed_in else None
                    )
                    responses.add(response)
                    if turn >= warm_up_turns:
                        times[name].append(milliseconds)
            if len(responses) > 1:
                raise UnexpectedResponse(f"{case.name} has different responses: {responses!r}")
            raw[case.name] = times
            baseline_name, *other_names = names
            rows += [
                _row(f"{case.name}, {name}: {baseline_name}", times[name], times[baseline_name]) for name in other_names
            ]
        runner.run(database.close())
    return Section("alike", rows, raw)


def _row(name: str, times: list[float], baseline_times: list[float]) -> Row:
    difference = abs(median(times) - median(baseline_times))
    return Row(
        f"{name} (difference, ms)",
        median(times),
        median(baseline_times),
        "ms",
        difference,
        Goal(MAX_DIFFERENCE_MS, at_most=True),
    )


async def _connect_to_database(url: str) -> "asyncpg.Connection[asyncpg.Record]":
    return await asyncpg.connect(url.replace("asyncpg:", "postgresql:", 1))


async def _reset_state(database: "asyncpg.Connection[asyncpg.Record]") -> None:
    for statement in _RESET_STATEMENTS:
        await database.execute(statement)


Send = Callable[[bytes, str | None], tuple[float, bytes]]


@contextmanager
def _open_connection(url: str) -> Generator[Send]:
    """Open one connection. The yielded function returns the milliseconds, and the response without its request ids."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port)

    def send(body: bytes, token: str | None) -> tuple[float, bytes]:
        headers = {"Content-Type": "application/json", **({"Authorization": f"Bearer {token}"} if token else {})}
        start = time.perf_counter()
        connection.request("POST", parts.path, body, headers)
        response_body = connection.getresponse().read()
        milliseconds = (time.perf_counter() - start) * 1000
        return milliseconds, _REQUEST_ID.sub(b"", response_body)

    try:
        yield send
    finally:
        connection.close()


_REQUEST_ID: Final = re.compile(rb'"requestId":"\w+"')
