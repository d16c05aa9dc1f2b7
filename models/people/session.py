"""A session is one sign-in of one user on one device; its token is in no row, only its digest.

    start --> open --end--> ended           also ended: idle for 14 days, or 30 days old;
                                            in a browser's cookie, for 30 minutes, or 12 hours old

Every request reads its session from the database, so that an ended one is refused at once.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from tortoise import fields
from tortoise.models import Model
from tortoise.queryset import QuerySet

from auth import tokens
from database import db, keys
from database.coalescing import Coalescer
from i18n import mark
from models import throttle
from models.access import access, factor_requirement, one_time_code
from models.access.access import Access
from models.audit import event
from models.base.caller import Caller
from models.base.errors import UserErrorCode, not_found, refuse

LASTS: Final = timedelta(days=30)
IDLE_AFTER: Final = timedelta(days=14)
LASTS_IN_COOKIE: Final = timedelta(hours=12)
IDLE_IN_COOKIE_AFTER: Final = timedelta(minutes=30)
MOST_PER_USER: Final = 20
_NOTED_EVERY: Final = timedelta(minutes=1)


class Session(Model):
    """A sign-in."""

    id = fields.UUIDField(primary_key=True, default=keys.uuid7)
    user_id = fields.UUIDField()
    account_id: UUID | None = fields.UUIDField(null=True)
    in_cookie = fields.BooleanField()
    token_digest = fields.BinaryField()
    created_at = fields.DatetimeField()
    last_used_at = fields.DatetimeField()
    expires_at = fields.DatetimeField()
    ended_at: datetime | None = fields.DatetimeField(null=True)
    user_agent: str | None = fields.TextField(null=True)
    ip_address: str | None = fields.TextField(null=True)

    class Meta(Model.Meta):
        """Where the rows are."""

        table = "sessions"


class SessionRow(db.Row):
    """An open session, without its digest."""

    graphql_type = "Session"

    id: UUID
    user_id: UUID
    account_id: UUID | None
    created_at: datetime
    last_used_at: datetime
    expires_at: datetime
    user_agent: str | None
    ip_address: str | None


@dataclass(frozen=True, slots=True)
class SignedIn:
    """What signing in gives: the session, and its token, which is shown this once."""

    session: SessionRow
    access_token: str = field(repr=False)


_ENDS_AT: Final = """LEAST(s.expires_at,
    s.last_used_at + CASE WHEN s.in_cookie THEN interval '30 minutes' ELSE interval '14 days' END)"""
COLUMNS: Final = {
    **db.columns("s", "id user_id account_id created_at last_used_at user_agent ip_address"),
    "expires_at": f"{_ENDS_AT} AS expires_at",
}
_ALL: Final = ", ".join(COLUMNS.values())
OPEN: Final = f"s.ended_at IS NULL AND {_ENDS_AT} > {{0}}"
"""The condition that a session is open at the instant {0}."""
_OPEN: Final = OPEN.format("$2")
_GRANT: Final = {f"grant_{name}": sql.partition(" AS ")[0] for name, sql in access.COLUMNS.items()}
# The session, its user, and his grant on the account that the request is in: one round trip.
_BEARER: Final = f"""
SELECT {_ALL}, u.name, u.email, u.locale, u.activated_at, u.created_at AS user_created_at,
    {", ".join(f"{sql} AS {name}" for name, sql in _GRANT.items())}
FROM sessions s JOIN users u ON u.id = s.user_id
LEFT JOIN (grants g JOIN accounts a ON a.id = g.account_id AND a.closed_at IS NULL)
    ON g.user_id = s.user_id AND g.account_id = COALESCE({{account}}, s.account_id) AND g.status = 'ACTIVE'
    AND (g.valid_until IS NULL OR g.valid_until > {{now}})
WHERE {{which}} AND {OPEN.format("{now}")}
"""
_BY_ID: Final = _BEARER.format(which="s.id = $1", now="$2", account="$3::uuid")
_SHOWN: Final = "s.token_digest = w.digest AND s.in_cookie = w.in_cookie"
# For many requests at once, each looked up by itself, whatever the planner expects of their number.
_BY_TOKENS: Final = f"""
SELECT w.place, b.* FROM unnest($1::bytea[], $2::timestamptz[], $3::uuid[], $4::boolean[])
    WITH ORDINALITY AS w (digest, now, account_id, in_cookie, place)
CROSS JOIN LATERAL (
    {_BEARER.format(which=_SHOWN, now="w.now", account="w.account_id")}
    LIMIT 1) b
"""
_BY_IDS: Final = f"SELECT {_ALL} FROM sessions s WHERE s.id = ANY($1::uuid[]) AND {_OPEN}"


class Bearer(SessionRow):
    """The session that a request came with, its user, and his grant on the account it is in."""

    name: str
    email: str
    locale: str
    activated_at: datetime
    user_created_at: datetime
    grant_id: UUID | None

    def user(self) -> db.Columns:
        """The user, with the columns that a row of users has."""
        own = {name: self[name] for name in ("name", "email", "locale", "activated_at")}
        return own | {"id": self["user_id"], "created_at": self["user_created_at"]}

    @property
    def lacks_factor(self) -> bool:
        """Whether nothing but a second factor keeps the user out of the account that the request is in."""
        return self["grant_id"] is not None and bool(self["grant_factor_missing"])

    def entered(self, now: datetime) -> Access | None:
        """The user's access to the account that the request is in, or None."""
        if self["grant_id"] is None:
            return None
        return access.effective_access({name: self[f"grant_{name}"] for name in access.COLUMNS}, now)


async def by_token(
    token: str, *, now: datetime, in_cookie: bool = False, account_id: UUID | None = None
) -> Bearer | None:
    """The open session of a token that came as it is kept, or None; in an account, by default the session's own.

    What leaks from a cookie is no bearer token, and a bearer token planted as a cookie signs nobody in.
    """
    return await _bearer((tokens.digest(token), now, account_id, in_cookie))


async def _by_tokens(shown: list[tuple[bytes, datetime, UUID | None, bool]]) -> list[Bearer | None]:
    """The same for requests that came at the same moment: one statement."""
    found: list[Bearer | None] = [None] * len(shown)
    for row in await db.fetch(_BY_TOKENS, *zip(*shown, strict=True), row=Bearer):
        found[row["place"] - 1] = row
    return found


_bearer: Final = Coalescer(_by_tokens)


async def by_id(session_id: UUID, *, now: datetime, account_id: UUID | None = None) -> Bearer | None:
    """The same of a session that is known already."""
    return await db.fetch_one(_BY_ID, session_id, now, account_id, row=Bearer)


async def by_ids(ids: list[UUID], *, now: datetime) -> list[SessionRow | None]:
    """The open ones of these sessions, in this order."""
    return db.in_order(ids, await db.fetch(_BY_IDS, ids, now, row=SessionRow))


async def start(
    caller: Caller, user_id: UUID, *, account_id: UUID | None = None, factor_shown: bool = False
) -> SignedIn:
    """Open a session with a new token, within the caller's transaction, which has locked the user.

    It begins in `account_id`, or in the account that the user was in last. A user has at most
    MOST_PER_USER sessions; the one used longest ago makes room. A browser's cookie holds one: the one
    that it held, whoever's it was, ends. Every way to a session ends here:
    raises Refusal SIGN_IN_REQUIRED for one that went round the user's second factor.
    """
    if not factor_shown and await one_time_code.is_demanded(user_id):
        raise refuse(UserErrorCode.SIGN_IN_REQUIRED, None, mark("Sign in with your second factor."))
    if caller.in_cookie and caller.session_id is not None:
        await _end_own(caller)
    token = tokens.random_token()
    session_id = keys.uuid7()
    last = await db.fetch_one(_LAST_ACCOUNT, user_id, caller.now, row=_Account)
    _ = await Session.create(
        id=session_id,
        user_id=user_id,
        account_id=account_id or (last and last.account_id),
        in_cookie=caller.in_cookie,
        token_digest=tokens.digest(token),
        created_at=caller.now,
        last_used_at=caller.now,
        expires_at=caller.now + (LASTS_IN_COOKIE if caller.in_cookie else LASTS),
        user_agent=caller.user_agent,
        ip_address=caller.ip_address,
    )
    await db.execute(_MAKE_ROOM, user_id, caller.now, MOST_PER_USER)
    await throttle.trust_network(caller, user_id)
    await event.record(caller, "user:session:start", actor_id=user_id)
    row = await db.fetch_one(_BY_IDS, [session_id], caller.now, row=SessionRow)
    assert row is not None  # just written  # noqa: S101
    return SignedIn(row, token)


class _Account(db.Row):
    account_id: UUID


_LAST_ACCOUNT: Final = f"""
SELECT g.account_id FROM grants g WHERE g.user_id = $1 AND g.status = 'ACTIVE'
    AND (g.valid_until IS NULL OR g.valid_until > $2) AND NOT {factor_requirement.by_grant("g")}
ORDER BY g.last_used_at DESC NULLS LAST, g.id LIMIT 1
"""
# Those that are over take no room: a browser leaves many, and would push a telephone out that is still signed in.
_MAKE_ROOM: Final = f"""
UPDATE sessions SET ended_at = $2 WHERE id IN (
    SELECT s.id FROM sessions s WHERE s.user_id = $1 AND {_OPEN}
    ORDER BY s.last_used_at DESC, s.id DESC OFFSET $3)
"""


async def note_use(row: SessionRow, *, now: datetime) -> None:
    """Remember that a session is in use; at most one write a minute."""
    if now - row.last_used_at >= _NOTED_EVERY:
        await Session.filter(id=row.id, last_used_at__lt=now).update(last_used_at=now)


async def end_current(caller: Caller) -> None:
    """Sign out: end the session that asks."""
    async with db.transaction():
        await _end_own(caller)


async def _end_own(caller: Caller) -> None:
    if await _open(caller.user()).filter(id=caller.session_id).update(ended_at=caller.now):
        await event.record(caller, "user:session:end")


async def revoke(caller: Caller, session_id: UUID) -> UUID:
    """End one session of the caller's own. Returns its id."""
    user_id = caller.user()
    async with db.transaction():
        if not await _open(user_id).filter(id=session_id).update(ended_at=caller.now):
            raise not_found("session_id")
        await event.record(caller, "user:session:revoke", after={"session": str(session_id)})
    return session_id


async def revoke_others(caller: Caller) -> int:
    """End all sessions of the caller but the one that asks. Returns how many."""
    async with db.transaction():
        return await end_others(caller, caller.user())


async def end_others(caller: Caller, user_id: UUID) -> int:
    """End all sessions of a user but the caller's, within a transaction. Returns how many."""
    others = _open(user_id)
    if caller.session_id is not None:
        others = others.exclude(id=caller.session_id)
    ended = await others.update(ended_at=caller.now)
    if ended:
        await event.record(caller, "user:session:revoke-others", actor_id=user_id, after={"sessions": ended})
    return ended


def _open(user_id: UUID) -> QuerySet[Session]:
    return Session.filter(user_id=user_id, ended_at=None)
