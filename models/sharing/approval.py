"""What an account can do with a request for access: approve it, with less than asked, or decline it.

It is decided under the account's lock, where the right of who decides is read, and what has become of
the one who asked.
"""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from auth import policy
from auth.policy import Permission, Role
from i18n import mark
from models.access import access, grant
from models.access.access import OperationContext, requires
from models.accounts.account import Account
from models.base.errors import UserErrorCode
from models.base.validation import Validation
from models.outbox import message
from models.outbox.message import MessageKind
from models.people.user import User
from models.sharing import access_request
from models.sharing.access_request import AccessRequest, AccessRequestStatus


@dataclass(frozen=True, slots=True)
class Approved:
    """What approving leaves: the request, and the grant that it gave."""

    access_request_id: UUID
    grant_id: UUID


@requires(Permission.USERS_WRITE, of="access_request")
async def approve(
    act: OperationContext,
    access_request_id: UUID,
    *,
    role: Role | None = None,
    permissions: list[Permission] | None = None,
    grant_valid_until: datetime | None = None,
) -> Approved:
    """Give what was asked for, or less: another role, a list, an end.

    Raises Refusal: INVALID_STATE, ALREADY_MEMBER, ROLE_TOO_HIGH (more than was asked, or than the
    caller may give), or what is wrong with the input.
    """
    asked = await AccessRequest.get(id=access_request_id)
    given = role or asked.role
    _demand_pending(asked, act.now)
    with Validation() as check:
        listed = grant.checked_list(check, given, permissions)
        check.end("grant_valid_until", grant_valid_until, now=act.now)
        if policy.granted(given, listed) & ~policy.ROLES[asked.role]:
            check.problem(UserErrorCode.ROLE_TOO_HIGH, "role", mark("This is more than was asked for."))
    grant.demand_may_give(act.access, given, listed, until=grant_valid_until)
    await _check_requester(asked, act.now)
    if await grant.is_member(act.caller, asked.requester_id, act.account_id):
        raise grant.already_member("access_request_id")
    grant_id = await grant.give(
        act.caller,
        account_id=act.account_id,
        user_id=asked.requester_id,
        role=given,
        listed=listed,
        valid_until=grant_valid_until,
        granted_by_id=act.user_id,
        by_role=act.access.role,
    )
    await access_request.leave_pending(asked, AccessRequestStatus.APPROVED, act.now, grant_id=grant_id)
    after = {"access_request": str(asked.id), "grant": str(grant_id), "role": given}
    await act.record("account:access-request:approve", before={"role": asked.role}, after=after)
    await _tell_requester(act, asked, MessageKind.ACCESS_APPROVED, role=given)
    return Approved(asked.id, grant_id)


@requires(Permission.USERS_WRITE, of="access_request")
async def decline(act: OperationContext, access_request_id: UUID) -> UUID:
    """Turn a pending request down; its requester is told. Returns its id."""
    asked = await AccessRequest.get(id=access_request_id)
    await access_request.leave_pending(asked, AccessRequestStatus.DECLINED, act.now)
    after = {"access_request": str(asked.id), "status": AccessRequestStatus.DECLINED}
    await act.record("account:access-request:decline", after=after)
    await _tell_requester(act, asked, MessageKind.ACCESS_DECLINED, role=asked.role)
    return asked.id


async def _check_requester(asked: AccessRequest, now: datetime) -> None:
    """Who asked must still be there, and still speak for the account that he named."""
    if not await User.exists(id=asked.requester_id, activated_at__not_isnull=True):
        raise access_request.not_in_state(mark("Whoever asked has no login any more."))
    if asked.on_behalf_of_id is None:
        return
    voice = await access.load_one(asked.requester_id, asked.on_behalf_of_id, now=now)
    if voice is None or not policy.decide(Permission.USERS_WRITE, voice.standing).allowed:
        raise access_request.not_in_state(mark("Whoever asked no longer speaks for the account that he named."))


def _demand_pending(asked: AccessRequest, now: datetime) -> None:
    if access_request.status(asked, now) is not AccessRequestStatus.PENDING:
        raise access_request.not_pending()


async def _tell_requester(act: OperationContext, asked: AccessRequest, kind: MessageKind, *, role: Role) -> None:
    requester, house = await User.get(id=asked.requester_id), await Account.get(id=act.account_id)
    await message.queue(
        act.caller,
        kind,
        to=requester.email,
        name=requester.name,
        locale=requester.locale,
        account_id=act.account_id,
        # Who is declined learns no name: only that somebody answers for the number that he typed.
        params={"number": str(asked.account_number or f"{asked.country} {asked.organization_number}"), "role": role}
        | ({"account_name": house.name} if kind is MessageKind.ACCESS_APPROVED else {}),
    )
