"""The permission table and its formula, compared with a second implementation that uses plain sets."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from auth import policy
from auth.policy import DecisionReason, GrantFacts, GrantStatus, Permission, Role

P = Permission
TABLE = {
    "OACKNS": {P.ACCOUNT_READ, P.SUBSCRIPTION_READ}
    | {
        *(P.DOCUMENTS_READ, P.DOCUMENTS_READ_ALL, P.DOCUMENTS_WRITE, P.DOCUMENTS_SEND, P.EXPENSES_READ),
        *(P.EXPENSES_WRITE, P.CONTACTS_READ, P.CONTACTS_WRITE, P.PRODUCTS_READ, P.PRODUCTS_WRITE),
        *(P.PURCHASE_PRICES_READ, P.REPORTS_READ, P.EXPORTS_CREATE),
    },
    "OACN": {P.SETTINGS_READ, P.SETTINGS_WRITE, P.USERS_READ, P.EVENTS_READ, P.MESSAGES_READ},
    "OAN": {P.USERS_WRITE},
    "OAC": {P.SUBSCRIPTION_WRITE},
    "OACKN": {P.DOCUMENTS_DELETE},
    "O": {P.OWNERSHIP},
}
ROLE_BY_LETTER = dict(zip("OACKNS", Role, strict=True))
AFTER_EXPIRY = {P.USERS_WRITE, P.SUBSCRIPTION_WRITE, P.EXPORTS_CREATE, P.OWNERSHIP}

permission_sets = st.sets(st.sampled_from(list(Permission)))
facts_strategy = st.builds(
    GrantFacts,
    role=st.sampled_from(list(Role)),
    status=st.sampled_from([GrantStatus.ACTIVE] * 5 + list(GrantStatus)),
    allowlist=st.none() | permission_sets.map(policy.mask),
    restrictions=permission_sets.map(policy.mask),
    locks=permission_sets.map(policy.mask),
    subscription_over=st.booleans(),
    factor_missing=st.sampled_from([False] * 5 + [True]),
    is_closing=st.booleans(),
)


def role_permissions(role: Role) -> set[Permission]:
    return {
        p
        for letters, permissions in TABLE.items()
        for p in permissions
        if role in {ROLE_BY_LETTER[letter] for letter in letters}
    }


def without_orphans(permissions: set[Permission]) -> set[Permission]:
    """Requirement P7: every X permission requires X_READ."""
    readings = {p.value.removesuffix("_READ"): p for p in Permission if p.value.count("_") == 1 and p.endswith("_READ")}
    required_reads = {p: readings.get(p.value.split("_")[0]) for p in permissions}
    return {p for p in permissions if required_reads[p] is None or required_reads[p] in permissions}


def expected_permissions(facts: GrantFacts) -> set[Permission]:
    """Requirement P8, step by step."""
    if facts.status is not GrantStatus.ACTIVE or facts.factor_missing:
        return set()
    permissions = role_permissions(facts.role)
    if facts.role in {Role.CONSULTANT, Role.SIMPLE_USER} and facts.allowlist is not None:
        permissions &= set(policy.permissions(facts.allowlist))
    elif facts.role is Role.CONSULTANT:
        permissions = set()
    if facts.role is Role.SIMPLE_USER:
        permissions -= set(policy.permissions(facts.restrictions))
    permissions = without_orphans(permissions - set(policy.permissions(facts.locks)))
    if facts.is_closing:
        permissions = {p for p in permissions if "_READ" in p.value or p in {P.EXPORTS_CREATE, P.OWNERSHIP}}
    if facts.subscription_over:
        permissions = {p for p in permissions if "_READ" in p.value or p in AFTER_EXPIRY}
    return permissions


# ---- The table -------------------------------------------------------------------------------


@pytest.mark.parametrize("role", Role)
def test_role_has_the_permissions_of_the_requirements(role: Role) -> None:
    assert set(policy.permissions(policy.ROLES[role])) == role_permissions(role)


def test_bit_positions_of_permissions_never_change() -> None:
    """Append new permissions: stored sets use these positions."""
    assert [p.value for p in Permission] == [
        *("ACCOUNT_READ", "SETTINGS_READ", "SETTINGS_WRITE", "USERS_READ", "USERS_WRITE"),
        *("SUBSCRIPTION_READ", "SUBSCRIPTION_WRITE", "EVENTS_READ", "MESSAGES_READ"),
        *("DOCUMENTS_READ", "DOCUMENTS_READ_ALL", "DOCUMENTS_WRITE", "DOCUMENTS_SEND", "DOCUMENTS_DELETE"),
        *("EXPENSES_READ", "EXPENSES_WRITE", "CONTACTS_READ", "CONTACTS_WRITE", "PRODUCTS_READ", "PRODUCTS_WRITE"),
        *("PURCHASE_PRICES_READ", "REPORTS_READ", "EXPORTS_CREATE", "OWNERSHIP"),
    ]


def test_permission_table_is_the_only_source() -> None:
    """Only the table and the labels mention a permission that no operation requires."""
    root = Path(__file__).resolve().parents[2]
    packages = ("auth", "models", "resolvers", "schema", "server", "mailer", "executor")
    files = {
        path.relative_to(root).as_posix()
        for package in packages
        for path in (root / package).rglob("*.py")
        if "migrations" not in path.parts and path.read_text().count("Permission.DOCUMENTS_DELETE")
    }

    assert files == {"auth/policy.py", "auth/labels.py"}


@given(permission_sets)
def test_permission_set_round_trips_through_bits(permissions: set[Permission]) -> None:
    bits = policy.mask(permissions)

    assert set(policy.permissions(bits)) == permissions
    assert 0 <= bits < 2**63


# ---- The formula -----------------------------------------------------------------------------


@given(facts_strategy)
def test_effective_permissions_match_the_requirements(facts: GrantFacts) -> None:
    assert set(policy.permissions(policy.effective_bits(facts))) == expected_permissions(facts)


@given(facts_strategy, st.sampled_from(list(Permission)))
def test_decision_agrees_with_effective_permissions(facts: GrantFacts, permission: Permission) -> None:
    decision = policy.decide(permission, facts)

    assert decision.allowed == bool(policy.effective_bits(facts) & policy.mask([permission]))
    assert decision.allowed == (decision.reason is DecisionReason.GRANTED) == (decision.grantable_by == ())


def test_user_without_a_grant_has_no_permissions() -> None:
    assert policy.effective_bits(None) == 0
    assert policy.decide(P.ACCOUNT_READ, None).reason is DecisionReason.NO_GRANT


@given(facts_strategy, st.sampled_from(list(Permission)))
def test_tighter_rules_never_add_permissions(facts: GrantFacts, permission: Permission) -> None:
    bit = policy.mask([permission])
    before = policy.effective_bits(facts)
    tighter = [
        replace(facts, restrictions=facts.restrictions | bit),
        replace(facts, locks=facts.locks | bit),
        replace(facts, subscription_over=True),
        replace(facts, factor_missing=True),
        replace(facts, is_closing=True),
    ]

    assert [policy.effective_bits(tighter_facts) & ~before for tighter_facts in tighter] == [0] * 5


@given(facts_strategy)
def test_locks_never_lock_out_the_owner(facts: GrantFacts) -> None:
    owner_facts = GrantFacts(Role.OWNER, GrantStatus.ACTIVE, None, facts.restrictions, policy.RESTRICTABLE, False)

    permissions = set(policy.permissions(policy.effective_bits(owner_facts)))

    assert permissions >= {P.ACCOUNT_READ, P.SETTINGS_WRITE, P.USERS_WRITE, P.SUBSCRIPTION_WRITE, P.OWNERSHIP}


# ---- Granting --------------------------------------------------------------------------------


@given(facts_strategy, st.sampled_from(list(Role)), st.none() | permission_sets)
@example(
    GrantFacts(Role.CONSULTANT, GrantStatus.ACTIVE, policy.mask([P.USERS_READ, P.USERS_WRITE]), 0, 0, False),
    Role.CONSULTANT,
    {P.USERS_WRITE, P.USERS_READ},
)
def test_grantor_cannot_grant_missing_permissions(
    grantor: GrantFacts, role: Role, allowlist: set[Permission] | None
) -> None:
    bits = None if allowlist is None else policy.mask(allowlist)
    grantor_permissions = without_orphans(
        expected_permissions(replace(grantor, restrictions=0, locks=0, subscription_over=False, is_closing=False))
    )
    granted_permissions = expected_permissions(
        GrantFacts(role, GrantStatus.ACTIVE, bits, 0, 0, subscription_over=False)
    )

    is_allowed = policy.may_grant(grantor, role, bits)

    assert is_allowed == (
        P.USERS_WRITE in grantor_permissions
        and role is not Role.OWNER
        and (role is not Role.ADMINISTRATOR or grantor.role is Role.OWNER)
        and granted_permissions <= grantor_permissions
    )


def test_user_without_a_grant_cannot_grant() -> None:
    assert not policy.may_grant(None, Role.SIMPLE_USER, None)


@pytest.mark.parametrize(
    ("permission", "always", "if_granted"),
    [
        (P.OWNERSHIP, [Role.OWNER], []),
        (P.USERS_WRITE, [Role.OWNER, Role.ADMINISTRATOR], [Role.CONSULTANT]),
        (P.DOCUMENTS_DELETE, [*list(Role)[:4]], [Role.CONSULTANT]),
    ],
)
def test_holders_of_a_permission(permission: Permission, always: list[Role], if_granted: list[Role]) -> None:
    assert policy.holders(permission) == (always, if_granted)
