"""Execution of the sample query by Strawberry, used as its guides recommend.

Every field has `permission_classes`. Asynchronous resolvers use DataLoaders for rows of a database. The parser and the
validation are cached. The objects are created before the measurement, which is not possible in a real server.
"""

from enum import Enum
from typing import Any

import strawberry
from strawberry.dataloader import DataLoader
from strawberry.extensions import ParserCache, ValidationCache
from strawberry.permission import BasePermission

from benchmarks.sample_query import QUERY, READ, AccountRow, Execution, GrantRow, ViewerRow, require_data


@strawberry.enum
class Role(Enum):
    """The role of a user in an account."""

    OWNER = "OWNER"
    ACCOUNTANT = "ACCOUNTANT"
    SIMPLE_USER = "SIMPLE_USER"


class MayRead(BasePermission):
    """The rule of every field."""

    message = "Forbidden"
    error_extensions = {"code": "FORBIDDEN"}  # noqa: RUF012 - the library reads this attribute

    def has_permission(self, source: Any, info: strawberry.Info, **_: Any) -> bool:
        del info
        return source is None or bool(source.rights & READ)


def guarded_field(resolver: Any = None) -> Any:
    """Define a field with the rule. By default its value is the attribute of the object."""
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
    id: strawberry.ID = guarded_field()
    name: str = guarded_field()
    email: str | None = guarded_field()


@strawberry.type
class Grant:
    """A grant."""

    rights: strawberry.Private[int]
    user_id: strawberry.Private[str]
    id: strawberry.ID = guarded_field()
    role: Role = guarded_field()
    user: User = guarded_field(user_of_grant)


@strawberry.type
class Settings:
    """The settings of an account."""

    rights: strawberry.Private[int]
    invoice_prefix: str = guarded_field()
    vat_number: str | None = guarded_field()
    bank_account_number: str | None = guarded_field()


@strawberry.type
class Account:
    """An account."""

    rights: strawberry.Private[int]
    id: strawberry.ID = guarded_field()
    name: str = guarded_field()
    valid_until: str = guarded_field()
    role: Role = guarded_field()
    settings: Settings | None = guarded_field()
    grants: list[Grant] = guarded_field(grants_of_account)


@strawberry.type
class Viewer:
    """The viewer."""

    rights: strawberry.Private[int]
    accounts: list[Account] = guarded_field(accounts_of_viewer)


@strawberry.type
class Query:
    """The root type."""

    viewer: Viewer = guarded_field(lambda: Viewer(rights=READ))


class ObjectTables:
    """The rows as Strawberry objects, by key."""

    def __init__(self, viewer: ViewerRow) -> None:
        self.accounts = [self._account(row) for row in viewer.accounts]
        self.grants = {row.id: [self._grant(grant) for grant in row.grants] for row in viewer.accounts}
        self.users = {
            user.id: User(rights=READ, id=strawberry.ID(user.id), name=user.name, email=user.email)
            for user in (grant.user for row in viewer.accounts for grant in row.grants)
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

    def __init__(self, tables: ObjectTables) -> None:
        self.tables = tables
        self.grants: DataLoader[str, list[Grant]] = DataLoader(self._grants)
        self.users: DataLoader[str, User] = DataLoader(self._users)

    async def _grants(self, keys: list[str]) -> list[list[Grant]]:
        return [self.tables.grants[key] for key in keys]

    async def _users(self, keys: list[str]) -> list[User]:
        return [self.tables.users[key] for key in keys]


def strawberry_execution(viewer: ViewerRow) -> Execution:
    """Return a function that executes the query by Strawberry."""
    schema = strawberry.Schema(Query, extensions=[ParserCache, ValidationCache])
    tables = ObjectTables(viewer)

    async def run() -> dict[str, Any]:
        result = await schema.execute(QUERY, context_value=Loaders(tables))
        return require_data(result.data, result.errors)

    return run
