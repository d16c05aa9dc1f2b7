"""A user is a person with a login; which accounts he may enter is said by grants.

    register --> inactive --activate--> active --erase--> erased    (sign-in needs active)
    accepting an invitation with a new login is active at once: the link proved the address

Registering again before activation starts afresh: the newest name and password count, and the
older link dies. Addresses are unique by `email_key`, and no answer tells whether one is taken.
"""

from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from tortoise import fields
from tortoise.models import Model

from auth import passwords, tokens
from database import db, keys
from i18n import mark
from models import throttle
from models.accounts import account
from models.accounts.account import Details
from models.audit import event
from models.base.caller import Caller
from models.base.errors import Refusal, UserErrorCode, refuse
from models.base.validation import Validation, email_key
from models.outbox import message
from models.outbox.message import LinkPurpose, MessageKind
from models.people import session
from models.throttle import Attempt, Counter

ACTIVATION_LASTS: Final = timedelta(hours=24)
RESET_LASTS: Final = timedelta(hours=1)


class User(Model):
    """A person who can sign in."""

    id = fields.UUIDField(primary_key=True, default=keys.uuid7)
    email = fields.TextField()
    email_key = fields.TextField()
    name = fields.TextField()
    locale = fields.TextField()
    password_hash: str | None = fields.TextField(null=True)
    activated_at: datetime | None = fields.DatetimeField(null=True)
    created_at = fields.DatetimeField()
    erased_at: datetime | None = fields.DatetimeField(null=True)

    class Meta(Model.Meta):
        """Where the rows are."""

        table = "users"


class UserToken(Model):
    """A mailed link of a user: at most one open one of each purpose."""

    id = fields.UUIDField(primary_key=True, default=keys.uuid7)
    user_id = fields.UUIDField()
    purpose = fields.CharEnumField(LinkPurpose, max_length=20)
    token_digest = fields.BinaryField()
    created_at = fields.DatetimeField()
    expires_at = fields.DatetimeField()
    used_at: datetime | None = fields.DatetimeField(null=True)

    class Meta(Model.Meta):
        """Where the rows are."""

        table = "user_tokens"


class UserRow(db.Row):
    """A user as others may see him; never with his password."""

    graphql_type = "User"

    id: UUID
    name: str
    email: str
    locale: str
    activated_at: datetime | None
    created_at: datetime


COLUMNS: Final = db.columns("u", "id name email locale activated_at created_at")


async def by_ids(ids: list[UUID], *, wanted: frozenset[str] | None = None) -> dict[UUID, UserRow]:
    """The users with these ids, by id; with the `wanted` columns and the id, or all."""
    names = [name for name in COLUMNS if wanted is None or name in wanted or name == "id"]
    sql = f"SELECT {', '.join(COLUMNS[name] for name in names)} FROM users u WHERE u.id = ANY($1::text::uuid[])"
    # As one text: the driver looks at each element of an array twice, and there can be thousands.
    return {row["id"]: row for row in await db.fetch(sql, f"{{{','.join(map(str, ids))}}}", row=UserRow)}


# ---- Signing up ------------------------------------------------------------------------------


async def register(
    caller: Caller,
    *,
    name: str,
    email: str,
    password: str,
    account_name: str | None = None,
    organization_number: str | None = None,
    country: str | None = None,
    locale: str | None = None,
) -> None:
    """Create a user with one account of his own, and mail him the activation link.

    A taken address answers and costs the same; its owner gets a mail instead. The account is
    named after the user unless `account_name` is given. Where an address has had its mails of the day,
    the last link stays, and whoever follows it chooses the password: it may be a stranger's by now.

    Raises:
        Refusal: what is wrong with the input, ORGANIZATION_NUMBER_TAKEN.
        RateLimited: too many mails were asked for from the caller's network.
    """
    with Validation() as check:
        name = check.line("name", name)
        email = check.email("email", email)
        check.password("password", password, about=(name, email))
        details = account.checked(
            check,
            name=name if account_name is None else account_name,
            name_field="name" if account_name is None else "account_name",
            organization_number=organization_number,
            country=country,
        )
        locale = caller.locale if locale is None else check.locale("locale", locale)
    await take_mail(caller)
    password_hash = await passwords.hash_password(password)
    async with db.transaction():
        user, _ = await _claim_address(caller, email=email, name=name, locale=locale)
        mail = await throttle.attempt_quietly(caller, mail_to(caller, LinkPurpose.ACTIVATION, user.email_key))
        if user.activated_at is not None:
            await _feign(caller, details)
            if mail is not None:
                await message.queue(
                    caller, MessageKind.ADDRESS_TAKEN, to=user.email, name=user.name, locale=user.locale
                )
            return
        known_hash = None if mail is None else password_hash
        await User.filter(id=user.id).update(name=name, locale=locale, password_hash=known_hash)
        await _open_first(caller, user.id, details)
        if mail is not None:
            await send_link(caller, user, MessageKind.ACTIVATION, LinkPurpose.ACTIVATION)


async def _open_first(caller: Caller, user_id: UUID, details: Details) -> None:
    await event.record(caller, "user:login:register", actor_id=user_id)
    await account.open_first(replace(caller, user_id=user_id), user_id, details)


class _Feigned(Exception):
    """Rolls a savepoint back."""


async def _feign(caller: Caller, details: Details) -> None:
    """Take the time of a registration, refuse what it would, and leave nothing: the address is taken."""
    with suppress(_Feigned):
        async with db.transaction():
            nobody = f"{keys.uuid7()}@feigned.invalid"
            stranger, _ = await _claim_address(caller, email=nobody, name=details.name, locale=caller.locale)
            await _open_first(caller, stranger.id, details)
            raise _Feigned


async def take_mail(caller: Caller) -> None:
    """Count a mail that somebody asks for who is not signed in. Raises RateLimited."""
    _ = await throttle.attempt(caller, throttle.counter(caller, throttle.MAIL_FROM, throttle.network(caller)))


def mail_to(caller: Caller, purpose: LinkPurpose, key: str, *place: str) -> Counter:
    """What counts the mails to an address; there need not be such a login."""
    return throttle.counter(caller, throttle.MAIL_TO, purpose, key, *place)


_CLAIM = """
INSERT INTO users (id, email, email_key, name, locale, created_at) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (email_key) DO NOTHING
"""


async def _claim_address(caller: Caller, *, email: str, name: str, locale: str) -> tuple[User, bool]:
    """The user of an address, locked: made now, or there before. And whether it was made now."""
    key = email_key(email)
    made = await db.execute(_CLAIM, keys.uuid7(), email, key, name, locale, caller.now)
    user = await User.filter(email_key=key).select_for_update(no_key=True).get()
    return user, made == 1


async def new_login(caller: Caller, *, email: str, name: str, password_hash: str, locale: str) -> UUID | None:
    """An active login for an address that its holder has just proved; None if it has one already.

    Part of accepting an invitation; runs in its transaction. A login that was registered but never
    activated is taken over: whoever registered it did not show that the address is his.
    """
    user, is_new = await _claim_address(caller, email=email, name=name, locale=locale)
    if user.activated_at is not None:
        return None
    await User.filter(id=user.id).update(name=name, locale=locale, password_hash=password_hash, activated_at=caller.now)
    await _close_links(user.id, caller.now)
    await account.activate_owned(caller, user.id)
    done = "user:login:register" if is_new else "user:login:activate"
    await event.record(caller, done, actor_id=user.id)
    return user.id


# ---- Passwords -------------------------------------------------------------------------------


async def request_password_reset(caller: Caller, *, email: str) -> None:
    """Mail a link to choose a new password, if the address has a login; says nothing.

    The last of a day works until another can be sent, so that strangers who use them up keep nobody out.

    Raises RateLimited: too many mails were asked for from the caller's network.
    """
    with Validation() as check:
        email = check.email("email", email)
    await take_mail(caller)
    async with db.transaction():
        user = await User.filter(email_key=email_key(email)).select_for_update(no_key=True).first()
        place = [throttle.network(caller)] if await is_at_home(caller, user) else []
        mail = await throttle.attempt_quietly(caller, mail_to(caller, LinkPurpose.RESET, email_key(email), *place))
        if mail is None:
            return
        known = user is not None and user.activated_at is not None
        await event.record(caller, "user:password:forget", actor_id=user.id if user else None)
        if user is not None and known:
            lasts = throttle.MAIL_TO.within if mail.is_last else None
            await send_link(caller, user, MessageKind.PASSWORD_RESET, LinkPurpose.RESET, lasts=lasts)


async def reset_password(caller: Caller, *, token: str, password: str) -> None:
    """Choose a new password with the mailed link; every session of the user ends."""
    user = await user_of_link(caller, LinkPurpose.RESET, token)
    hashed = await checked_hash("password", password, user)
    async with db.transaction():
        await use_link(caller, LinkPurpose.RESET, token)
        await _set_password(caller, user, hashed, "user:password:reset")
        # Whatever strangers have tried, he can sign in now.
        await throttle.trust_network(caller, user.id, afresh=True)


async def change_password(caller: Caller, *, current_password: str, new_password: str) -> None:
    """Choose a new password; every other session of the user ends."""
    user = await proved(caller, current_password, field="current_password")
    hashed = await checked_hash("new_password", new_password, user)
    async with db.transaction():
        await lock_proved(user, field="current_password")
        await _set_password(caller, user, hashed, "user:password:change")


async def proved(caller: Caller, password: str, *, field: str) -> User:
    """The caller, who has given his password again. Raises Refusal INVALID_CREDENTIALS, RateLimited."""
    user = await User.get(id=caller.user())
    guess = await throttle.attempt(caller, throttle.counter(caller, throttle.PASSWORD, user_id=user.id))
    if not await is_right(guess, password, user.password_hash):
        raise refuse(UserErrorCode.INVALID_CREDENTIALS, field, mark("This is not your password."))
    return user


async def is_right(guess: Attempt, password: str, hashed: str | None) -> bool:
    """Whether a password is right. A guess that is, or that nobody has looked at, is counted no more."""
    try:
        is_right = await passwords.verify(password, hashed)
    except passwords.Busy:
        await guess.refund()
        raise
    if is_right:
        await guess.refund()
    return is_right


_NOBODY: Final = UUID(int=0)


async def is_at_home(caller: Caller, user: User | None) -> bool:
    """Whether a user has signed in before where the caller is; asked of nobody too, who never has."""
    return await throttle.is_trusted_network(caller, user.id if user else _NOBODY)


async def lock(user_id: UUID) -> User:
    """A user whom nobody else signs in or changes until the transaction ends."""
    return await User.filter(id=user_id).select_for_update(no_key=True).get()


async def lock_proved(user: User, *, field: str) -> None:
    """Lock a user who was `proved`. Raises Refusal CONFLICT if the password has changed since."""
    if (await lock(user.id)).password_hash != user.password_hash:
        raise refuse(UserErrorCode.CONFLICT, field, mark("Your password has just been changed."))


async def _set_password(caller: Caller, user: User, hashed: str, done: str) -> None:
    await User.filter(id=user.id).update(password_hash=hashed)
    await _close_links(user.id, caller.now)  # who had asked for a reset may have been the reason
    await session.end_others(caller, user.id)
    await event.record(caller, done, actor_id=user.id)
    await message.queue(caller, MessageKind.PASSWORD_CHANGED, to=user.email, name=user.name, locale=user.locale)


async def checked_hash(field: str, password: str, user: User) -> str:
    """The hash of a password that a user chooses. Raises Refusal TOO_SHORT, TOO_LONG, TOO_WEAK."""
    with Validation() as check:
        check.password(field, password, about=(user.name, user.email))
    return await passwords.hash_password(password)


# ---- Profile ---------------------------------------------------------------------------------


async def update_profile(caller: Caller, *, name: str | None = None, locale: str | None = None) -> UUID:
    """Change the user's own name or language; what is not given stays. Returns his id."""
    with Validation() as check:
        changes: dict[str, str] = {}
        if name is not None:
            changes["name"] = check.line("name", name)
        if locale is not None:
            changes["locale"] = check.locale("locale", locale)
    async with db.transaction():
        user = await User.filter(id=caller.user()).select_for_update(no_key=True).get()
        before = {key: getattr(user, key) for key in changes}
        changed = {key: value for key, value in changes.items() if before[key] != value}
        if changed:
            await User.filter(id=user.id).update(**changed)
            await event.record(
                caller, "user:profile:update", before={key: before[key] for key in changed}, after=changed
            )
    return user.id


# ---- Mailed links ----------------------------------------------------------------------------

_LIFETIME: Final = {LinkPurpose.ACTIVATION: ACTIVATION_LASTS, LinkPurpose.RESET: RESET_LASTS}


async def send_link(
    caller: Caller,
    user: User,
    kind: MessageKind,
    purpose: LinkPurpose,
    *,
    account_id: UUID | None = None,
    lasts: timedelta | None = None,
    **params: object,
) -> None:
    """Make a link that ends the former ones, and put its mail into the outbox."""
    seed = tokens.seed()
    expires_at = caller.now + (lasts or _LIFETIME[purpose])
    await UserToken.filter(user_id=user.id, purpose=purpose, used_at=None).update(used_at=caller.now)
    _ = await UserToken.create(
        user_id=user.id,
        purpose=purpose,
        token_digest=tokens.digest(tokens.derive(caller.config.link_key, purpose, seed)),
        created_at=caller.now,
        expires_at=expires_at,
    )
    await message.queue(
        caller,
        kind,
        to=user.email,
        name=user.name,
        locale=user.locale,
        account_id=account_id,
        link=(purpose, seed),
        params={"expires_at": expires_at.isoformat(), **params},
    )


async def _close_links(user_id: UUID, now: datetime) -> None:
    await UserToken.filter(user_id=user_id, used_at=None).update(used_at=now)


async def user_of_link(caller: Caller, purpose: LinkPurpose, token: str) -> User:
    """The user of a link that works now. Raises Refusal TOKEN_INVALID or TOKEN_EXPIRED, RateLimited."""
    guess = await throttle.attempt_link(caller)
    link = await UserToken.filter(token_digest=tokens.digest(token), purpose=purpose, used_at=None).first()
    if link is None:
        raise dead_link()
    await guess.refund()
    if link.expires_at <= caller.now:
        raise refuse(UserErrorCode.TOKEN_EXPIRED, "token", mark("This link has expired."))
    return await User.get(id=link.user_id)


async def use_link(caller: Caller, purpose: LinkPurpose, token: str) -> None:
    """Use a link up, once: the second of two at the same instant is refused."""
    open_links = UserToken.filter(token_digest=tokens.digest(token), purpose=purpose, used_at=None)
    if not await open_links.update(used_at=caller.now):
        raise dead_link()


def password_required() -> Refusal:
    """The refusal of an activation that leaves the login without a password."""
    return refuse(UserErrorCode.REQUIRED, "password", mark("Choose a password."))


def dead_link() -> Refusal:
    """The one answer to links that were used, replaced, or never there."""
    return refuse(UserErrorCode.TOKEN_INVALID, "token", mark("This link does not work, or no longer."))
