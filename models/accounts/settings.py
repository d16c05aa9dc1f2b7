"""What of an account its people change: its name and numbers, and its settings."""

from uuid import UUID

from auth import policy
from auth.policy import Permission
from i18n import mark
from models.access import one_time_code
from models.access.access import OperationContext, requires
from models.accounts import registered_number
from models.accounts.account import Account
from models.base.errors import UserErrorCode
from models.base.unset import UNSET, Unset
from models.base.validation import Validation


@requires(Permission.SETTINGS_WRITE)
async def update(
    act: OperationContext,
    account_id: UUID,
    *,
    name: str | None = None,
    organization_number: str | None | Unset = UNSET,
    country: str | None | Unset = UNSET,
) -> UUID:
    """Change an account's name or its organization number; what is not given stays."""
    account = await Account.get(id=account_id)
    with Validation() as check:
        changes: dict[str, object] = {}
        if name is not None:
            changes["name"] = check.line("name", name)
        land = account.country
        if country is not UNSET:
            land = changes["country"] = check.country("country", country) if country else None
        if (organization_number, country) != (UNSET, UNSET):
            number = account.organization_number if organization_number is UNSET else organization_number
            changes["organization_number"] = (
                check.organization_number("organization_number", number, land) if number else None
            )
    return await _change(act, account, changes, "account:account:update")


@requires(Permission.SETTINGS_WRITE)
async def update_settings(
    act: OperationContext,
    account_id: UUID,
    *,
    invoice_prefix: str | None = None,
    vat_number: str | None | Unset = UNSET,
    bank_account_number: str | None | Unset = UNSET,
    default_currency: str | None = None,
    default_locale: str | None = None,
    payment_term_days: int | None = None,
    simple_user_restrictions: list[Permission] | None = None,
    locks: list[Permission] | None = None,
    requires_two_factor: bool | None = None,
) -> UUID:
    """Change an account's settings; what is not given stays. Restrictions and locks act at once."""
    account = await Account.get(id=account_id)
    with Validation() as check:
        changes: dict[str, object] = {}
        if invoice_prefix is not None:
            changes["invoice_prefix"] = _prefix(check, invoice_prefix)
        if vat_number is not UNSET:
            changes["vat_number"] = check.vat_number("vat_number", vat_number, account.country) if vat_number else None
        if bank_account_number is not UNSET:
            changes["bank_account_number"] = (
                check.bank_account("bank_account_number", bank_account_number, account.country)
                if bank_account_number
                else None
            )
        if default_currency is not None:
            changes["default_currency"] = check.currency("default_currency", default_currency)
        if default_locale is not None:
            changes["default_locale"] = check.locale("default_locale", default_locale)
        if payment_term_days is not None:
            changes["payment_term_days"] = check.whole_number("payment_term_days", payment_term_days, least=0, most=365)
        if simple_user_restrictions is not None:
            changes["simple_user_restrictions"] = _restrictable(
                check, "simple_user_restrictions", simple_user_restrictions
            )
        if locks is not None:
            changes["locks"] = _restrictable(check, "locks", locks)
        if requires_two_factor is not None:
            changes["requires_two_factor"] = await _own_factor_first(check, act, demanded=requires_two_factor)
    return await _change(act, account, changes, "account:settings:update")


def _prefix(check: Validation, value: str) -> str:
    return check.line("invoice_prefix", value, longest=20) if value.strip() else ""


async def _own_factor_first(check: Validation, act: OperationContext, *, demanded: bool) -> bool:
    if demanded and not await one_time_code.is_demanded(act.user_id):
        check.problem(
            UserErrorCode.TWO_FACTOR_REQUIRED,
            "requires_two_factor",
            mark("You would shut yourself out: set up a second factor of your own first."),
        )
    return demanded


def _restrictable(check: Validation, field: str, taken: list[Permission]) -> int:
    bits = policy.mask(taken)
    if bits & ~policy.RESTRICTABLE:
        check.problem(
            UserErrorCode.INVALID,
            field,
            mark("These cannot be taken away: %(permissions)s."),
            permissions=", ".join(policy.permissions(bits & ~policy.RESTRICTABLE)),
        )
    return bits


async def _change(act: OperationContext, account: Account, changes: dict[str, object], done: str) -> UUID:
    before = {key: getattr(account, key) for key in changes}
    changed = {key: value for key, value in changes.items() if before[key] != value}
    if not changed:
        return account.id
    await registered_number.claim(
        account.owner_id,
        _text(changed.get("country", account.country)),
        _text(changed.get("organization_number", account.organization_number)),
        _text(changed.get("bank_account_number", account.bank_account_number)),
    )
    await Account.filter(id=account.id).update(**changed)
    if "organization_number" in changed or "country" in changed:
        await registered_number.release(account.country, account.organization_number, None)
    if "bank_account_number" in changed:
        await registered_number.release(None, None, account.bank_account_number)
    await act.record(
        done,
        before={key: _shown(key, before[key]) for key in changed},
        after={key: _shown(key, value) for key, value in changed.items()},
    )
    return account.id


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def _shown(key: str, value: object) -> object:
    """Sets of permissions by their names: an event is read without the code."""
    is_set = key in {"locks", "simple_user_restrictions"} and isinstance(value, int)
    return policy.permissions(value) if is_set and isinstance(value, int) else value
