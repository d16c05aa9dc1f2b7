"""Sessions, and the mutations by which people sign up, in and out."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from database.listing import Connection
from models import lists
from models.people import activation, session, user
from models.people.session import SessionRow, SignedIn
from models.people.sign_in import sign_in as sign_in_operation
from models.sharing import account_switch
from resolvers import account, ids
from resolvers import user as users
from resolvers.context import Context, Info
from resolvers.mutation_resolver import empty_payload, mutation_resolver
from resolvers.pages import pages


async def of_viewer(parents: Sequence[object], info: Info, **page: Any) -> list[Connection[SessionRow]]:
    """The caller's open sessions."""
    listing = lists.sessions(info.context.now)
    return await pages(listing, [info.context.caller.user()] * len(parents), info, page)


def viewer(_: object, info: Info) -> SessionRow | None:
    """The door to everything of the signed-in user: his session."""
    return info.context.session


def current(_: object, info: Info) -> SessionRow | None:
    """The session that the request came with."""
    return info.context.session


def is_current(row: SessionRow, info: Info) -> bool:
    """Whether this is the session that asks."""
    return row.id == info.context.caller.session_id


async def signed_in(context: Context, outcome: SignedIn) -> dict[str, object]:
    """A new session, and its token unless a cookie takes that; the rest of the request goes on as its holder."""
    await context.become(outcome.session, outcome.access_token)
    shown = None if context.caller.in_cookie else outcome.access_token
    return {"access_token": shown, "viewer": outcome.session}


async def _signed_out(context: Context, _: None) -> dict[str, object]:
    await context.become(None, None)
    return {}


async def _viewer(context: Context, _: object) -> dict[str, object]:
    return {"viewer": context.session}


async def _session(context: Context, key: UUID) -> dict[str, object]:
    if key == context.caller.session_id:
        await context.become(None, None)
    return {"session_id": ids.encode("Session", key), "viewer": context.session}


async def _ended(context: Context, count: int) -> dict[str, object]:
    return {"ended": count, "viewer": context.session}


async def _switched(context: Context, key: UUID) -> dict[str, object]:
    row = (await session.by_ids([context.caller.session_id or key], now=context.now))[0]
    await context.become(row, context.token)
    return {"account": await account.one(key, context), "viewer": row}


async def _profile(context: Context, key: UUID) -> dict[str, object]:
    return {"user": (await users.by_ids([key], context))[0], "viewer": context.session}


register = mutation_resolver(user.register, empty_payload)
activate = mutation_resolver(activation.activate, signed_in)
resend_activation = mutation_resolver(activation.resend_activation, empty_payload)
sign_in = mutation_resolver(sign_in_operation, signed_in)
sign_out = mutation_resolver(session.end_current, _signed_out)
request_password_reset = mutation_resolver(user.request_password_reset, empty_payload)
reset_password = mutation_resolver(user.reset_password, empty_payload)
change_password = mutation_resolver(user.change_password, _viewer)
update_profile = mutation_resolver(user.update_profile, _profile)
revoke_session = mutation_resolver(session.revoke, _session)
revoke_other_sessions = mutation_resolver(session.revoke_others, _ended)
switch_account = mutation_resolver(account_switch.switch, _switched)
