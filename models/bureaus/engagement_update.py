"""Changing what every consultant of a bureau may do at a client: `models/bureaus/standing_permissions.py`."""

from datetime import datetime
from uuid import UUID

from auth.policy import Permission, Role
from database import db
from i18n import mark
from models.access import derived_grant, grant_rules, reauthentication
from models.access.access import Access
from models.access.grant_rules import Terms
from models.access.operation import declares_permission
from models.access.reauthentication import ReauthenticationCase
from models.audit.event_type import EventType
from models.base.caller import Caller
from models.base.errors import UserErrorCode, refuse
from models.base.validation import Validation
from models.bureaus import assignment, engagement, engagement_mail, standing_permissions
from models.bureaus.engagement import EngagementRow, EngagementStatus
from models.outbox.message_kind import MessageKind


@declares_permission(
    Permission.USERS_WRITE, EventType.ENGAGEMENT_UPDATE, reauthentication=ReauthenticationCase.MORE_ACCESS
)
async def update(
    caller: Caller,
    engagement_id: UUID,
    *,
    consultant_permissions: list[Permission] | None = None,
    consultant_valid_until: datetime | None = None,
    remove_consultant_permissions: bool | None = None,
    remove_consultant_end: bool | None = None,
) -> UUID:
    """Change the standing permissions of a pending or active engagement. None changes nothing. Returns the id.

    Only a user of the client can. The grants that follow the engagement change in the same transaction.

    Raises:
        Refusal: NOT_FOUND; INVALID_STATE for an engagement that has ended, and for a user of the bureau; ROLE_TOO_HIGH
            for permissions, former or new, that the caller could not give; an invalid input field.
        Forbidden: the caller lacks USERS_WRITE at the client.
    """
    async with db.transaction():
        row, access_by_account = await engagement.lock_open(caller, engagement_id)
        if row.client_id not in access_by_account or row.client_id not in engagement.visible_to(row):
            raise refuse(UserErrorCode.INVALID_STATE, "engagement_id", mark("Only the client gives permissions."))
        giver = engagement.require_access(access_by_account[row.client_id], update.permission, "engagement_id")
        former = standing_permissions.stored_terms(row)
        with Validation() as check:
            terms = standing_permissions.changed_terms(
                check,
                former,
                permissions=consultant_permissions,
                until=consultant_valid_until,
                remove_permissions=remove_consultant_permissions,
                remove_end=remove_consultant_end,
                now=caller.now,
            )
        is_renewed = terms is not None and row.standing_by_id != caller.user_id and consultant_permissions is not None
        if terms == former and not is_renewed:
            return engagement_id
        permit = standing_permissions.permit(giver, former, terms)
        if permit.gives_more or is_renewed:
            await reauthentication.require(caller)
        await standing_permissions.change(caller, row, access_by_account, permit)
        if row.status == EngagementStatus.ACTIVE:
            await _change_grants(caller, row, giver, terms)
        sides = (row.bureau_id, row.client_id)
        params = standing_permissions.mail_params(terms)
        await engagement_mail.mail_owners(caller, MessageKind.ENGAGEMENT_CHANGED, sides, recipient_ids=sides, **params)
    return engagement_id


async def _change_grants(caller: Caller, row: EngagementRow, giver: Access, new_terms: Terms | None) -> None:
    """Change the grants that follow an engagement. Their number is that of the bureau's consultants at the client."""
    for grant in await derived_grant.of_engagement(row.id, now=caller.now):
        if grant.asked_bits is None:
            continue
        request = Terms(Role.CONSULTANT, grant.asked_bits, grant.asked_until)
        former, terms = (
            grant_rules.terms_of(grant),
            standing_permissions.cut(new_terms, request, limit=giver.valid_until),
        )
        if (terms.bits, terms.until) != (former.bits, former.until):
            permit = grant_rules.permit(giver, former, terms, former_field="engagement_id")
            await assignment.change_derived(caller, grant, permit, by_role=giver.role, request=request)
