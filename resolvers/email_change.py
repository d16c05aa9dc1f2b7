"""Resolvers of changes of the viewer's e-mail address."""

from collections.abc import Sequence

from models.people import email_change
from models.people.email_change import EmailChange
from resolvers.context import Context, Info
from resolvers.mutation_resolver import mutation_resolver


async def of_viewer(parents: Sequence[object], info: Info) -> list[EmailChange | None]:
    """The caller's pending change of the address. None without one."""
    change = await email_change.load_pending(info.context.caller.user(), info.context.now)
    return [change] * len(parents)


async def _load_viewer_payload(context: Context, _: None) -> dict[str, object]:
    return {"viewer": context.session}


async def _load_email_payload(_: Context, email: str) -> dict[str, object]:
    return {"email": email}


change_email = mutation_resolver(email_change.request, _load_viewer_payload)
cancel_email_change = mutation_resolver(email_change.cancel, _load_viewer_payload)
confirm_email_change = mutation_resolver(email_change.confirm, _load_email_payload)
undo_email_change = mutation_resolver(email_change.undo, _load_email_payload)
