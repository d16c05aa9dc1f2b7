"""Resolvers of sessions, and the mutations for registration, sign-in and sign-out."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from database.listing import Connection
from models import lists
from models.people import activation, registration, session, user, user_password
from models.people.session import NewSession, SessionRow
from models.people.sign_in import reauthenticate as reauthenticate_operation
from models.people.sign_in import sign_in as sign_in_operation
from models.sharing import account_switch
from resolvers import account, ids
from resolvers import user as users
from resolvers.context import Context, Info
from resolvers.mutation_resolver import empty_payload, mutation_resolver
from resolvers.pages import pages


async def of_viewer(parents: Sequence[object], info: Info, **page: Any) -> list[Connection[SessionRow]]:
    """The caller's open sessions."""
    query = lists.sessions(info.context.now)
    return await pages(query, [info.context.caller.user()] * len(parents), info, page)


def viewer(_: object, info: Info) -> SessionRow | None:
    """The session of the viewer. None for an anonymous request."""
    return info.context.session


def current(_: object, info: Info) -> SessionRow | None:
    """The session of the request. None for an anonymous request."""
    return info.context.session


def is_current(row: SessionRow, info: Info) -> bool:
    """True for the session of the request."""
    return row.id == info.context.caller.session_id


async def load_sign_in_payload(context: Context, outcome: NewSession) -> dict[str, object]:
    """The payload of a new session, with its token unless a cookie carries it.

    The rest of the request continues with the new session.
    """
    await context.set_session(outcome.session, outcome.access_token)
    visible_token = None if context.caller.in_cookie else outcome.access_token
    return {"access_token": visible_token, "viewer": outcome.session}


async def _load_registration_payload(_: Context, secret: str) -> dict[str, object]:
    return {"registration_secret": secret}


async def _end_session(context: Context, _: None) -> dict[str, object]:
    await context.set_session(None, None)
    return {}


async def _load_viewer_payload(context: Context, _: object) -> dict[str, object]:
    return {"viewer": context.session}


async def _load_reauthentication_payload(context: Context, key: UUID) -> dict[str, object]:
    context.renew_session((await session.by_ids([key], now=context.now))[0])
    return {"session": context.session, "viewer": context.session}


async def _load_revocation_payload(context: Context, key: UUID) -> dict[str, object]:
    if key == context.caller.session_id:
        await context.set_session(None, None)
    return {"session_id": ids.encode("Session", key), "viewer": context.session}


async def _load_count_payload(context: Context, count: int) -> dict[str, object]:
    return {"ended": count, "viewer": context.session}


async def _load_switch_payload(context: Context, key: UUID) -> dict[str, object]:
    row = (await session.by_ids([context.caller.session_id or key], now=context.now))[0]
    await context.set_session(row, context.token)
    return {"account": await account.by_id(key, context), "viewer": row}


async def _load_profile_payload(context: Context, key: UUID) -> dict[str, object]:
    return {"user": (await users.by_ids([key], context))[0], "viewer": context.session}


register = mutation_resolver(registration.register, _load_registration_payload)
activate = mutation_resolver(activation.activate, load_sign_in_payload)
resend_activation = mutation_resolver(activation.resend_activation, empty_payload)
sign_in = mutation_resolver(sign_in_operation, load_sign_in_payload)
sign_out = mutation_resolver(session.end_current, _end_session)
reauthenticate = mutation_resolver(reauthenticate_operation, _load_reauthentication_payload)
request_password_reset = mutation_resolver(user_password.request_password_reset, empty_payload)
reset_password = mutation_resolver(user_password.reset_password, empty_payload)
change_password = mutation_resolver(user_password.change_password, _load_viewer_payload)
update_profile = mutation_resolver(user.update_profile, _load_profile_payload)
revoke_session = mutation_resolver(session.revoke, _load_revocation_payload)
revoke_other_sessions = mutation_resolver(session.revoke_others, _load_count_payload)
switch_account = mutation_resolver(account_switch.switch, _load_switch_payload)
