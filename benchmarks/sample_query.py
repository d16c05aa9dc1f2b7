"""A query and its rows for execution in memory. The query has the shape of Q2."""

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Final

ACCOUNTS: Final = 50
GRANTS: Final = 10
QUERY: Final = """{ viewer { accounts(first: 50) {
  id name validUntil role
  settings { invoicePrefix vatNumber bankAccountNumber }
  grants(first: 10) { id role user { id name email } } } } }"""
SDL: Final = """
enum Role { OWNER ACCOUNTANT SIMPLE_USER }
type Query { viewer: Viewer! }
type Viewer { accounts(first: Int!): [Account!]! }
type Account {
  id: ID!  name: String!  validUntil: String!  role: Role!  settings: Settings  grants(first: Int!): [Grant!]! }
type Settings { invoicePrefix: String!  vatNumber: String  bankAccountNumber: String }
type Grant { id: ID!  role: Role!  user: User! }
type User { id: ID!  name: String!  email: String }
"""
READ: Final = 1

Execution = Callable[[], Coroutine[Any, Any, dict[str, Any]]]
"""Executes the query once and returns the data."""


@dataclass(slots=True)
class UserRow:
    """A user. `rights` are the caller's rights on the row, here and in all rows below."""

    id: str
    name: str
    email: str
    rights: int = READ


@dataclass(slots=True)
class GrantRow:
    """A grant."""

    id: str
    role: str
    user: UserRow
    rights: int = READ


@dataclass(slots=True)
class SettingsRow:
    """The settings of an account."""

    invoicePrefix: str  # noqa: N815 - the names of the GraphQL fields, so that no conversion is needed
    vatNumber: str  # noqa: N815
    bankAccountNumber: str  # noqa: N815
    rights: int = READ


@dataclass(slots=True)
class AccountRow:
    """An account."""

    id: str
    name: str
    validUntil: str  # noqa: N815
    role: str
    settings: SettingsRow
    grants: list[GrantRow]
    rights: int = READ


@dataclass(slots=True)
class ViewerRow:
    """The viewer, with their accounts."""

    accounts: list[AccountRow]
    rights: int = READ


def create_viewer() -> ViewerRow:
    """Create the rows."""
    return ViewerRow([_create_account(number) for number in range(1, ACCOUNTS + 1)])


def _create_account(number: int) -> AccountRow:
    return AccountRow(
        id=f"account-{number}",
        name=f"Account {number:05}",
        validUntil="2027-01-01T00:00:00Z",
        role="OWNER",
        settings=SettingsRow(f"INV{number}/", f"SE55000000{number:04}", f"SE45{number:020}"),
        grants=[
            GrantRow(f"grant-{number}-{k}", "SIMPLE_USER", UserRow(f"user-{k}", f"User {k}", f"user{k}@example.com"))
            for k in range(GRANTS)
        ],
    )


def require_data(data: dict[str, Any] | None, errors: object) -> dict[str, Any]:
    """Return the data. Fails if there are errors."""
    assert not errors, errors
    assert data is not None
    return data
