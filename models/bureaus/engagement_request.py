"""Requests for an engagement, by the bureau or by the client.

The requested account may not exist, or the requester may have no access to it. The response, the event on the
requester's side and the response time are the same in both cases.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final
from uuid import UUID

from auth.policy import Permission
from database import db, keys
from i18n import mark
from models.access import operation, reauthentication
from models.access.access import Access
from models.access.grant_rules import Permit
from models.access.operation import declares_permission
from models.access.reauthentication import ReauthenticationCase
from models.accounts import account
from models.accounts.account import AccountKind, AccountRow
from models.audit.event_type import EventType
from models.base import locks, naming
from models.base.caller import Caller
from models.base.errors import UserErrorCode, refuse
from models.base.idempotency import idempotent
from models.base.validation import Validation
from models.bureaus import blind_request, engagement, engagement_event, engagement_mail, standing_permissions
from models.bureaus.engagement import EngagementRow, EngagementStatus
from models.outbox import mail_limit
from models.outbox.message_kind import MessageKind
from models.people.user import User


@dataclass(frozen=True, slots=True)
class _Request:
    """The requesting account, the target account (None if it does not exist), and the input that identified it."""

    requester: AccountRow
    by_bureau: bool
    target: AccountRow | None
    target_input: dict[str, object]
    entered_id: UUID | None = None
    """The id that identified the target, if no input of `target_input` did."""

    @property
    def target_id(self) -> UUID:
        """The id of the target. NO_ACCOUNT_ID if it does not exist."""
        return self.target.id if self.target else engagement.NO_ACCOUNT_ID

    @property
    def sides(self) -> tuple[UUID, UUID]:
        """The bureau and the client. NO_ACCOUNT_ID if the target does not exist."""
        return (self.requester.id, self.target_id) if self.by_bureau else (self.target_id, self.requester.id)

    @property
    def bureau(self) -> AccountRow | None:
        """The side that must be a bureau."""
        return self.requester if self.by_bureau else self.target


_INPUT_COMBINATIONS: Final = [
    {"client_account_id", "bureau_number"},
    {"client_account_id", "bureau_account_id"},
    {"bureau_account_id", "client_number"},
    {"bureau_account_id", "client_organization_number"},
]
"""The accepted combinations of inputs: the requester's account and one input that identifies the target."""
_BY_ORGANIZATION: Final = f"""
SELECT {db.select_list(account.COLUMNS)} FROM accounts a
WHERE a.country = $1 AND a.organization_number = $2 ORDER BY a.id = $3, a.id LIMIT 1
"""


@idempotent("engageBureau")
@declares_permission(Permission.USERS_WRITE, EventType.ENGAGEMENT_ASK, reauthentication=ReauthenticationCase.FOR_CLIENT)
async def engage(
    caller: Caller,
    *,
    client_account_id: UUID | None = None,
    bureau_account_id: UUID | None = None,
    client_organization_number: str | None = None,
    client_country: str | None = None,
    client_number: int | None = None,
    bureau_number: int | None = None,
    consultant_permissions: list[Permission] | None = None,
    consultant_valid_until: datetime | None = None,
) -> UUID | None:
    """Request an engagement. Returns its id if the caller can enter the target account, otherwise None.

    A client gives its own id and the bureau's number or id. A bureau gives its own id and the client's number, id, or
    organization number (in `client_country`; None means the bureau's own country). If both ids are given, the
    requester is the account in which the caller has USERS_WRITE; the client if the caller has it in both. A client can
    give standing permissions: `models/bureaus/standing_permissions.py`.

    Raises:
        Refusal: REQUIRED, SAME_ACCOUNT; NOT_FOUND or INVALID (not a bureau) for the requesting account;
            ALREADY_EXISTS or INVALID for a target that the caller can enter; INVALID for permissions given by a
            bureau; ROLE_TOO_HIGH, or an invalid input field.
        RateLimited: the requesting account, the caller or the installation has reached its limit of requests.
        Forbidden: the caller lacks USERS_WRITE in the requesting account.
    """
    target_inputs = {
        "client_organization_number": client_organization_number,
        "client_number": client_number,
        "bureau_number": bureau_number,
    }
    async with db.transaction():
        request = await _resolve_request(caller, client_account_id, bureau_account_id, client_country, target_inputs)
        if request.target is not None and request.target.id == request.requester.id:
            raise refuse(UserErrorCode.SAME_ACCOUNT, None, mark("An account cannot be its own bureau."))
        await locks.lock_accounts(*request.sides)
        access_by_account = await engagement.load_access(caller, *request.sides)
        requester_access = access_by_account.get(request.requester.id)
        requester_access = engagement.require_access(
            requester_access, engage.permission, _requester_field(by_bureau=request.by_bureau)
        )
        if not request.by_bureau:
            await reauthentication.require(caller)
        standing_permit = standing_permissions.check(
            None if request.by_bureau else requester_access,
            consultant_permissions,
            consultant_valid_until,
            now=caller.now,
        )
        is_visible = request.target is not None and request.target.id in access_by_account
        # Read again under the lock: the kind may have changed.
        bureau = (await account.by_ids([request.bureau.id if request.bureau else engagement.NO_ACCOUNT_ID]))[0]
        is_bureau = bureau is not None and bureau.kind == AccountKind.BUREAU
        if not is_bureau and (request.by_bureau or is_visible):
            raise refuse(UserErrorCode.INVALID, None, mark("This account is not a bureau."))
        await mail_limit.attempt_engagement(caller, request.requester.id)
        facts = {
            **request.target_input,
            **(standing_permissions.event_facts(standing_permit.terms) if standing_permit else {}),
        }
        await engagement_event.record(
            caller, EventType.ENGAGEMENT_ASK, request.requester.id, access_by_account, after=facts
        )
        if request.target is not None and is_visible:
            operation.require_not_closing(access_by_account[request.target.id], None)
        is_target_open = is_bureau and _is_open(request.target)
        if is_visible:
            return await _send(caller, request, access_by_account, standing_permit)
        await _send_blindly(
            caller, request if is_target_open else replace(request, target=None), access_by_account, standing_permit
        )
        return None


def _is_open(target: AccountRow | None) -> bool:
    return target is not None and target.closed_at is None and target.closes_at is None


async def _resolve_request(
    caller: Caller,
    client_id: UUID | None,
    bureau_id: UUID | None,
    country: str | None,
    target_inputs: dict[str, str | int | None],
) -> _Request:
    """Find the requesting account and the target. The caller's access is checked before the target is looked up."""
    target_input = {name: value for name, value in target_inputs.items() if value is not None}
    account_inputs = {"client_account_id": client_id, "bureau_account_id": bureau_id}
    account_ids = [key for key in account_inputs.values() if key is not None]
    account_names = {name for name, key in account_inputs.items() if key is not None}
    if target_input.keys() | account_names not in _INPUT_COMBINATIONS:
        raise refuse(
            UserErrorCode.REQUIRED,
            None,
            mark("Give the id of your own account and one input that identifies the other account."),
        )
    access_by_account = await engagement.load_access(caller, *account_ids)
    by_bureau = client_id is None or (
        bureau_id in access_by_account and not engagement.may_act(access_by_account.get(client_id))
    )
    requester_id = bureau_id if by_bureau else client_id
    requester_access = access_by_account.get(requester_id or engagement.NO_ACCOUNT_ID)
    engagement.require_access(requester_access, engage.permission, _requester_field(by_bureau=by_bureau))
    rows = await account.by_ids(account_ids)
    requester = next(row for row in rows if row is not None and row.id == requester_id)
    if not target_input:
        target = next((row for row in rows if row is not None and row.id != requester_id), None)
        entered_id = client_id if by_bureau else bureau_id
        return _Request(requester, by_bureau, requester if client_id == bureau_id else target, {}, entered_id)
    ((name, value),) = target_input.items()
    if isinstance(value, int):
        return _Request(requester, by_bureau, await account.by_number(value), {name: value})
    return await _by_organization(requester, value, country)


async def _by_organization(requester: AccountRow, number: str, country: str | None) -> _Request:
    with Validation() as check:
        country_code = check.country("client_country", country) if country else requester.country
        if country_code is None:
            check.add_problem(
                UserErrorCode.REQUIRED, "client_country", mark("An organization number needs its country.")
            )
        else:
            number = check.organization_number("client_organization_number", number, country_code)
    target = await db.fetch_one(_BY_ORGANIZATION, country_code, number, requester.id, row=AccountRow)
    return _Request(requester, True, target, {"client_organization_number": number, "client_country": country_code})


_FIND_OPEN: Final = f"""
SELECT {db.select_list(engagement.COLUMNS)} FROM engagements e
WHERE e.bureau_id = $1 AND e.client_id = $2 AND e.status IN ('PENDING', 'ACTIVE')
"""
_STORE_EXPIRED: Final = """
UPDATE engagements SET status = 'EXPIRED', ended_at = expires_at
WHERE bureau_id = $1 AND client_id = $2 AND status = 'PENDING' AND expires_at <= $3
"""
# If one of the accounts does not exist, no engagement is created.
_INSERT: Final = """
INSERT INTO engagements (id, bureau_id, client_id, status, asked_by_id, is_blind, created_at, expires_at,
                         standing_bits, standing_until, standing_by_id)
SELECT $1, b.id, c.id, 'PENDING', $4, $5, $6, $7, $8, $9, $10 FROM accounts b, accounts c WHERE b.id = $2 AND c.id = $3
ON CONFLICT (bureau_id, client_id) WHERE status IN ('PENDING', 'ACTIVE') DO NOTHING
"""


async def _send(
    caller: Caller, request: _Request, access_by_account: dict[UUID, Access], standing_permit: Permit | None
) -> UUID:
    """Create a pending engagement with an account that the caller can enter, or accept the one that it requested."""
    if (engagement_id := await _accept_mutual(caller, request, access_by_account, standing_permit)) is not None:
        return engagement_id
    engagement_id, columns = (
        keys.uuid7(),
        standing_permissions.columns(caller, standing_permit.terms if standing_permit else None),
    )
    expires_at = caller.now + engagement.REQUEST_LIFETIME
    if not await db.execute(
        _INSERT, engagement_id, *request.sides, request.requester.id, False, caller.now, expires_at, *columns
    ):
        raise refuse(UserErrorCode.ALREADY_EXISTS, None, mark("These accounts already have an engagement."))
    facts = _facts_for_target(request, engagement_id, standing_permit)
    await engagement_event.record(caller, EventType.ENGAGEMENT_ASK, request.target_id, access_by_account, after=facts)
    await engagement_mail.mail_owners(
        caller,
        MessageKind.ENGAGEMENT_ASKED,
        request.sides,
        recipient_ids=[request.target_id],
        asker_name=naming.text(request.requester.name, request.requester.id),
        sender_email=await _sender_email(caller),
    )
    return engagement_id


async def _send_blindly(
    caller: Caller, request: _Request, access_by_account: dict[UUID, Access], standing_permit: Permit | None
) -> None:
    """Store a request to an account that the caller cannot enter, and create a pending engagement if there is one.

    Runs the same statements whether or not the account exists, unless it has requested the same engagement.
    """
    if await _accept_mutual(caller, request, access_by_account, standing_permit) is not None:
        return
    requester, engagement_id = request.requester, keys.uuid7()
    stored_request = await blind_request.store(
        caller, requester.id, by_bureau=request.by_bureau, target=request.target_input, target_id=request.entered_id
    )
    columns = standing_permissions.columns(caller, standing_permit.terms if standing_permit else None)
    is_created = bool(
        await db.execute(
            _INSERT, engagement_id, *request.sides, requester.id, True, caller.now, stored_request.expires_at, *columns
        )
    )
    await blind_request.set_engagement(stored_request.id, engagement_id if is_created else None)
    target_id = request.target_id if is_created else engagement.NO_ACCOUNT_ID
    facts = _facts_for_target(request, engagement_id, standing_permit)
    await engagement_event.record_without_actor(caller, EventType.ENGAGEMENT_ASK, target_id, after=facts)
    await engagement_mail.mail_request(
        caller,
        (requester.id, target_id) if request.by_bureau else (target_id, requester.id),
        target_id,
        asker_name=naming.text(requester.name, requester.id),
        sender_email=await _sender_email(caller),
    )


async def _accept_mutual(
    caller: Caller, request: _Request, access_by_account: dict[UUID, Access], standing_permit: Permit | None
) -> UUID | None:
    """Accept the pending engagement that the target has requested. Returns its id, or None if there is none."""
    await db.execute(_STORE_EXPIRED, *request.sides, caller.now)
    open_engagement = await db.fetch_one(_FIND_OPEN, *request.sides, row=EngagementRow)
    if open_engagement is None or open_engagement.asked_by_id == request.requester.id:
        return None
    if open_engagement.status != EngagementStatus.PENDING:
        return None
    await engagement.activate(caller, open_engagement, access_by_account, standing_permit)
    return open_engagement.id


def _facts_for_target(request: _Request, engagement_id: UUID, standing_permit: Permit | None) -> dict[str, object]:
    return {
        "engagement": str(engagement_id),
        "asked_by": request.requester.number,
        **(standing_permissions.event_facts(standing_permit.terms) if standing_permit else {}),
    }


async def _sender_email(caller: Caller) -> str:
    sender = await User.get(id=caller.user())
    return naming.address(sender.email)


def _requester_field(*, by_bureau: bool) -> str:
    return "bureau_account_id" if by_bureau else "client_account_id"
