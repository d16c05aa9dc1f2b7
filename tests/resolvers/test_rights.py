"""The caller's rights: common rights hold on every row, and denials are per account."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from auth import policy
from auth.policy import GrantFacts, GrantStatus, Permission, Role
from auth.rules import SELF_BIT, needs
from database import rows
from models.access.access import Access
from models.base.caller import Caller, OperationConfig
from models.base.errors import Forbidden
from resolvers import rights
from resolvers.context import Context
from resolvers.rights import Rights

CALLER, OTHER_USER = UUID(int=1), UUID(int=2)
OWNER_ACCOUNT, GUEST_ACCOUNT, ADMIN_ACCOUNT = UUID(int=11), UUID(int=12), UUID(int=13)
FACTS = {
    key: GrantFacts(role, GrantStatus.ACTIVE, None, 0, 0, subscription_over=False)
    for key, role in (
        (OWNER_ACCOUNT, Role.OWNER),
        (GUEST_ACCOUNT, Role.SIMPLE_USER),
        (ADMIN_ACCOUNT, Role.ADMINISTRATOR),
    )
}


def make_context() -> Context:
    context = Context(Caller(datetime(2026, 11, 21, tzinfo=UTC), OperationConfig("k" * 32), user_id=CALLER))
    for key, facts in FACTS.items():
        context.access.add(key.hex, Access({"account_id": key}, facts, policy.effective_bits(facts)))
    context.readable_users.add(CALLER.hex)
    return context


def make_batch(**columns: list[UUID | None]) -> rows.ColumnBatch:
    column_bytes = {name: b"".join((key or UUID(rows.NO_KEY)).bytes for key in keys) for name, keys in columns.items()}
    return rows.FetchedColumns(len(next(iter(columns.values()))), column_bytes, dict.fromkeys(columns, "key"))


ACCOUNTS: list[list[UUID | None]] = [
    [OWNER_ACCOUNT, OWNER_ACCOUNT],
    [OWNER_ACCOUNT, GUEST_ACCOUNT],
    [GUEST_ACCOUNT, None],
    [None, None],
]


@pytest.mark.parametrize("accounts", ACCOUNTS)
@pytest.mark.parametrize("of", [rights.of_grants, rights.of_account_parts, rights.of_invitations])
def test_common_rights_hold_on_every_row(of: Any, accounts: list[UUID | None]) -> None:
    batch = make_batch(account_id=accounts, user_id=[CALLER, OTHER_USER], invitee_id=[OTHER_USER, CALLER])
    row_rights = of(batch, make_context())

    assert isinstance(row_rights, Rights)
    assert len(row_rights) == len([*row_rights]) == 2
    assert all(row_rights.common & bits == row_rights.common for bits in row_rights)
    alone = (
        [[*of(make_batch(account_id=[key]), make_context())] for key in accounts]
        if of is rights.of_account_parts
        else []
    )
    assert not alone or alone == [[bits] for bits in row_rights]


def test_own_row_has_self_bit() -> None:
    row_rights = rights.of_grants(
        make_batch(account_id=[OWNER_ACCOUNT, GUEST_ACCOUNT], user_id=[OTHER_USER, CALLER]), make_context()
    )

    assert [bool(bits & SELF_BIT) for bits in row_rights] == [False, True]


@pytest.mark.parametrize("users", [[CALLER, CALLER], [CALLER, OTHER_USER], [OTHER_USER, OTHER_USER]])
def test_common_user_rights_hold_on_every_user(users: list[UUID | None]) -> None:
    row_rights = rights.of_users(make_batch(id=users), make_context())

    assert isinstance(row_rights, Rights)
    assert all(row_rights.common & bits == row_rights.common for bits in row_rights)
    assert [bool(bits & SELF_BIT) for bits in row_rights] == [key == CALLER for key in users]


def test_denials_name_the_role_in_their_account() -> None:
    accounts = make_batch(id=[GUEST_ACCOUNT, ADMIN_ACCOUNT, GUEST_ACCOUNT])

    errors = rights.field_errors(rights.of_accounts, needs(Permission.OWNERSHIP), accounts, make_context())

    assert all(isinstance(error, Forbidden) for error in errors)
    assert [error.role for error in errors if isinstance(error, Forbidden)] == [
        Role.SIMPLE_USER, Role.ADMINISTRATOR, Role.SIMPLE_USER,
    ]  # fmt: skip
    assert errors[0] is errors[2]


def test_no_rows_have_no_rights() -> None:
    row_rights = rights.of_accounts([], make_context())

    assert (len(row_rights), [*row_rights]) == (0, [])
