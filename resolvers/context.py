"""The context of a GraphQL request: caller, session, time, account, and the caller's access.

A context is never reused for another request, so revoked access takes effect with the next request.
"""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from graphql import GraphQLSchema

from database import db
from models.access import access
from models.access.access import Access
from models.accounts import account
from models.base.caller import Caller, OperationConfig
from models.base.errors import AccountRequired, Unauthenticated
from models.live.hub import Hub
from models.people import session
from models.people.session import RequestSession, SessionRow
from models.sharing import account_switch
from models.sharing.view_as import ViewAs
from resolvers import ids

_MAX_NUMBER_DIGITS = 10  # a longer number exceeds the int of the database


class AccessCache:
    """The caller's access to the accounts of the request. Each is read once."""

    def __init__(self, user_id: UUID | None, now: datetime) -> None:
        self._user_id = user_id
        self._now = now
        self._accesses: dict[str, Access | None] = {}
        # The bits alone, for lookups with `map`. An empty key stands for no account.
        self._bits: dict[str, int] = {"": 0}
        self._lock = asyncio.Lock()
        self.read_count = 0

    async def load(self, account_ids: Iterable[UUID | None]) -> None:
        """Read the access to the accounts that are not cached yet: at most one statement."""
        await self.load_hexes({key.hex for key in account_ids if key is not None})

    async def load_hexes(self, account_hexes: set[str]) -> None:
        """`load` for account keys in hexadecimal."""
        # One read at a time: a concurrent batch must not mistake an unfinished read for missing access.
        async with self._lock:
            missing_hexes = account_hexes - self._accesses.keys()
            if missing_hexes:
                self._store(await self._read(missing_hexes))

    async def _read(self, account_hexes: set[str]) -> dict[str, Access | None]:
        self.read_count += 1
        accesses: dict[str, Access | None] = dict.fromkeys(account_hexes)
        if self._user_id is not None:
            rows = await access.load(
                self._user_id, [UUID(hex=account_hex) for account_hex in account_hexes], now=self._now
            )
            accesses |= {row.account_id.hex: row for row in rows}
        return accesses

    def add(self, account_hex: str, viewer_access: Access | None) -> None:
        """Cache an access that was read together with other rows, unless one is cached."""
        if account_hex not in self._accesses:
            self._store({account_hex: viewer_access})

    def _store(self, accesses: dict[str, Access | None]) -> None:
        self._accesses |= accesses
        self._bits |= {
            account_hex: viewer_access.bits if viewer_access else 0 for account_hex, viewer_access in accesses.items()
        }

    async def simulate_read(self) -> None:
        """Read the access to no account, so that a request without a real read takes the same time."""
        if self._user_id is not None:
            await access.load(self._user_id, [ids.NIL_KEY], now=self._now)

    def get(self, account_id: UUID) -> Access | None:
        """The caller's access to a loaded account. None if the caller has no access.

        Raises LookupError if the account was not loaded: a resolver that returns rows of an account
        without loading the access is a bug, and must not look like a denial.
        """
        return self._accesses[account_id.hex]

    def get_by_hex(self, account_hex: str) -> Access | None:
        """`get` for a key in hexadecimal. None for an empty key."""
        return self._accesses[account_hex] if account_hex else None

    def peek(self, account_id: UUID | None) -> Access | None:
        """The caller's access to an account, None also if it was not loaded. For the reason of a denial alone."""
        return self._accesses.get(account_id.hex) if account_id is not None else None

    def bits(self, account_id: UUID) -> int:
        """The caller's permissions in a loaded account. Raises LookupError if it was not loaded."""
        return self._bits[account_id.hex]

    @property
    def bits_by_hex(self) -> Callable[[str], int]:
        """`bits` for a key in hexadecimal, as a function. 0 for an empty key."""
        return self._bits.__getitem__


@dataclass(slots=True)
class Context:
    """The context of one request."""

    caller: Caller
    session: SessionRow | None = None
    token: str | None = field(default=None, repr=False)
    """The token of `session`."""
    has_ended_token: bool = False
    """True if the request has a token that opens no session: it has ended, or never existed."""
    current_access: Access | None = None
    header_account_id: UUID | None = None
    """The account of the X-Account header, NIL_KEY if there is none. None without the header."""
    lacks_factor: bool = False
    """True if only the second factor keeps the user out of that account."""
    hub: Hub | None = None
    """Opens the event streams of subscriptions. None in a process without subscriptions."""
    view: ViewAs | None = None
    """The role or user of a view-as request. None in other requests."""
    viewer_row: db.Columns | None = None
    """The signed-in user's row. None after a mutation, because it may have changed the row."""
    refusal_codes: list[str] = field(default_factory=list[str])
    """The error codes in the payloads of the request's mutations."""
    access: AccessCache = field(init=False)
    used_accounts: set[UUID] = field(default_factory=set[UUID])
    """The accounts other than the current one that a grant of the caller has opened for this request."""
    readable_users: set[str] = field(default_factory=set[str])
    """Keys, in hexadecimal, of the users with all fields readable by the caller.

    They share an account in which the caller may read users."""
    user_accounts: dict[str, UUID] = field(default_factory=dict[str, UUID])
    """An account that connects the caller with each user that is not readable, by the user's key in hexadecimal."""

    def __post_init__(self) -> None:
        """Create empty caches."""
        self.clear_caches()

    @property
    def now(self) -> datetime:
        """The time of the request, the same for all its operations."""
        return self.caller.now

    @property
    def viewer_id(self) -> UUID | None:
        """The id of the signed-in user. None for an anonymous request."""
        return self.caller.user_id

    @property
    def creator_id(self) -> UUID | None:
        """The user whose rows are in the caller's row scopes: the caller. None in a view-as request."""
        return self.viewer_id if self.view is None else None

    @property
    def current_account_id(self) -> UUID | None:
        """The account of the request, which the caller may have no access to. None without one."""
        if self.header_account_id is not None and self.view is None:
            return self.header_account_id
        return self.current_access.account_id if self.current_access is not None else None

    def note_use(self, account_ids: Iterable[UUID]) -> None:
        """Note that the request has read or changed accounts, by id or in a list. Does nothing in a view-as request."""
        if self.view is None:
            self.used_accounts.update(account_ids)

    async def record_uses(self) -> None:
        """Store the use of the caller's grants on the noted accounts, after the operation."""
        if self.current_access is not None:
            self.used_accounts.discard(self.current_access.account_id)  # stored at the start of the request
        if not self.used_accounts or self.viewer_id is None:
            return
        await self.access.load(self.used_accounts)
        accesses = [self.access.get(account_id) for account_id in self.used_accounts]
        self.used_accounts.clear()
        await account_switch.record_uses(self.caller, [entry for entry in accesses if entry is not None])

    def clear_caches(self) -> None:
        """Drop the rows read so far, because a mutation may have changed them."""
        self.access = AccessCache(self.caller.user_id, self.caller.now)
        self.readable_users = set()
        self.user_accounts = {}
        self.viewer_row = None

    async def set_session(self, row: SessionRow | None, token: str | None) -> None:
        """Continue the request with a session that it has started itself, or as anonymous with None."""
        self.session = row
        self.token = token
        self.caller = _with_session(self.caller, row)
        self.current_access = self.header_account_id = None
        self.clear_caches()
        if row is not None and row.account_id is not None:
            self.current_access = await access.load_one(row.user_id, row.account_id, now=self.now)

    def require_account(self) -> None:
        """Raise AccountRequired if the X-Account header names an account that the user cannot enter now.

        The access to it must be loaded: a mutation of the request may have given or taken it.
        """
        if self.header_account_id is not None and self.view is None and not self.access.bits(self.header_account_id):
            raise AccountRequired(lacks_factor=self.lacks_factor)

    def renew_session(self, row: SessionRow | None) -> None:
        """Continue the request with the new state of its session. The account of the request stays."""
        self.session = row
        self.caller = _with_session(self.caller, row)


def selected_columns(info: "Info", *path: str) -> frozenset[str] | None:
    """The columns selected below a field. None, for all columns, if the executor does not know."""
    select = getattr(info, "selected_columns", None)
    return None if select is None else select(*path)


def selects(info: "Info", *names: str) -> bool:
    """True if one of `names` is selected below a field, or if the executor does not know."""
    select = getattr(info, "selects", None)
    return True if select is None else select(*names)


class Info(Protocol):
    """The part of the executor's info that resolvers use."""

    @property
    def context(self) -> Context:
        """The context of the request."""
        ...

    @property
    def schema(self) -> GraphQLSchema:
        """The schema. Its types have their access rules in the extensions."""
        ...


def _with_session(caller: Caller, row: SessionRow | None) -> Caller:
    return replace(
        caller,
        user_id=row.user_id if row else None,
        session_id=row.id if row else None,
        authenticated_at=row.authenticated_at if row else None,
    )


async def open_context(
    *,
    config: OperationConfig,
    now: datetime,
    token: str | None,
    in_cookie: bool = False,
    account_key: str | None,
    locale: str,
    hub: Hub | None = None,
    **client_info: Any,
) -> Context:
    """The context of a request with a session token and an X-Account header, both optional.

    With an invalid token the request is anonymous. If the signed-in user has no access to the account of the header,
    the request has no current account: `require_account` refuses what is asked of it, and no other account answers.
    """
    account_id = await _account_id(account_key) if account_key is not None and token else None
    load_session = session.by_token
    row = await load_session(token, now=now, in_cookie=in_cookie, account_id=account_id) if token else None
    caller = Caller(
        now=now,
        config=config,
        locale=row.locale if row else locale,
        user_id=row.user_id if row else None,
        session_id=row.id if row else None,
        authenticated_at=row.authenticated_at if row else None,
        in_cookie=in_cookie,
        **client_info,
    )
    if row is None:
        return Context(caller, hub=hub, has_ended_token=bool(token))
    context = _create(caller, row, token, hub, header_account_id=account_id)
    await session.update_last_used(row, now=now)
    if context.current_access is not None:
        await account_switch.record_uses(caller, [context.current_access])
    return context


async def refresh(context: Context, now: datetime) -> Context:
    """The context of the same caller at a later time, to deliver an event. It does not update last use.

    Raises Unauthenticated if the session has ended.
    """
    account_id, session_id = context.header_account_id, context.caller.session_id
    if account_id is None and context.current_access is not None:
        account_id = context.current_access.account_id
    row = await session.by_id(session_id, now=now, account_id=account_id) if session_id else None
    if row is None:
        raise Unauthenticated
    caller = replace(context.caller, now=now, locale=row.locale, authenticated_at=row.authenticated_at)
    return _create(caller, row, context.token, context.hub, header_account_id=context.header_account_id)


def _create(
    caller: Caller, row: RequestSession, token: str | None, hub: Hub | None, *, header_account_id: UUID | None
) -> Context:
    context = Context(caller, row, token, hub=hub, header_account_id=header_account_id)
    context.lacks_factor = header_account_id is not None and row.lacks_factor
    context.viewer_row = row.user()
    context.current_access = row.effective_access(caller.now)
    if context.current_access is not None:
        context.access.add(context.current_access.account_id.hex, context.current_access)
    return context


async def _account_id(account_key: str) -> UUID:
    """The key of the account in an X-Account header, which has its id or its number. NIL_KEY if there is none."""
    if account_key.isascii() and account_key.isdigit() and len(account_key) < _MAX_NUMBER_DIGITS:
        row = await account.by_number(int(account_key))
        return row.id if row else ids.NIL_KEY
    return ids.decode("Account", account_key)
