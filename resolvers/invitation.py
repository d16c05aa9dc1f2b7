"""Invitations: those of accounts whose users the caller may read, and those for himself."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from auth import policy
from auth.policy import Permission
from database.listing import Connection
from models import lists
from models.sharing import acceptance, invitation
from models.sharing.acceptance import Preview
from models.sharing.invitation import InvitationRow, InvitationStatus
from resolvers import account, grant, session
from resolvers.context import Context, Info
from resolvers.mutation_resolver import mutation_resolver
from resolvers.pages import pages, rows_by_ids

by_ids = rows_by_ids(invitation.by_ids)
"""The invitations with these ids."""


async def of_accounts(
    accounts: Sequence[Any],
    info: Info,
    filter: lists.InvitationFilter | None = None,  # noqa: A002 - the argument's name
    **page: Any,
) -> list[Connection[InvitationRow]]:
    """All invitations of each account."""
    listing = lists.invitations_of_accounts(info.context.now, filter)
    return await pages(listing, [row["id"] for row in accounts], info, page)


async def of_viewer(parents: Sequence[object], info: Info, **page: Any) -> list[Connection[InvitationRow]]:
    """The pending invitations for the caller's address."""
    listing = lists.invitations_for_user(info.context.now)
    return await pages(listing, [info.context.caller.user()] * len(parents), info, page)


async def preview(parents: Sequence[object], info: Info, token: str) -> list[Preview | None]:
    """What the holder of a link sees."""
    return [await acceptance.preview(token, caller=info.context.caller)] * len(parents)


def status(row: InvitationRow, info: Info) -> InvitationStatus:
    """Where it stands at this instant."""
    return invitation.status(row, info.context.now)


def permissions(row: InvitationRow, _: Info) -> list[Permission] | None:
    """The list that the grant will have; None where the role has no list."""
    return None if row.listed is None else policy.permissions(row.listed)


async def _shown(context: Context, key: UUID) -> dict[str, object]:
    return {"invitation": (await by_ids([key], context))[0]}


async def _accepted(context: Context, outcome: acceptance.Accepted) -> dict[str, object]:
    shown = await session.signed_in(context, outcome.signed_in) if outcome.signed_in else {}
    return shown | {
        "viewer": context.session,
        "grant": await grant.one(outcome.grant_id, context),
        "account": await account.one(outcome.account_id, context),
    }


invite_user = mutation_resolver(invitation.issue, _shown)
update_invitation = mutation_resolver(invitation.update, _shown)
resend_invitation = mutation_resolver(invitation.resend, _shown)
revoke_invitation = mutation_resolver(invitation.revoke, _shown)
accept_invitation = mutation_resolver(acceptance.accept, _accepted)
decline_invitation = mutation_resolver(acceptance.decline, _shown)
