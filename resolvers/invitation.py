"""Resolvers of invitations: those to accounts in which the caller may read users, and the caller's own."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from auth import policy
from auth.policy import Permission
from database.listing import Connection
from models import lists
from models.access.access import GrantRow
from models.sharing import acceptance, invitation, used_invitation
from models.sharing.acceptance import Preview
from models.sharing.invitation import InvitationRow, InvitationStatus
from resolvers import account, grant, session
from resolvers.context import Context, Info
from resolvers.mutation_resolver import mutation_resolver
from resolvers.pages import pages, rows_by_ids

by_ids = rows_by_ids(invitation.by_ids)
"""The invitations with these ids. None for an unknown id."""


async def of_accounts(
    accounts: Sequence[Any],
    info: Info,
    filter: lists.InvitationFilter | None = None,  # noqa: A002 - the argument's name
    **page: Any,
) -> list[Connection[InvitationRow]]:
    """All invitations to each account."""
    query = lists.invitations_of_accounts(info.context.now, filter)
    return await pages(query, [row["id"] for row in accounts], info, page)


async def of_viewer(parents: Sequence[object], info: Info, **page: Any) -> list[Connection[InvitationRow]]:
    """The pending invitations to the caller's address."""
    query = lists.invitations_for_user(info.context.now)
    return await pages(query, [info.context.caller.user()] * len(parents), info, page)


async def preview(parents: Sequence[object], info: Info, token: str) -> list[Preview | None]:
    """The preview of an invitation for the holder of its link. None if the link is invalid."""
    return [await acceptance.preview(token, caller=info.context.caller)] * len(parents)


async def preview_grant(previews: Sequence[Preview], info: Info) -> list[GrantRow | None]:
    """The caller's grant by each previewed invitation. None unless the caller has accepted it."""
    return await grant.by_ids([preview.grant_id for preview in previews], info.context)


def status(row: InvitationRow, info: Info) -> InvitationStatus:
    """The status of the invitation at the time of the request."""
    return invitation.status(row, info.context.now)


def permissions(row: InvitationRow, _: Info) -> list[Permission] | None:
    """The allowlist that the grant will have. None if it will have none."""
    return None if row.listed is None else policy.permissions(row.listed)


async def _load_payload(context: Context, key: UUID) -> dict[str, object]:
    return {"invitation": (await by_ids([key], context))[0]}


async def _load_acceptance_payload(context: Context, outcome: used_invitation.Acceptance) -> dict[str, object]:
    sign_in_payload = await session.load_sign_in_payload(context, outcome.new_session) if outcome.new_session else {}
    return sign_in_payload | {
        "viewer": context.session,
        "grant": await grant.by_id(outcome.grant_id, context),
        "account": await account.by_id(outcome.account_id, context),
    }


invite_user = mutation_resolver(invitation.issue, _load_payload)
update_invitation = mutation_resolver(invitation.update, _load_payload)
resend_invitation = mutation_resolver(invitation.resend, _load_payload)
revoke_invitation = mutation_resolver(invitation.revoke, _load_payload)
accept_invitation = mutation_resolver(acceptance.accept, _load_acceptance_payload)
decline_invitation = mutation_resolver(acceptance.decline, _load_payload)
