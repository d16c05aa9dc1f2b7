"""Demo data: a small firm, its accountant, a colleague and a bureau, written by the operations of the product.

Modules add rows to each account of the demo: the part DEMO of their `samples`.
"""

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

import modules
from auth import tokens
from auth.policy import Permission, Role
from database import db
from models.accounts import account
from models.accounts import settings as account_settings
from models.accounts.account import Account, AccountKind
from models.base.caller import Caller, configure
from models.billing import subscription, voucher
from models.closing import account_closing
from models.outbox.message import LinkPurpose, Message
from models.people import activation, registration
from models.people.user import User
from models.sharing import acceptance, invitation
from models.tables import SCHEMA
from settings import Settings

PASSWORD: Final = "kestrel-orbit-lantern"  # noqa: S105 - published, for development only
OWNER: Final = "anna@example.com"
ACCOUNTANT: Final = "marek@example.com"
SIMPLE_USER: Final = "ola@example.com"
BUREAU: Final = "ingrid@example.com"
VOUCHER: Final = "TRYME-TRYME-TRYME-TRYME"


@dataclass(frozen=True, slots=True)
class SignIn:
    """A login of the demo data."""

    label: str
    email: str
    password: str


SIGN_INS: Final = [
    SignIn("owner", OWNER, PASSWORD),
    SignIn("accountant", ACCOUNTANT, PASSWORD),
    SignIn("simple user", SIMPLE_USER, PASSWORD),
    SignIn("bureau", BUREAU, PASSWORD),
]


async def write(settings: Settings) -> list[SignIn]:
    """Write the demo data that does not exist yet, and return its logins.

    Each step is one operation of the product and is skipped if it was done before. The next run completes an
    interrupted one.
    """
    async with db.connection(settings.database_url, SCHEMA, pool_size=2):
        await _write(settings)
    return SIGN_INS


async def _write(settings: Settings) -> None:
    caller = Caller(now=datetime.now(UTC), config=configure(settings))
    owner = await _login(caller, OWNER, "Anna Nowak", account_name="Nowak Meble", country="PL")
    bureau = await _login(caller, BUREAU, "Ingrid Solheim", account_name="Solheim Regnskap", country="NO")
    accountant = await _login(caller, ACCOUNTANT, "Marek Lis", account_name="Biuro Lis", country="PL")
    simple_user = await _login(caller, SIMPLE_USER, "Ola Kowalska", account_name="Ola Kowalska", country="PL")
    firm = await _first_account(owner.user())
    bureau_account = await _first_account(bureau.user())
    await Account.filter(id=bureau_account.id).update(kind=AccountKind.BUREAU)
    await _share(owner, firm.id, ACCOUNTANT, Role.ACCOUNTANT)
    await _share(owner, firm.id, SIMPLE_USER, Role.SIMPLE_USER)
    await _share(owner, firm.id, BUREAU, Role.COLLABORATOR)
    await _sell_days(caller, bureau_account)
    if not await account.Account.exists(owner_id=owner.user(), name="Nowak Transport"):
        await account.create(owner, name="Nowak Transport", country="PL")
    if not await subscription.SubscriptionEntry.exists(reference="demo transport"):
        # The trial of the owner is that of the first account.
        transport = await Account.get(owner_id=owner.user(), name="Nowak Transport")
        await subscription.credit(caller, transport.number, 60, reference="demo transport")
    if not await account.Account.exists(owner_id=accountant.user(), name="Lis Archiwum"):
        archive_id = await account.create(accountant, name="Lis Archiwum", country="PL")
        _ = await account_closing.close(accountant, archive_id, password=PASSWORD)
    await account_settings.update_settings(
        owner,
        firm.id,
        invoice_prefix="NM/",
        default_currency="PLN",
        simple_user_restrictions=[Permission.PURCHASE_PRICES_READ],
    )
    if not await Message.exists(to_address="new.colleague@example.com"):
        await invitation.issue(owner, firm.id, email="new.colleague@example.com", role=Role.COLLABORATOR)
    transport = await Account.get(owner_id=owner.user(), name="Nowak Transport")
    own_accounts = [await _first_account(user.user()) for user in (owner, bureau, accountant, simple_user)]
    for demo_account in (*own_accounts, transport):
        for write_samples in modules.sample_parts("DEMO"):
            await write_samples(caller, demo_account.id)


async def _login(caller: Caller, email: str, name: str, *, account_name: str, country: str) -> Caller:
    """Register and activate a user with the operations that users run."""
    login = await User.filter(email_key=email).first()
    if login is None or login.activated_at is None:
        secret = await registration.register(
            caller, name=name, email=email, password=PASSWORD, account_name=account_name, country=country
        )
        token = await _mailed_token(caller, email, LinkPurpose.ACTIVATION)
        await activation.activate(caller, token=token, registration_secret=secret)
        login = await User.get(email_key=email)
    return replace(caller, user_id=login.id, authenticated_at=caller.now)


async def _mailed_token(caller: Caller, email: str, purpose: LinkPurpose) -> str:
    mail = await Message.filter(to_address=email, link_purpose=purpose).order_by("-id").first()
    if mail is None or mail.link_seed is None:
        raise LookupError(f"no mail with a link for {purpose} exists for {email}")
    return tokens.derive(caller.config.link_key, purpose, mail.link_seed)


async def _first_account(user_id: UUID) -> Account:
    return (await Account.filter(owner_id=user_id).order_by("id"))[0]


async def _share(owner: Caller, account_id: UUID, email: str, role: Role) -> None:
    if await invitation.Invitation.exists(account_id=account_id, email_key=email):
        return
    await invitation.issue(owner, account_id, email=email, role=role)
    guest = await User.get(email_key=email)
    token = await _mailed_token(owner, email, LinkPurpose.INVITATION)
    await acceptance.accept(replace(owner, user_id=guest.id), token=token)


async def _sell_days(caller: Caller, bureau_account: Account) -> None:
    if not await subscription.SubscriptionEntry.exists(reference="demo"):
        await subscription.credit(caller, bureau_account.number, 365, reference="demo")
    if not [batch for batch in await voucher.list_batches() if batch.reference == "demo"]:
        await voucher.issue(caller, [VOUCHER], days=60, reference="demo")
