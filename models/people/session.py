"""A session is one sign-in of a user on one device. The database stores the digest of its token, not the token.

    start --> open --end--> ended           also ended: unused for 14 days, or 30 days old;
                                            in a cookie: unused for 30 minutes, or 12 hours old

Each request reads its session from the database, so an ended session is refused at once.
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
from models.access import access, factor_requirement, one_time_code, reauthentication
from models.access.access import Access
from models.access.reauthentication import ReauthenticationCase, reauthenticates
from models.audit import event
from models.audit.event_type import EventType
from models.base.caller import Caller
from models.base.errors import Unauthenticated, UserErrorCode, not_found, refuse

LIFETIME: Final = timedelta(days=30)
IDLE_TIMEOUT: Final = timedelta(days=14)
COOKIE_LIFETIME: Final = timedelta(hours=12)
COOKIE_IDLE_TIMEOUT: Final = timedelta(minutes=30)
MAX_PER_USER: Final = 20
_USE_WRITE_INTERVAL: Final = timedelta(minutes=1)


class Session(Model):
    """A sign-in."""

    id = fields.UUIDField(primary_key=True, default=keys.uuid7)
    user_id = fields.UUIDField()
    account_id: UUID | None = fields.UUIDField(null=True)
    in_cookie = fields.BooleanField()
    token_digest = fields.BinaryField()
    created_at = fields.DatetimeField()
    last_used_at = fields.DatetimeField()
    authenticated_at: datetime | None = fields.DatetimeField(null=True)
    expires_at = fields.DatetimeField()
    ended_at: datetime | None = fields.DatetimeField(null=True)
    passkey_id: UUID | None = fields.UUIDField(null=True)
    user_agent: str | None = fields.TextField(null=True)
    ip_address: str | None = fields.TextField(null=True)

    class Meta(Model.Meta):
        """Table mapping."""

        table = "sessions"


class SessionRow(db.Row):
    """An open session, without the token digest."""

    graphql_type = "Session"

    id: UUID
    user_id: UUID
    account_id: UUID | None
    created_at: datetime
    last_used_at: datetime
    authenticated_at: datetime | None
    expires_at: datetime
    user_agent: str | None
    ip_address: str | None


@dataclass(frozen=True, slots=True)
class NewSession:
    """A session that was just started, with its token. The token is available only here."""

    session: SessionRow
    access_token: str = field(repr=False)


_ENDS_AT: Final = """LEAST(s.expires_at,
    s.last_used_at + CASE WHEN s.in_cookie THEN interval '30 minutes' ELSE interval '14 days' END)"""
COLUMNS: Final = db.columns_of("s", SessionRow, {"expires_at": _ENDS_AT})
_COLUMNS_SQL: Final = db.select_list(COLUMNS)
OPEN: Final = f"s.ended_at IS NULL AND {_ENDS_AT} > {{0}}"
"""SQL condition: the session is open at the time {0}."""
_OPEN: Final = OPEN.format("$2")
_GRANT: Final = {f"grant_{name}": sql for name, sql in access.COLUMNS.items()}
# The session, its user, and the user's grant on the request's account: one round trip.
_REQUEST_SESSION: Final = f"""
SELECT {_COLUMNS_SQL}, u.name, u.email, u.locale, u.activated_at, u.created_at AS user_created_at,
    {db.select_list(_GRANT)}
FROM sessions s JOIN users u ON u.id = s.user_id
LEFT JOIN (grants g JOIN accounts a ON a.id = g.account_id AND {access.IS_OPEN.format("a", "{now}")})
    ON g.user_id = s.user_id AND g.account_id = COALESCE({{account}}, s.account_id) AND g.status = 'ACTIVE'
    AND (g.valid_until IS NULL OR g.valid_until > {{now}})
WHERE {{condition}} AND {OPEN.format("{now}")}
"""
_BY_ID: Final = _REQUEST_SESSION.format(condition="s.id = $1", now="$2", account="$3::uuid")
_LOOKUP_CONDITION: Final = "s.token_digest = w.digest AND s.in_cookie = w.in_cookie"
# For many requests at once. LATERAL makes one index lookup for each, however many rows the planner expects.
_BY_TOKENS: Final = f"""
SELECT w.place, b.* FROM unnest($1::bytea[], $2::timestamptz[], $3::uuid[], $4::boolean[])
    WITH ORDINALITY AS w (digest, now, account_id, in_cookie, place)
CROSS JOIN LATERAL (
    {_REQUEST_SESSION.format(condition=_LOOKUP_CONDITION, now="w.now", account="w.account_id")}
    LIMIT 1) b
"""
_BY_IDS: Final = f"SELECT {_COLUMNS_SQL} FROM sessions s WHERE s.id = ANY($1::uuid[]) AND {_OPEN}"
_BY_ID_ALONE: Final = f"SELECT {_COLUMNS_SQL} FROM sessions s WHERE s.id = $1"


class RequestSession(SessionRow):
    """The session of a request, its user, and the user's grant on the request's account.

    The grant's columns are null if the user has no active grant on that account.
    """

    name: str
    email: str
    locale: str
    activated_at: datetime
    user_created_at: datetime
    grant_id: UUID | None

    def user(self) -> db.Columns:
        """The user, with the columns of a UserRow."""
        columns = {name: self[name] for name in ("name", "email", "locale", "activated_at")}
        return columns | {"id": self["user_id"], "created_at": self["user_created_at"]}

    @property
    def lacks_factor(self) -> bool:
        """True if only the second factor keeps the user out of the request's account."""
        return self["grant_id"] is not None and bool(self["grant_factor_missing"])

    def effective_access(self, now: datetime) -> Access | None:
        """The user's access to the request's account. None without access."""
        if self["grant_id"] is None:
            return None
        return access.effective_access({name: self[f"grant_{name}"] for name in access.COLUMNS}, now)


async def by_token(
    token: str, *, now: datetime, in_cookie: bool = False, account_id: UUID | None = None
) -> RequestSession | None:
    """The open session of a token, or None. Loads the grant on `account_id`, by default the session's account.

    `in_cookie` has to match the session. So a leaked cookie does not work as a bearer token, and a bearer token
    planted as a cookie does not sign in.
    """
    return await _load_by_token((tokens.digest(token), now, account_id, in_cookie))


async def _by_tokens(lookups: list[tuple[bytes, datetime, UUID | None, bool]]) -> list[RequestSession | None]:
    """The same for concurrent requests, in one statement."""
    sessions: list[RequestSession | None] = [None] * len(lookups)
    for row in await db.fetch(_BY_TOKENS, *zip(*lookups, strict=True), row=RequestSession):
        sessions[row["place"] - 1] = row
    return sessions


_load_by_token: Final = Coalescer(_by_tokens)


async def by_id(session_id: UUID, *, now: datetime, account_id: UUID | None = None) -> RequestSession | None:
    """The open session of an id, or None. Loads the grant as `by_token` does."""
    return await db.fetch_one(_BY_ID, session_id, now, account_id, row=RequestSession)


async def by_ids(ids: list[UUID], *, now: datetime) -> list[SessionRow | None]:
    """The sessions with these ids, in this order. None for a session that is not open."""
    return db.in_order(ids, await db.fetch(_BY_IDS, ids, now, row=SessionRow))


async def start(
    caller: Caller,
    user_id: UUID,
    *,
    account_id: UUID | None = None,
    has_verified_factor: bool = False,
    keeps_proof: bool = False,
    passkey_id: UUID | None = None,
) -> NewSession:
    """Open a session with a new token. Runs in the caller's transaction, which has locked the user.

    The caller has just proved that they are the user. With `keeps_proof` they have not: they are signed in, and the
    session has the proof of their present one. `passkey_id` is the passkey that has proved it.

    The session starts in `account_id`, by default in the account that the user used last. A user has at most
    MAX_PER_USER open sessions; the least recently used one ends. A browser's cookie holds one session, so the
    session that the cookie held ends, even if it is another user's.

    Every session starts here. Raises Refusal SIGN_IN_REQUIRED if the user has a second factor and it was not verified.
    """
    if not has_verified_factor and await one_time_code.is_required(user_id):
        raise refuse(UserErrorCode.SIGN_IN_REQUIRED, None, mark("Sign in with your second factor."))
    if caller.in_cookie and caller.session_id is not None:
        await _end_current(caller)
    token = tokens.random_token()
    session_id = keys.uuid7()
    last_account = await db.fetch_one(_LAST_ACCOUNT, user_id, caller.now, row=_Account)
    _ = await Session.create(
        id=session_id,
        user_id=user_id,
        account_id=account_id or (last_account and last_account.account_id),
        in_cookie=caller.in_cookie,
        token_digest=tokens.digest(token),
        created_at=caller.now,
        last_used_at=caller.now,
        authenticated_at=caller.authenticated_at if keeps_proof else caller.now,
        expires_at=caller.now + (COOKIE_LIFETIME if caller.in_cookie else LIFETIME),
        passkey_id=passkey_id,
        user_agent=caller.user_agent,
        ip_address=caller.ip_address,
    )
    await db.execute(_END_LEAST_RECENT, user_id, caller.now, MAX_PER_USER, session_id)
    await throttle.trust_network(caller, user_id)
    await event.record(caller, EventType.SESSION_START, actor_id=user_id)
    (row,) = await db.fetch(_BY_ID_ALONE, session_id, row=SessionRow)
    return NewSession(row, token)


class _Account(db.Row):
    account_id: UUID


_LAST_ACCOUNT: Final = f"""
SELECT g.account_id FROM grants g JOIN accounts a ON a.id = g.account_id AND {access.IS_OPEN.format("a", "$2")}
WHERE g.user_id = $1 AND g.status = 'ACTIVE' AND (g.valid_until IS NULL OR g.valid_until > $2)
    AND NOT {factor_requirement.factor_missing(user="g.user_id", account="a")}
ORDER BY g.last_used_at DESC NULLS LAST, g.id LIMIT 1
"""
# Only open sessions count. A browser leaves many expired ones; counting them would end an open session on a phone.
# The new session comes first, also if another session has a later time: that of a concurrent request, or of a server
# whose clock is ahead.
_END_LEAST_RECENT: Final = f"""
UPDATE sessions SET ended_at = $2 WHERE id IN (
    SELECT s.id FROM sessions s WHERE s.user_id = $1 AND {_OPEN}
    ORDER BY s.id = $4 DESC, s.last_used_at DESC, s.id DESC OFFSET $3)
"""


async def renew_proof(caller: Caller) -> UUID:
    """Store that the user of the caller's session has just proved to be present. Returns the session's id.

    Raises Unauthenticated if the session has ended.
    """
    session = _open_sessions(caller.user()).filter(id=caller.session_id)
    if caller.session_id is None or not await session.update(authenticated_at=caller.now):
        raise Unauthenticated
    return caller.session_id


async def update_last_used(row: SessionRow, *, now: datetime) -> None:
    """Store when a session was used; at most one write a minute."""
    if now - row.last_used_at >= _USE_WRITE_INTERVAL:
        await Session.filter(id=row.id, last_used_at__lt=now).update(last_used_at=now)


async def end_current(caller: Caller) -> None:
    """Sign out: end the current session."""
    async with db.transaction():
        await _end_current(caller)


async def _end_current(caller: Caller) -> None:
    if await _open_sessions(caller.user()).filter(id=caller.session_id).update(ended_at=caller.now):
        await event.record(caller, EventType.SESSION_END)


_END_ONE: Final = f"UPDATE sessions s SET ended_at = $2 WHERE s.id = $1 AND {_OPEN} AND s.user_id = $3"


@reauthenticates(ReauthenticationCase.OTHER_SESSION)
async def revoke(caller: Caller, session_id: UUID) -> UUID:
    """End one of the caller's sessions. Returns its id. Raises Refusal NOT_FOUND, also for one that is over."""
    user_id = caller.user()
    if session_id != caller.session_id:
        await reauthentication.require(caller)
    async with db.transaction():
        if not await db.execute(_END_ONE, session_id, caller.now, user_id):
            raise not_found("session_id")
        await event.record(caller, EventType.SESSION_REVOKE, after={"session": str(session_id)})
    return session_id


@reauthenticates(ReauthenticationCase.ALWAYS)
async def revoke_others(caller: Caller) -> int:
    """End the caller's sessions except the current one. Returns the number ended."""
    async with db.transaction():
        return await end_others(caller, caller.user())


class _EndedSession(db.Row):
    was_open: bool


_END_OTHERS: Final = f"""
UPDATE sessions s SET ended_at = $2 WHERE s.user_id = $1 AND s.ended_at IS NULL AND s.id IS DISTINCT FROM $3
RETURNING {_ENDS_AT} > $2 AS was_open
"""


async def end_others(caller: Caller, user_id: UUID) -> int:
    """End a user's sessions except the current one, within the caller's transaction.

    Returns the number of sessions that were open until now.
    """
    ended_sessions = await db.fetch(_END_OTHERS, user_id, caller.now, caller.session_id, row=_EndedSession)
    count = sum(row.was_open for row in ended_sessions)
    if count:
        await event.record(caller, EventType.SESSION_REVOKE_OTHERS, actor_id=user_id, after={"sessions": count})
    return count


_END_OF_PASSKEYS: Final = f"""
UPDATE sessions s SET ended_at = $2 WHERE s.user_id = $1 AND s.passkey_id = ANY($4::uuid[]) AND s.ended_at IS NULL
    AND s.id IS DISTINCT FROM $3
RETURNING {_ENDS_AT} > $2 AS was_open
"""


async def end_of_passkeys(caller: Caller, user_id: UUID, passkey_ids: list[UUID]) -> None:
    """End the sessions that a user's passkeys started, except the current one, within the caller's transaction."""
    arguments = user_id, caller.now, caller.session_id, passkey_ids
    ended_sessions = await db.fetch(_END_OF_PASSKEYS, *arguments, row=_EndedSession)
    count = sum(row.was_open for row in ended_sessions)
    if count:
        await event.record(caller, EventType.SESSION_REVOKE_OTHERS, actor_id=user_id, after={"sessions": count})


def _open_sessions(user_id: UUID) -> QuerySet[Session]:
    return Session.filter(user_id=user_id, ended_at=None)
