"""What is executed in memory: an operation of the shape of Q2, and the rows that answer it."""

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
"""One execution, up to the finished data."""


@dataclass(slots=True)
class UserRow:
    """A user, and what the caller may do with it; the same in all rows below."""

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

    invoicePrefix: str  # noqa: N815 - the graph's names, so that nobody has to translate
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
    """Who asks."""

    accounts: list[AccountRow]
    rights: int = READ


def world() -> ViewerRow:
    """What is read."""
    return ViewerRow([_account(number) for number in range(1, ACCOUNTS + 1)])


def _account(number: int) -> AccountRow:
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


def data_of(data: dict[str, Any] | None, errors: object) -> dict[str, Any]:
    """What was answered, without any error."""
    assert not errors, errors
    assert data is not None
    return data
