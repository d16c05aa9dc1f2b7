"""A user is a person with a login. Grants decide which accounts the user may enter.

    register --> inactive --activate--> active --erase--> erased    (sign-in needs active)
        A later registration of the address changes nothing of an inactive login.
    A login created by accepting an invitation is active at once: the mailed link has proved the address.

`email_key`, the normalized address, is unique.
"""

from datetime import datetime
from typing import Final
from uuid import UUID

from tortoise import fields
from tortoise.models import Model

from database import db, keys
from models import throttle
from models.audit import event
from models.audit.event_type import EventType
from models.base.caller import Caller
from models.base.validation import Validation


class User(Model):
    """A person who can sign in."""

    id = fields.UUIDField(primary_key=True, default=keys.uuid7)
    email = fields.TextField()
    email_key = fields.TextField()
    name = fields.TextField()
    locale = fields.TextField()
    password_hash: str | None = fields.TextField(null=True)
    registration_secret_digest: bytes | None = fields.BinaryField(null=True)
    """The digest of the secret of the client that registered or activated the login with its password."""
    activated_at: datetime | None = fields.DatetimeField(null=True)
    created_at = fields.DatetimeField()
    erased_at: datetime | None = fields.DatetimeField(null=True)

    class Meta(Model.Meta):
        """Table mapping."""

        table = "users"


class UserRow(db.Row):
    """The columns of a user that other users may see. Never the password hash."""

    graphql_type = "User"

    id: UUID
    name: str
    email: str
    locale: str
    activated_at: datetime | None
    created_at: datetime


COLUMNS: Final = db.columns_of("u", UserRow)


async def by_ids(ids: list[UUID], *, columns: frozenset[str] | None = None) -> dict[UUID, UserRow]:
    """The users with these ids, by id. Loads the id and the named `columns`; None loads all columns."""
    expressions = {name: sql for name, sql in COLUMNS.items() if columns is None or name in columns or name == "id"}
    sql = f"SELECT {db.select_list(expressions)} FROM users u WHERE u.id = ANY($1::text::uuid[])"
    # The ids are passed as one text: the driver inspects each element of an array twice, and there can be thousands.
    return {row["id"]: row for row in await db.fetch(sql, f"{{{','.join(map(str, ids))}}}", row=UserRow)}


_NO_USER: Final = UUID(int=0)


async def is_on_trusted_network(caller: Caller, user: User | None) -> bool:
    """True if the user has signed in from the caller's network before. False for None, with the same query."""
    return await throttle.is_trusted_network(caller, user.id if user else _NO_USER)


async def lock(user_id: UUID) -> User:
    """Lock a user's row until the transaction ends: other sign-ins and changes of the user wait."""
    return await User.filter(id=user_id).select_for_update(no_key=True).get()


async def update_profile(caller: Caller, *, name: str | None = None, locale: str | None = None) -> UUID:
    """Change the caller's name or language. None keeps a value. Returns the user's id."""
    with Validation() as check:
        changes: dict[str, str] = {}
        if name is not None:
            changes["name"] = check.line("name", name)
        if locale is not None:
            changes["locale"] = check.locale("locale", locale)
    async with db.transaction():
        user = await User.filter(id=caller.user()).select_for_update(no_key=True).get()
        before = {key: getattr(user, key) for key in changes}
        new_values = {key: value for key, value in changes.items() if before[key] != value}
        if new_values:
            await User.filter(id=user.id).update(**new_values)
            await event.record(
                caller, EventType.PROFILE_UPDATE, before={key: before[key] for key in new_values}, after=new_values
            )
    return user.id
