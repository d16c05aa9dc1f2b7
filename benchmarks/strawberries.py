"""Q2 in memory by graphql-core through Strawberry, as its guides have it.

Types with `permission_classes` on every field, asynchronous resolvers with DataLoaders for what would come from a
database, parser and validation caches. Its objects are made beforehand, which a server could not do.
"""

from enum import Enum
from typing import Any

import strawberry
from strawberry.dataloader import DataLoader
from strawberry.extensions import ParserCache, ValidationCache
from strawberry.permission import BasePermission

from benchmarks.question import QUERY, READ, AccountRow, Execution, GrantRow, ViewerRow, data_of


@strawberry.enum
class Role(Enum):
    """What somebody is in an account."""

    OWNER = "OWNER"
    ACCOUNTANT = "ACCOUNTANT"
    SIMPLE_USER = "SIMPLE_USER"


class MayRead(BasePermission):
    """The rule of every field."""

    message = "Forbidden"
    error_extensions = {"code": "FORBIDDEN"}  # noqa: RUF012 - the library's own way

    def has_permission(self, source: Any, info: strawberry.Info, **_: Any) -> bool:
        del info
        return source is None or bool(source.rights & READ)


def guarded(resolver: Any = None) -> Any:
    """A field with the rule, by default read off the object."""
    return strawberry.field(resolver=resolver, permission_classes=[MayRead])


async def user_of_grant(self: "Grant", info: strawberry.Info) -> "User":
    loaders: Loaders = info.context
    return await loaders.users.load(self.user_id)


async def grants_of_account(self: "Account", info: strawberry.Info, first: int) -> list["Grant"]:
    loaders: Loaders = info.context
    return (await loaders.grants.load(self.id))[:first]


async def accounts_of_viewer(info: strawberry.Info, first: int) -> list["Account"]:
    loaders: Loaders = info.context
    return loaders.tables.accounts[:first]


@strawberry.type
class User:
    """A user."""

    rights: strawberry.Private[int]
    id: strawberry.ID = guarded()
    name: str = guarded()
    email: str | None = guarded()


@strawberry.type
class Grant:
    """A grant."""

    rights: strawberry.Private[int]
    user_id: strawberry.Private[str]
    id: strawberry.ID = guarded()
    role: Role = guarded()
    user: User = guarded(user_of_grant)


@strawberry.type
class Settings:
    """The settings of an account."""

    rights: strawberry.Private[int]
    invoice_prefix: str = guarded()
    vat_number: str | None = guarded()
    bank_account_number: str | None = guarded()


@strawberry.type
class Account:
    """An account."""

    rights: strawberry.Private[int]
    id: strawberry.ID = guarded()
    name: str = guarded()
    valid_until: str = guarded()
    role: Role = guarded()
    settings: Settings | None = guarded()
    grants: list[Grant] = guarded(grants_of_account)


@strawberry.type
class Viewer:
    """Who asks."""

    rights: strawberry.Private[int]
    accounts: list[Account] = guarded(accounts_of_viewer)


@strawberry.type
class Query:
    """The root."""

    viewer: Viewer = guarded(lambda: Viewer(rights=READ))


class Tables:
    """The world in Strawberry's types, by key."""

    def __init__(self, viewer: ViewerRow) -> None:
        self.accounts = [self._account(row) for row in viewer.accounts]
        self.grants = {row.id: [self._grant(one) for one in row.grants] for row in viewer.accounts}
        self.users = {
            one.user.id: User(rights=READ, id=strawberry.ID(one.user.id), name=one.user.name, email=one.user.email)
            for row in viewer.accounts
            for one in row.grants
        }

    @staticmethod
    def _account(row: AccountRow) -> Account:
        return Account(
            rights=row.rights,
            id=strawberry.ID(row.id),
            name=row.name,
            valid_until=row.validUntil,
            role=Role(row.role),
            settings=Settings(
                rights=row.settings.rights,
                invoice_prefix=row.settings.invoicePrefix,
                vat_number=row.settings.vatNumber,
                bank_account_number=row.settings.bankAccountNumber,
            ),
        )

    @staticmethod
    def _grant(row: GrantRow) -> Grant:
        return Grant(rights=row.rights, user_id=row.user.id, id=strawberry.ID(row.id), role=Role(row.role))


class Loaders:
    """The context of one execution."""

    def __init__(self, tables: Tables) -> None:
        self.tables = tables
        self.grants: DataLoader[str, list[Grant]] = DataLoader(self._grants)
        self.users: DataLoader[str, User] = DataLoader(self._users)

    async def _grants(self, keys: list[str]) -> list[list[Grant]]:
        return [self.tables.grants[key] for key in keys]

    async def _users(self, keys: list[str]) -> list[User]:
        return [self.tables.users[key] for key in keys]


def through_strawberry(viewer: ViewerRow) -> Execution:
    """One execution by Strawberry's own method."""
    schema = strawberry.Schema(Query, extensions=[ParserCache, ValidationCache])
    tables = Tables(viewer)

    async def run() -> dict[str, Any]:
        result = await schema.execute(QUERY, context_value=Loaders(tables))
        return data_of(result.data, result.errors)

    return run
