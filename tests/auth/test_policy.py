"""The permission table and its formula, against a second telling of the rules with plain sets."""

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
LETTERS = dict(zip("OACKNS", Role, strict=True))
AFTER_THE_END = {P.USERS_WRITE, P.SUBSCRIPTION_WRITE, P.EXPORTS_CREATE, P.OWNERSHIP}

some = st.sets(st.sampled_from(list(Permission)))
standings = st.builds(
    GrantFacts,
    role=st.sampled_from(list(Role)),
    status=st.sampled_from([GrantStatus.ACTIVE] * 5 + list(GrantStatus)),
    listed=st.none() | some.map(policy.mask),
    restrictions=some.map(policy.mask),
    locks=some.map(policy.mask),
    subscription_over=st.booleans(),
    factor_missing=st.sampled_from([False] * 5 + [True]),
)


def role_holds(role: Role) -> set[Permission]:
    return {p for letters, held in TABLE.items() for p in held if role in {LETTERS[letter] for letter in letters}}


def without_orphans(held: set[Permission]) -> set[Permission]:
    """P7: X_READ is what every other X permission rests on."""
    readings = {p.value.removesuffix("_READ"): p for p in Permission if p.value.count("_") == 1 and p.endswith("_READ")}
    resting = {p: readings.get(p.value.split("_")[0]) for p in held}
    return {p for p in held if resting[p] is None or resting[p] in held}


def told_again(standing: GrantFacts) -> set[Permission]:
    """P8, word for word."""
    if standing.status is not GrantStatus.ACTIVE or standing.factor_missing:
        return set()
    held = role_holds(standing.role)
    if standing.role in {Role.CONSULTANT, Role.SIMPLE_USER} and standing.listed is not None:
        held &= set(policy.permissions(standing.listed))
    elif standing.role is Role.CONSULTANT:
        held = set()
    if standing.role is Role.SIMPLE_USER:
        held -= set(policy.permissions(standing.restrictions))
    held = without_orphans(held - set(policy.permissions(standing.locks)))
    if standing.subscription_over:
        held = {p for p in held if "_READ" in p.value or p in AFTER_THE_END}
    return held


# ---- The table -------------------------------------------------------------------------------


@pytest.mark.parametrize("role", Role)
def test_a_role_holds_what_the_requirements_say(role: Role) -> None:
    assert set(policy.permissions(policy.ROLES[role])) == role_holds(role)


def test_the_place_of_a_permission_in_stored_sets_never_changes() -> None:
    """A new permission goes to the end: the sets in the database are made of these places."""
    assert [p.value for p in Permission] == [
        *("ACCOUNT_READ", "SETTINGS_READ", "SETTINGS_WRITE", "USERS_READ", "USERS_WRITE"),
        *("SUBSCRIPTION_READ", "SUBSCRIPTION_WRITE", "EVENTS_READ", "MESSAGES_READ"),
        *("DOCUMENTS_READ", "DOCUMENTS_READ_ALL", "DOCUMENTS_WRITE", "DOCUMENTS_SEND", "DOCUMENTS_DELETE"),
        *("EXPENSES_READ", "EXPENSES_WRITE", "CONTACTS_READ", "CONTACTS_WRITE", "PRODUCTS_READ", "PRODUCTS_WRITE"),
        *("PURCHASE_PRICES_READ", "REPORTS_READ", "EXPORTS_CREATE", "OWNERSHIP"),
    ]


def test_the_table_says_so_once() -> None:
    """Whoever wants to know who may do what has one place to read, and one to change."""
    root = Path(__file__).resolve().parents[2]
    rooms = ("auth", "models", "resolvers", "schema", "server", "mailer", "executor")
    naming = {
        path.relative_to(root).as_posix()
        for room in rooms
        for path in (root / room).rglob("*.py")
        if "migrations" not in path.parts and path.read_text().count("Permission.DOCUMENTS_DELETE")
    }

    assert naming == {"auth/policy.py", "auth/labels.py"}


@given(some)
def test_a_set_survives_being_stored(permissions: set[Permission]) -> None:
    bits = policy.mask(permissions)

    assert set(policy.permissions(bits)) == permissions
    assert 0 <= bits < 2**63


# ---- The formula -----------------------------------------------------------------------------


@given(standings)
def test_what_holds_is_what_the_rules_say(standing: GrantFacts) -> None:
    assert set(policy.permissions(policy.effective(standing))) == told_again(standing)


@given(standings, st.sampled_from(list(Permission)))
def test_a_decision_agrees_with_what_holds_and_names_a_reason(standing: GrantFacts, permission: Permission) -> None:
    found = policy.decide(permission, standing)

    assert found.allowed == bool(policy.effective(standing) & policy.mask([permission]))
    assert found.allowed == (found.reason is DecisionReason.GRANTED) == (found.grantable_by == ())


def test_without_a_grant_there_is_nothing() -> None:
    assert policy.effective(None) == 0
    assert policy.decide(P.ACCOUNT_READ, None).reason is DecisionReason.NO_GRANT


@given(standings, st.sampled_from(list(Permission)))
def test_taking_more_never_gives_more(standing: GrantFacts, permission: Permission) -> None:
    bit = policy.mask([permission])
    before = policy.effective(standing)
    tighter = [
        replace(standing, restrictions=standing.restrictions | bit),
        replace(standing, locks=standing.locks | bit),
        replace(standing, subscription_over=True),
        replace(standing, factor_missing=True),
    ]

    assert [policy.effective(other) & ~before for other in tighter] == [0, 0, 0, 0]


@given(standings)
def test_the_owner_of_a_running_account_is_never_shut_out_by_what_can_be_taken(standing: GrantFacts) -> None:
    locked = GrantFacts(Role.OWNER, GrantStatus.ACTIVE, None, standing.restrictions, policy.RESTRICTABLE, False)

    held = set(policy.permissions(policy.effective(locked)))

    assert held >= {P.ACCOUNT_READ, P.SETTINGS_WRITE, P.USERS_WRITE, P.SUBSCRIPTION_WRITE, P.OWNERSHIP}


# ---- What may be given -----------------------------------------------------------------------


@given(standings, st.sampled_from(list(Role)), st.none() | some)
@example(
    GrantFacts(Role.CONSULTANT, GrantStatus.ACTIVE, policy.mask([P.USERS_READ, P.USERS_WRITE]), 0, 0, False),
    Role.CONSULTANT,
    {P.USERS_WRITE, P.USERS_READ},
)
def test_nobody_gives_what_he_does_not_hold(giver: GrantFacts, role: Role, listed: set[Permission] | None) -> None:
    bits = None if listed is None else policy.mask(listed)
    mine = without_orphans(told_again(replace(giver, restrictions=0, locks=0, subscription_over=False)))
    theirs = told_again(GrantFacts(role, GrantStatus.ACTIVE, bits, 0, 0, subscription_over=False))

    allowed = policy.may_give(giver, role, bits)

    assert allowed == (
        P.USERS_WRITE in mine
        and role is not Role.OWNER
        and (role is not Role.ADMINISTRATOR or giver.role is Role.OWNER)
        and theirs <= mine
    )


def test_nobody_is_no_giver() -> None:
    assert not policy.may_give(None, Role.SIMPLE_USER, None)


@pytest.mark.parametrize(
    ("permission", "always", "where_given"),
    [
        (P.OWNERSHIP, [Role.OWNER], []),
        (P.USERS_WRITE, [Role.OWNER, Role.ADMINISTRATOR], [Role.CONSULTANT]),
        (P.DOCUMENTS_DELETE, [*list(Role)[:4]], [Role.CONSULTANT]),
    ],
)
def test_who_has_a_permission(permission: Permission, always: list[Role], where_given: list[Role]) -> None:
    assert policy.holders(permission) == (always, where_given)
