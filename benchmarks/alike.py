"""Who asks about an address, a link or a number learns nothing from the time: known and unknown take turns.

A server in production, on a database of its own, is asked over one connection. Rows show medians; the goal is
their difference in milliseconds.
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
from benchmarks.measure import Goal, Row, Section
from benchmarks.server import NoAnswer, environment, serve
from database import db, migrate
from models.accounts import account
from models.accounts.account import Account
from models.base.caller import Caller, OperationConfig
from models.outbox.message import LinkPurpose, Message
from models.people import activation, registration, second_factor, user
from models.privacy import erasure
from models.sharing import invitation
from models.tables import SCHEMA
from resolvers import ids

MOST_APART_MS: Final = 10
TURNS: Final = 500
WARM: Final = 5
PASSWORD: Final = "kestrel orbit lantern"  # noqa: S105 - of nobody
WRONG: Final = "a wrong guess"
DATABASE: Final = "alike"
KEY: Final = environment("", "")["FULLMAKT_SECRET_KEY"]

Bodies = Callable[[int], bytes]


# ---- Who is there ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Town:
    """The people and accounts of the database."""

    url: str
    token: str
    bureau_id: UUID
    account_id: UUID
    foreign: Account
    dead_link: str


async def settle(server_url: str) -> Town:
    """A new database: somebody who asks, and those about whom one may ask."""
    url = urlunsplit(urlsplit(server_url)._replace(path=f"/{DATABASE}"))
    await _run(server_url, f"DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)", f"CREATE DATABASE {DATABASE}")
    await migrate.migrate(url, SCHEMA)
    async with db.connection(url, SCHEMA, pool_size=2):
        asker_id, token = await _person("asker@example.com")
        bureau_id = await account.create(_caller(asker_id), name="Bureau", kind=account.AccountKind.BUREAU)
        own = await Account.get(owner_id=asker_id, kind=account.AccountKind.BUSINESS)
        for email in ("known@example.com", "factor@example.com", "erased@example.com"):
            await _person(email)
        await registration.register(_caller(), name="Waiting", email="waiting@example.com", password=PASSWORD)
        await _with_factor("factor@example.com")
        erased = await user.User.get(email="erased@example.com")
        await erasure.erase(_caller(erased.id), password=PASSWORD)
        known = await user.User.get(email="known@example.com")
        offered = await invitation.issue(_caller(asker_id), own.id, email="gone@example.com", role=Role.ACCOUNTANT)
        link = await _link("gone@example.com", LinkPurpose.INVITATION)
        await invitation.revoke(_caller(asker_id), offered)
        return Town(url, token, bureau_id, own.id, await Account.get(owner_id=known.id), link)


def _caller(user_id: UUID | None = None) -> Caller:
    return Caller(
        now=datetime.now(UTC), config=OperationConfig(KEY, trial_days=300, free_seats=100_000), user_id=user_id
    )


async def _person(email: str) -> tuple[UUID, str]:
    """Somebody active. His id, and the token of a session."""
    await registration.register(_caller(), name="Somebody", email=email, password=PASSWORD)
    signed_in = await activation.activate(_caller(), token=await _link(email, LinkPurpose.ACTIVATION))
    return signed_in.session.user_id, signed_in.access_token


async def _link(email: str, purpose: LinkPurpose) -> str:
    mail = await Message.filter(to_address=email, link_purpose=purpose).order_by("-id").first()
    if mail is None or mail.link_seed is None:
        raise NoAnswer(f"No mail to {email}.")
    return tokens.derive(KEY, purpose, mail.link_seed)


async def _with_factor(email: str) -> None:
    found = await user.User.get(email=email)
    enrolment = await second_factor.enroll(_caller(found.id), password=PASSWORD)
    secret = b32decode(enrolment.secret.replace(" ", ""))
    await second_factor.confirm(_caller(found.id), code=totp.code(secret, totp.step_at(datetime.now(UTC))))


async def _run(url: str, *statements: str) -> None:
    connection = await asyncpg.connect(url.replace("asyncpg:", "postgresql:", 1))
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


# ---- What is asked ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Case:
    """Questions that have one answer: the first is about what is not there."""

    name: str
    contestants: Mapping[str, Bodies]
    is_signed_in: bool = False


def cases(town: Town) -> list[Case]:
    """Everything that must not tell whether somebody, or something, is there."""
    own, bureau = ids.encode("Account", town.account_id), ids.encode("Account", town.bureau_id)
    emails = {"known": "known@example.com", "waiting": "waiting@example.com", "erased": "erased@example.com"}
    made_up = tokens.derive(KEY, "x", b"x")
    login = {"name": "A B", "password": PASSWORD}

    def each(mutation: str, given: Mapping[str, Mapping[str, Any]], show: str = "") -> dict[str, Bodies]:
        return {name: _mutation(mutation, one, show) for name, one in given.items()}

    def addressed(mutation: str, *names: str, **more: object) -> dict[str, Bodies]:
        given = {name: emails[name] for name in names}
        return each(mutation, {name: {"email": email, **more} for name, email in {"unknown": "{n}", **given}.items()})

    def node(id_: str) -> Bodies:
        return _query("query ($id: ID!) { node(id: $id) { id } }", {"id": id_})

    ask = {"role": "ACCOUNTANT"}
    return [
        Case(
            "signIn",
            addressed("signIn", "known", "waiting", "erased", password=WRONG)
            | each("signIn", {"with second factor": {"email": "factor@example.com", "password": WRONG}}),
        ),
        Case("requestPasswordReset", addressed("requestPasswordReset", "known", "waiting", "erased")),
        Case("resendActivation", addressed("resendActivation", "known", "waiting", "erased")),
        Case("register", addressed("register", "known", "waiting", name="Somebody", password=PASSWORD)),
        Case(
            "invitation",
            {
                name: _query("query ($token: String!) { invitation(token: $token) { email } }", {"token": token})
                for name, token in {"made up": made_up, "dead": town.dead_link}.items()
            },
        ),
        Case(
            "acceptInvitation",
            each(
                "acceptInvitation", {"made up": {"token": made_up, **login}, "dead": {"token": town.dead_link, **login}}
            ),
        ),
        Case(
            "requestAccess",
            each(
                "requestAccess",
                {
                    "not there": {"accountNumber": 987_654_321, **ask},
                    "there": {"accountNumber": town.foreign.number, **ask},
                },
            ),
            is_signed_in=True,
        ),
        Case(
            "engageBureau",
            each(
                "engageBureau",
                {
                    "not there": {"bureauAccountId": bureau, "clientNumber": 987_654_321},
                    "there": {"bureauAccountId": bureau, "clientNumber": town.foreign.number},
                },
            ),
            is_signed_in=True,
        ),
        Case(
            "createClientAccount",
            each(
                "createClientAccount",
                {
                    name: {"bureauAccountId": bureau, "name": "Client", "ownerName": "Somebody", "ownerEmail": email}
                    for name, email in {"unknown": "{n}", **emails}.items()
                },
            ),
            is_signed_in=True,
        ),
        Case(
            "inviteUser",
            addressed("inviteUser", "known", "waiting", accountId=own, role="ACCOUNTANT"),
            is_signed_in=True,
        ),
        Case(
            "node",
            {
                "unknown": node(ids.encode("Account", UUID(int=7))),
                "malformed": node("nothing"),
                "foreign": node(ids.encode("Account", town.foreign.id)),
                "foreign user": node(ids.encode("User", town.foreign.owner_id)),
            },
            is_signed_in=True,
        ),
    ]


def _mutation(name: str, given: Mapping[str, Any], show: str = "") -> Bodies:
    kind = f"{name[0].upper()}{name[1:]}Input"
    text = f"mutation ($input: {kind}!) {{ {name}(input: $input) {{ {show} errors {{ code }} }} }}"
    return _query(text, {"input": given})


def _query(text: str, variables: Mapping[str, Any]) -> Bodies:
    """Its body, with an address that nobody has had yet in the place of {n}."""
    body = msgspec.json.encode({"query": text, "variables": variables})
    return lambda turn: body.replace(b"{n}", b"nobody-%d@example.com" % turn)


# ---- Measuring -------------------------------------------------------------------------------

# What a turn leaves behind, so that each one finds what the first has found.
_AFRESH: Final = (
    "UPDATE guesses SET tried = '{}' WHERE tried <> '{}'",
    "DELETE FROM access_requests",
    "DELETE FROM engagements WHERE status = 'PENDING'",
    "DELETE FROM invitations WHERE status = 'PENDING'",
)


def measure(server_url: str, turns: int = TURNS, *, warm: int = WARM) -> Section:
    """Every case, its contestants in turns."""
    town = asyncio.run(settle(server_url))
    raw: dict[str, object] = {}
    rows: list[Row] = []
    with serve(town.url) as server, asyncio.Runner() as runner, _connected(server.url) as ask:
        database = runner.run(_connection(town.url))
        for case in cases(town):
            found: dict[str, list[float]] = {name: [] for name in case.contestants}
            names = list(case.contestants)
            answers: set[bytes] = set()
            for turn in range(turns + warm):
                for name in names[turn % len(names) :] + names[: turn % len(names)]:
                    runner.run(_afresh(database))
                    took, answer = ask(case.contestants[name](turn), town.token if case.is_signed_in else None)
                    answers.add(answer)
                    if turn >= warm:
                        found[name].append(took)
            if len(answers) > 1:
                raise NoAnswer(f"{case.name} is answered differently: {answers!r}")
            raw[case.name] = found
            first, *others = names
            rows += [_row(f"{case.name}, {other}: {first}", found[other], found[first]) for other in others]
        runner.run(database.close())
    return Section("alike", rows, raw)


def _row(name: str, ours: list[float], other: list[float]) -> Row:
    apart = abs(median(ours) - median(other))
    return Row(f"{name} (apart, ms)", median(ours), median(other), "ms", apart, Goal(MOST_APART_MS, at_most=True))


async def _connection(url: str) -> "asyncpg.Connection[asyncpg.Record]":
    return await asyncpg.connect(url.replace("asyncpg:", "postgresql:", 1))


async def _afresh(database: "asyncpg.Connection[asyncpg.Record]") -> None:
    for statement in _AFRESH:
        await database.execute(statement)


Ask = Callable[[bytes, str | None], tuple[float, bytes]]


@contextmanager
def _connected(url: str) -> Generator[Ask]:
    """One connection that is kept: gives the milliseconds that an answer took, and the answer without its ids."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port)

    def ask(body: bytes, token: str | None) -> tuple[float, bytes]:
        headers = {"Content-Type": "application/json", **({"Authorization": f"Bearer {token}"} if token else {})}
        began = time.perf_counter()
        connection.request("POST", parts.path, body, headers)
        answer = connection.getresponse().read()
        took = (time.perf_counter() - began) * 1000
        return took, _ID.sub(b"", answer)

    try:
        yield ask
    finally:
        connection.close()


_ID: Final = re.compile(rb'"requestId":"\w+"')
