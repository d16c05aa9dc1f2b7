"""Changes of an account's name, registered numbers and settings."""

from typing import Final
from uuid import UUID

from auth import policy
from auth.policy import Permission
from i18n import mark
from models.access import one_time_code, reauthentication
from models.access.operation import OperationContext, requires
from models.access.reauthentication import ReauthenticationCase
from models.accounts import number_claim, registered_number
from models.accounts.account import Account
from models.audit.event_type import EventType
from models.base.errors import UserErrorCode
from models.base.unset import UNSET, Unset
from models.base.validation import Validation


@number_claim.contestable
@requires(Permission.SETTINGS_WRITE, EventType.ACCOUNT_UPDATE)
async def update(
    context: OperationContext,
    account_id: UUID,
    *,
    name: str | None = None,
    organization_number: str | None | Unset = UNSET,
    country: str | None | Unset = UNSET,
) -> UUID:
    """Change an account's name or organization number. Arguments that are not given change nothing."""
    account = await Account.get(id=account_id)
    with Validation() as check:
        changes: dict[str, object] = {}
        if name is not None:
            changes["name"] = check.line("name", name)
        country_code = account.country
        if country is not UNSET:
            country_code = changes["country"] = check.country("country", country) if country else None
        if (organization_number, country) != (UNSET, UNSET):
            number = account.organization_number if organization_number is UNSET else organization_number
            changes["organization_number"] = (
                check.organization_number("organization_number", number, country_code) if number else None
            )
    return await _change(context, account, changes, EventType.ACCOUNT_UPDATE)


@number_claim.contestable
@requires(Permission.SETTINGS_WRITE, EventType.SETTINGS_UPDATE, reauthentication=ReauthenticationCase.SENSITIVE_SETTING)
async def update_settings(
    context: OperationContext,
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
    """Change an account's settings. Arguments that are not given change nothing.

    Restrictions and locks take effect at once.
    """
    account = await Account.get(id=account_id)
    with Validation() as check:
        changes: dict[str, object] = {}
        if invoice_prefix is not None:
            changes["invoice_prefix"] = _check_prefix(check, invoice_prefix)
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
            changes["payment_term_days"] = check.whole_number(
                "payment_term_days", payment_term_days, minimum=0, maximum=365
            )
        if simple_user_restrictions is not None:
            changes["simple_user_restrictions"] = _check_restrictable(
                check, "simple_user_restrictions", simple_user_restrictions
            )
        if locks is not None:
            changes["locks"] = _check_restrictable(check, "locks", locks)
        if requires_two_factor is not None:
            changes["requires_two_factor"] = await _check_caller_factor(check, context, is_required=requires_two_factor)
    return await _change(context, account, changes, EventType.SETTINGS_UPDATE)


def _check_prefix(check: Validation, value: str) -> str:
    return check.line("invoice_prefix", value, max_length=20) if value.strip() else ""


async def _check_caller_factor(check: Validation, context: OperationContext, *, is_required: bool) -> bool:
    if is_required and not await one_time_code.is_required(context.user_id):
        check.add_problem(
            UserErrorCode.TWO_FACTOR_REQUIRED,
            "requires_two_factor",
            mark("You would lock yourself out. Set up your own second factor first."),
        )
    return is_required


def _check_restrictable(check: Validation, field: str, permissions: list[Permission]) -> int:
    bits = policy.mask(permissions)
    if bits & ~policy.RESTRICTABLE:
        check.add_problem(
            UserErrorCode.INVALID,
            field,
            mark("These permissions cannot be restricted: %(permissions)s."),
            permissions=", ".join(policy.permissions(bits & ~policy.RESTRICTABLE)),
        )
    return bits


_SENSITIVE: Final = frozenset({"bank_account_number", "requires_two_factor"})
"""The columns that decide who gets paid and who gets in."""


async def _change(
    context: OperationContext, account: Account, changes: dict[str, object], event_type: EventType
) -> UUID:
    before = {key: getattr(account, key) for key in changes}
    changes = {key: value for key, value in changes.items() if before[key] != value}
    if not changes:
        return account.id
    if not changes.keys().isdisjoint(_SENSITIVE):
        await reauthentication.require(context.caller)
    await registered_number.claim(
        context.caller,
        account.owner_id,
        _text(changes.get("country", account.country)),
        _text(changes.get("organization_number", account.organization_number)),
        _text(changes.get("bank_account_number", account.bank_account_number)),
    )
    await Account.filter(id=account.id).update(**changes)
    if "organization_number" in changes or "country" in changes:
        await registered_number.release(account.country, account.organization_number, None)
    if "bank_account_number" in changes:
        await registered_number.release(None, None, account.bank_account_number)
    await context.record(
        event_type,
        before={key: _event_value(key, before[key]) for key in changes},
        after={key: _event_value(key, value) for key, value in changes.items()},
    )
    return account.id


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def _event_value(key: str, value: object) -> object:
    """A setting as events record it: permissions by name, because readers of events do not know the bits."""
    is_set = key in {"locks", "simple_user_restrictions"} and isinstance(value, int)
    return policy.permissions(value) if is_set and isinstance(value, int) else value
