"""What the caller holds on all rows must be held on each of them."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from auth import policy
from auth.policy import GrantFacts, GrantStatus, Permission, Role
from auth.rules import SELF, needs
from database import rows
from models.access.access import Access
from models.base.caller import Caller, OperationConfig
from models.base.errors import Forbidden
from resolvers import rights
from resolvers.context import Context
from resolvers.rights import Rights

ME, OTHER = UUID(int=1), UUID(int=2)
OWNED, GUEST, HELD = UUID(int=11), UUID(int=12), UUID(int=13)
STANDINGS = {
    key: GrantFacts(role, GrantStatus.ACTIVE, None, 0, 0, subscription_over=False)
    for key, role in ((OWNED, Role.OWNER), (GUEST, Role.SIMPLE_USER), (HELD, Role.ADMINISTRATOR))
}


def context() -> Context:
    made = Context(Caller(datetime(2026, 11, 21, tzinfo=UTC), OperationConfig("k" * 32), user_id=ME))
    for key, standing in STANDINGS.items():
        made.access.know(key.hex, Access({"account_id": key}, standing, policy.effective(standing)))
    made.readable_users.add(ME.hex)
    return made


def fetched(**columns: list[UUID | None]) -> rows.ColumnBatch:
    sent = {name: b"".join((key or UUID(rows.NO_KEY)).bytes for key in keys) for name, keys in columns.items()}
    return rows.FetchedColumns(len(next(iter(columns.values()))), sent, dict.fromkeys(columns, "key"))


ACCOUNTS: list[list[UUID | None]] = [[OWNED, OWNED], [OWNED, GUEST], [GUEST, None], [None, None]]


@pytest.mark.parametrize("accounts", ACCOUNTS)
@pytest.mark.parametrize("of", [rights.of_grants, rights.of_account_parts, rights.of_invitations])
def test_what_is_held_in_all_accounts_is_held_on_each_row(of: Any, accounts: list[UUID | None]) -> None:
    found = fetched(account_id=accounts, user_id=[ME, OTHER], invitee_id=[OTHER, ME])
    held = of(found, context())

    assert isinstance(held, Rights)
    assert len(held) == len([*held]) == 2
    assert all(held.common & bits == held.common for bits in held)
    alone = [[*of(fetched(account_id=[key]), context())] for key in accounts] if of is rights.of_account_parts else []
    assert not alone or alone == [[bits] for bits in held]


def test_one_s_own_is_found_where_somebody_looks() -> None:
    held = rights.of_grants(fetched(account_id=[OWNED, GUEST], user_id=[OTHER, ME]), context())

    assert [bool(bits & SELF) for bits in held] == [False, True]


@pytest.mark.parametrize("users", [[ME, ME], [ME, OTHER], [OTHER, OTHER]])
def test_what_is_held_on_all_users_is_held_on_each(users: list[UUID | None]) -> None:
    held = rights.of_users(fetched(id=users), context())

    assert isinstance(held, Rights)
    assert all(held.common & bits == held.common for bits in held)
    assert [bool(bits & SELF) for bits in held] == [key == ME for key in users]


def test_each_is_refused_for_what_he_lacks_there() -> None:
    accounts = fetched(id=[GUEST, HELD, GUEST])

    refused = rights.refusals(rights.of_accounts, needs(Permission.OWNERSHIP), accounts, context())

    assert all(isinstance(each, Forbidden) for each in refused)
    assert [each.role for each in refused if isinstance(each, Forbidden)] == [
        Role.SIMPLE_USER, Role.ADMINISTRATOR, Role.SIMPLE_USER,
    ]  # fmt: skip
    assert refused[0] is refused[2]


def test_nothing_is_held_on_no_rows() -> None:
    held = rights.of_accounts([], context())

    assert (len(held), [*held]) == (0, [])
