"""What one request knows: who asks, when, in which account, and what he may do where.

Nothing here outlives the request, so that access taken back is gone with the next one.
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
from models.people.session import Bearer, SessionRow
from models.sharing import account_switch
from models.sharing.view_as import ViewAs
from resolvers import ids

_LONGEST_NUMBER = 10  # digits; more would not be an int of the database


class AccessCache:
    """The caller's access to the accounts that the request touches, read once each."""

    def __init__(self, user_id: UUID | None, now: datetime) -> None:
        self._user_id = user_id
        self._now = now
        self._found: dict[str, Access | None] = {}
        # Beside it, so that to look up many is no loop of ours; without digits there is no account.
        self._bits: dict[str, int] = {"": 0}
        self._reading = asyncio.Lock()
        self.reads = 0

    async def load(self, account_ids: Iterable[UUID | None]) -> None:
        """Read what is not known yet: one statement, or none."""
        await self.load_digits({key.hex for key in account_ids if key is not None})

    async def load_digits(self, wanted: set[str]) -> None:
        """The same, of accounts by the digits of their keys."""
        # One at a time: a batch that runs beside this one must not take half an answer for a no.
        async with self._reading:
            missing = wanted - self._found.keys()
            if missing:
                self._keep(await self._read(missing))

    async def _read(self, wanted: set[str]) -> dict[str, Access | None]:
        self.reads += 1
        found: dict[str, Access | None] = dict.fromkeys(wanted)
        if self._user_id is not None:
            loaded = await access.load(self._user_id, [UUID(hex=digits) for digits in wanted], now=self._now)
            found |= {entry.account_id.hex: entry for entry in loaded}
        return found

    def know(self, digits: str, found: Access | None) -> None:
        """Keep what was read together with something else, unless it is known."""
        if digits not in self._found:
            self._keep({digits: found})

    def _keep(self, found: dict[str, Access | None]) -> None:
        self._found |= found
        self._bits |= {digits: entry.bits if entry else 0 for digits, entry in found.items()}

    async def feign(self) -> None:
        """Take the time of a read, for the sake of who must not learn that there was none."""
        if self._user_id is not None:
            await access.load(self._user_id, [ids.NOBODY], now=self._now)

    def get(self, account_id: UUID) -> Access | None:
        """The caller's access to an account that was loaded before, or None.

        Raises LookupError where it was not: a resolver that lets rows of an account into the graph
        without loading its access is a mistake, and must not look like a refusal.
        """
        return self._found[account_id.hex]

    def of(self, digits: str) -> Access | None:
        """The same, by the digits of the account's key; None where there are no digits."""
        return self._found[digits] if digits else None

    def bits(self, account_id: UUID) -> int:
        """The caller's permissions in an account that was loaded before. Raises LookupError."""
        return self._bits[account_id.hex]

    @property
    def bits_of(self) -> Callable[[str], int]:
        """The same, by the digits of the account's key; none where there are no digits."""
        return self._bits.__getitem__


@dataclass(slots=True)
class Context:
    """One request."""

    caller: Caller
    session: SessionRow | None = None
    token: str | None = field(default=None, repr=False)
    """The token of that session."""
    current: Access | None = None
    hub: Hub | None = None
    """Where streams are opened; None in a process that keeps none."""
    view: ViewAs | None = None
    """Whose eyes it looks through, if not the caller's own."""
    me: db.Columns | None = None
    """The signed-in user's row, until a mutation may have changed it."""
    refused: list[str] = field(default_factory=list[str])
    """The codes of what operations said no to in their payloads."""
    access: AccessCache = field(init=False)
    readable_users: set[str] = field(default_factory=set[str])
    """Users of whom the caller may see all, because they share an account where he may read users: the
    digits of their keys."""

    def __post_init__(self) -> None:
        """Start with nothing known."""
        self.forget()

    @property
    def now(self) -> datetime:
        """The instant of the request, the same for everything in it."""
        return self.caller.now

    @property
    def viewer_id(self) -> UUID | None:
        """The signed-in user."""
        return self.caller.user_id

    def forget(self) -> None:
        """Drop what was read before a mutation: it may have changed."""
        self.access = AccessCache(self.caller.user_id, self.caller.now)
        self.readable_users = set()
        self.me = None

    async def become(self, row: SessionRow | None, token: str | None) -> None:
        """Go on as the holder of a session that the request itself has started, or as nobody."""
        self.session = row
        self.token = token
        self.caller = _as(self.caller, row)
        self.current = None
        self.forget()
        if row is not None and row.account_id is not None:
            self.current = await access.load_one(row.user_id, row.account_id, now=self.now)


def wanted(info: "Info", *path: str) -> frozenset[str] | None:
    """The columns that are selected below a field, where the executor knows; None for all."""
    ask = getattr(info, "wanted", None)
    return None if ask is None else ask(*path)


def selects(info: "Info", *names: str) -> bool:
    """Whether one of these is selected below a field; yes where the executor does not know."""
    ask = getattr(info, "selects", None)
    return True if ask is None else ask(*names)


class Info(Protocol):
    """What of the executor's info resolvers use."""

    @property
    def context(self) -> Context:
        """The request."""
        ...

    @property
    def schema(self) -> GraphQLSchema:
        """The schema, whose types carry their rules."""
        ...


def _as(caller: Caller, row: SessionRow | None) -> Caller:
    return replace(caller, user_id=row.user_id if row else None, session_id=row.id if row else None)


async def open_context(
    *,
    site: OperationConfig,
    now: datetime,
    token: str | None,
    in_cookie: bool = False,
    account_key: str | None,
    locale: str,
    hub: Hub | None = None,
    **origin: Any,
) -> Context:
    """The context of a request with a session's token and an X-Account header, both optional.

    A token that does not work is nobody's. A header that names no account which the signed-in user
    can enter fails the whole request: another account must never answer in its place.
    """
    wanted_account = await _named(account_key) if account_key is not None and token else None
    ask = session.by_token
    row = await ask(token, now=now, in_cookie=in_cookie, account_id=wanted_account) if token else None
    caller = Caller(
        now=now,
        config=site,
        locale=row.locale if row else locale,
        user_id=row.user_id if row else None,
        session_id=row.id if row else None,
        in_cookie=in_cookie,
        **origin,
    )
    if row is None:
        return Context(caller, hub=hub)
    context = _of(caller, row, token, hub)
    await session.note_use(row, now=now)
    if account_key is not None and context.current is None:
        raise AccountRequired(lacks_factor=row.lacks_factor)
    if context.current is not None:
        await account_switch.note_use(caller, context.current)
    return context


async def renewed(context: Context, now: datetime) -> Context:
    """What is true of the same caller at a later instant, for an event that he is shown; it counts as no use.

    Raises Unauthenticated when his session is over.
    """
    account_id = context.current.account_id if context.current is not None else None
    session_id = context.caller.session_id
    row = await session.by_id(session_id, now=now, account_id=account_id) if session_id else None
    if row is None:
        raise Unauthenticated
    return _of(replace(context.caller, now=now, locale=row.locale), row, context.token, context.hub)


def _of(caller: Caller, row: Bearer, token: str | None, hub: Hub | None) -> Context:
    context = Context(caller, row, token, hub=hub)
    context.me = row.user()
    context.current = row.entered(caller.now)
    if context.current is not None:
        context.access.know(context.current.account_id.hex, context.current)
    return context


async def _named(account_key: str) -> UUID:
    """The account of an X-Account header: its id, or its public number; NOBODY rather than none."""
    if account_key.isascii() and account_key.isdigit() and len(account_key) < _LONGEST_NUMBER:
        row = await account.by_number(int(account_key))
        return row.id if row else ids.NOBODY
    return ids.decode("Account", account_key)
