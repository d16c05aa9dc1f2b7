"""Accounts that a bureau opens for its clients.

The bureau can work in the account at once. The account belongs to a placeholder owner until the client follows the
mailed link: `models/people/placeholder_owner.py`. Until then the bureau can correct it or withdraw the account:
`models/bureaus/pending_client.py`.
"""

from dataclasses import dataclass
from uuid import UUID

from auth.policy import Permission, Role
from database import db
from i18n import mark
from models.access import access, grant_rules
from models.access.access import Access
from models.access.grant_rules import Exemption, Terms
from models.access.operation import declares_permission
from models.accounts import account
from models.accounts.account import Account, AccountKind
from models.audit import event
from models.audit.event_type import EventType
from models.base import locks
from models.base.caller import Caller
from models.base.errors import UserErrorCode, refuse
from models.base.idempotency import idempotent
from models.base.validation import Validation
from models.bureaus import assignment, engagement, pending_client
from models.people import placeholder_owner


@dataclass(frozen=True, slots=True)
class ClientAccount:
    """A new client account and the bureau's grant on it."""

    account_id: UUID
    grant_id: UUID


# ---- Opening ---------------------------------------------------------------------------------


@idempotent("createClientAccount", ClientAccount)
@declares_permission(Permission.SETTINGS_WRITE, EventType.CLIENT_CREATE)
async def create(
    caller: Caller,
    bureau_account_id: UUID,
    *,
    name: str,
    owner_name: str,
    owner_email: str,
    organization_number: str | None = None,
    country: str | None = None,
) -> ClientAccount:
    """Open a client account with an active engagement. The caller becomes its COLLABORATOR.

    The client gets a link to claim the account. Known and unknown addresses are treated alike.

    Raises:
        Refusal: NOT_FOUND, INVALID (the account is not a bureau, or invalid input), SUBSCRIPTION_EXPIRED (the
            bureau's), ORGANIZATION_NUMBER_TAKEN, or another error of the input.
        RateLimited: the bureau has reached its daily limit of mailed offers.
        Forbidden: the caller lacks SETTINGS_WRITE in the bureau.
    """
    await _require_settings_access(caller, bureau_account_id)
    with Validation() as check:
        owner_name, owner_email = check.line("owner_name", owner_name), check.email("owner_email", owner_email)
        details = account.check_details(check, name=name, organization_number=organization_number, country=country)
    async with db.transaction():
        await locks.lock_accounts(bureau_account_id)
        bureau_access = await _require_settings_access(caller, bureau_account_id)
        bureau = await Account.get(id=bureau_account_id)
        if bureau.kind is not AccountKind.BUREAU:
            raise refuse(UserErrorCode.INVALID, "bureau_account_id", mark("This account is not a bureau."))
        owner = await placeholder_owner.create(caller, owner_name, owner_email)
        account_id = await account.open_for(
            caller, owner.id, details, activated_at=None, created_by_bureau_id=bureau.id
        )
        engagement_row = await engagement.create_active(caller, bureau.id, account_id)
        permit = grant_rules.permit(Exemption.OPENING, None, Terms(Role.COLLABORATOR, None, None))
        grant_id = await assignment.create_derived(caller, engagement_row, caller.user(), permit)
        await event.record(
            caller,
            EventType.CLIENT_CREATE,
            account_id=bureau.id,
            role=bureau_access.role,
            after={"client": str(account_id), "engagement": str(engagement_row.id)},
        )
        await pending_client.send_link(caller, owner, account_id, bureau, details.name)
    return ClientAccount(account_id, grant_id)


async def _require_settings_access(caller: Caller, bureau_id: UUID) -> Access:
    bureau_access = await access.load_one(caller.user(), bureau_id, now=caller.now)
    return engagement.require_access(bureau_access, create.permission, "bureau_account_id")
