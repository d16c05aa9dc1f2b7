"""Approval and decline of access requests by the account.

The decision is made under the account's lock. The caller's rights and the requester's login are read under the lock.
"""

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from auth import policy
from auth.policy import Permission, Role
from i18n import mark
from models.access import access, grant, grant_operation, grant_rules
from models.access.grant_rules import Terms
from models.access.operation import OperationContext, requires
from models.access.reauthentication import ReauthenticationCase
from models.accounts.account import Account
from models.audit import event
from models.audit.event_type import EventType
from models.base import naming
from models.base.caller import Caller
from models.base.errors import Refusal, UserErrorCode
from models.base.validation import Validation
from models.outbox import message
from models.outbox.message_kind import MessageKind
from models.people.user import User
from models.sharing import access_request
from models.sharing.access_request import AccessRequest, AccessRequestStatus


@dataclass(frozen=True, slots=True)
class Approval:
    """The outcome of an approval: the request and the new grant."""

    access_request_id: UUID
    grant_id: UUID


@requires(
    Permission.USERS_WRITE,
    EventType.ACCESS_REQUEST_APPROVE,
    of="access_request",
    reauthentication=ReauthenticationCase.ALWAYS,
)
async def approve(
    context: OperationContext,
    access_request_id: UUID,
    *,
    role: Role | None = None,
    permissions: list[Permission] | None = None,
    grant_valid_until: datetime | None = None,
) -> Approval:
    """Give the requested role, or less: a lower role, an allowlist, an end.

    Raises Refusal: INVALID_STATE, ALREADY_MEMBER, ROLE_TOO_HIGH if it is more than requested or more than the caller
    may give, or an invalid input field.
    """
    request = await AccessRequest.get(id=access_request_id)
    granted_role = role or request.role
    _require_pending(request, context.now)
    with Validation() as check:
        allowlist = grant_rules.check_allowlist(check, granted_role, permissions)
        check.end("grant_valid_until", grant_valid_until, now=context.now)
        if policy.granted_bits(granted_role, allowlist) & ~policy.ROLES[request.role]:
            check.add_problem(UserErrorCode.ROLE_TOO_HIGH, "role", mark("This is more than the requester asked for."))
    permit = grant_rules.permit(context.access, None, Terms(granted_role, allowlist, grant_valid_until))
    await _require_requester_is_valid(request, context.now)
    if await grant.is_member(context.caller, request.requester_id, context.account_id):
        raise grant.already_member("access_request_id")
    grant_id = await grant_operation.give(
        context.caller,
        permit,
        account_id=context.account_id,
        user_id=request.requester_id,
        granted_by_id=context.user_id,
        by_role=context.access.role,
    )
    await access_request.decide(request, AccessRequestStatus.APPROVED, context.now, grant_id=grant_id)
    after = {"access_request": str(request.id), "grant": str(grant_id), "role": granted_role}
    await context.record(EventType.ACCESS_REQUEST_APPROVE, before={"role": request.role}, after=after)
    await _mail_requester(context.caller, request, MessageKind.ACCESS_APPROVED, role=granted_role)
    return Approval(request.id, grant_id)


@requires(Permission.USERS_WRITE, EventType.ACCESS_REQUEST_DECLINE, of="access_request", while_closing=True)
async def decline(context: OperationContext, access_request_id: UUID) -> UUID:
    """Decline a pending request and mail the requester. Returns the request's id. Raises Refusal INVALID_STATE."""
    request = await AccessRequest.get(id=access_request_id)
    await _decline(context.caller, request, context.access.role)
    return request.id


async def decline_all(caller: Caller, account_id: UUID) -> None:
    """Decline the pending requests for access to an account that closes, within its transaction."""
    pending = AccessRequest.filter(account_id=account_id, status=AccessRequestStatus.PENDING)
    for request in await pending.filter(expires_at__gt=caller.now):
        with suppress(Refusal):  # The requester withdrew it at the same time.
            await _decline(caller, request, Role.OWNER)


async def _decline(caller: Caller, request: AccessRequest, role: Role) -> None:
    await access_request.decide(request, AccessRequestStatus.DECLINED, caller.now)
    after = {"access_request": str(request.id), "status": AccessRequestStatus.DECLINED}
    await event.record(caller, EventType.ACCESS_REQUEST_DECLINE, account_id=request.account_id, role=role, after=after)
    await _mail_requester(caller, request, MessageKind.ACCESS_DECLINED, role=request.role)


async def _require_requester_is_valid(request: AccessRequest, now: datetime) -> None:
    """Refuse a request if the requester has no login any more, or no longer represents the named account."""
    if not await User.exists(id=request.requester_id, activated_at__not_isnull=True):
        raise access_request.invalid_state(mark("The requester has no login any more."))
    if request.on_behalf_of_id is None:
        return
    represented_access = await access.load_one(request.requester_id, request.on_behalf_of_id, now=now)
    if represented_access is None or not policy.decide(Permission.USERS_WRITE, represented_access.facts).allowed:
        raise access_request.invalid_state(mark("The requester no longer represents the named account."))


def _require_pending(request: AccessRequest, now: datetime) -> None:
    if access_request.status(request, now) is not AccessRequestStatus.PENDING:
        raise access_request.not_pending()


async def _mail_requester(caller: Caller, request: AccessRequest, kind: MessageKind, *, role: Role) -> None:
    requester, account_row = await User.get(id=request.requester_id), await Account.get(id=request.account_id)
    await message.queue(
        caller,
        kind,
        to=requester,
        account_id=request.account_id,
        # A decline does not reveal the account's name, only that an account has the number.
        params={
            "number": str(request.account_number or f"{request.country} {request.organization_number}"),
            "role": role,
        }
        | (
            {"account_name": naming.text(account_row.name, account_row.id)}
            if kind is MessageKind.ACCESS_APPROVED
            else {}
        ),
    )
