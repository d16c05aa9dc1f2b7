"""Policy rules through the API: each rule takes effect on every path with the next request."""

from collections.abc import AsyncIterator
from typing import Any, Final, cast

import pytest
from graphql import GraphQLObjectType
from hypothesis import given
from hypothesis import strategies as st

from auth import policy
from auth.policy import DecisionReason, GrantFacts, GrantStatus, Permission, Role
from database import db
from schema.build import build
from tests.api import Api, Clock, Person, Response, codes
from tests.conftest import database_address, execute_outside_transaction
from tests.executor.generation import examples
from tests.models.refusals import attempt, refusal_codes, state
from tests.schema import world

P = Permission
GUEST: Final = "bo@example.com"
# For each path to the account: the query around a selection of its fields, and the response path of the account.
ACCOUNT_PATHS: Final[dict[str, tuple[str, tuple[str | int, ...]]]] = {
    "root": ('account(id: "%(id)s") { %(selection)s }', ("account",)),
    "nested": (
        "viewer { grants { nodes { account { %(selection)s } } } }",
        ("viewer", "grants", "nodes", 0, "account"),
    ),
    "node": ('node(id: "%(id)s") { ... on Account { %(selection)s } }', ("node",)),
    "nodes": ('nodes(ids: ["%(id)s"]) { ... on Account { %(selection)s } }', ("nodes", 0)),
    "list": ("accounts { nodes { %(selection)s } }", ("accounts", "nodes", 0)),
}


async def load_account(api: Api, by: Person, selection: str, path_name: str) -> tuple[Any, list[Any]]:
    """The selected account fields and the errors, by one of the paths to the account."""
    template, path = ACCOUNT_PATHS[path_name]
    answer = await api.ask(f"{{ {template % {'id': by.account_id, 'selection': selection}} }}", by=by)
    account_fields = answer.partial
    for step in path:
        account_fields = account_fields[step] if account_fields else None
    return account_fields, answer.errors


async def update_settings(api: Api, by: Person, **settings: object) -> None:
    assert codes(await api.do("updateAccountSettings", {"accountId": by.account_id, **settings}, by=by)) == []


# ---- One scenario for each rule --------------------------------------------------------------


@pytest.mark.parametrize("path_name", ACCOUNT_PATHS)
async def test_allowlist_change_takes_effect_on_every_path(api: Api, path_name: str) -> None:
    """P5: a consultant has the permissions of the allowlist, from the next request on."""
    anna = await api.person("anna@example.com")
    kim, key = await api.guest(anna, GUEST, "CONSULTANT", permissions=["DOCUMENTS_READ"])

    account_fields, errors = await load_account(api, kim, "settings { defaultCurrency }", path_name)
    assert account_fields == {"settings": None}
    assert [(error["extensions"]["reason"], error["extensions"]["grantableBy"]) for error in errors] == [
        ("RESTRICTED_BY_GRANT", ["OWNER", "ADMINISTRATOR"])
    ]
    arguments = {"grantId": key, "permissions": ["SETTINGS_READ"]}
    assert codes(await api.do("updateGrant", arguments, by=anna)) == []
    assert await load_account(api, kim, "settings { defaultCurrency }", path_name) == (
        {"settings": {"defaultCurrency": "EUR"}},
        [],
    )
    assert codes(await api.do("updateGrant", {"grantId": key, "permissions": []}, by=anna)) == []
    account_fields, errors = await load_account(api, kim, "settings { defaultCurrency }", path_name)
    assert (account_fields or {}).get("settings") is None
    assert errors == [], "an account without permissions is not found"


@pytest.mark.parametrize("path_name", ACCOUNT_PATHS)
@pytest.mark.parametrize(
    ("settings", "removed_permissions", "reason"),
    [
        ({"simpleUserRestrictions": ["REPORTS_READ"]}, {P.REPORTS_READ}, "RESTRICTED_BY_ACCOUNT"),
        (
            {"simpleUserRestrictions": ["DOCUMENTS_READ"]},
            {P.DOCUMENTS_READ, P.DOCUMENTS_READ_ALL, P.DOCUMENTS_WRITE, P.DOCUMENTS_SEND},
            "RESTRICTED_BY_ACCOUNT",
        ),
        ({"locks": ["CONTACTS_READ"]}, {P.CONTACTS_READ, P.CONTACTS_WRITE}, "LOCKED_BY_ACCOUNT"),
    ],
)
async def test_restrictions_and_locks_take_effect_and_are_undone_on_every_path(
    api: Api, path_name: str, settings: dict[str, Any], removed_permissions: set[Permission], reason: str
) -> None:
    """P3, P6, P7: restrictions and locks apply with the next request, give the reason, and can be undone."""
    anna = await api.person("anna@example.com")
    bo, _ = await api.guest(anna, GUEST, "SIMPLE_USER")
    selection = f"viewerPermissions viewerCan(permission: {min(removed_permissions)}) {{ allowed reason grantableBy }}"
    before, _ = await load_account(api, bo, selection, path_name)
    assert before["viewerCan"] == {"allowed": True, "reason": "GRANTED", "grantableBy": []}

    await update_settings(api, anna, **settings)

    after, errors = await load_account(api, bo, selection, path_name)
    assert errors == []
    assert after == {
        "viewerPermissions": [p for p in before["viewerPermissions"] if p not in removed_permissions],
        "viewerCan": {"allowed": False, "reason": reason, "grantableBy": ["OWNER", "ADMINISTRATOR", "COLLABORATOR"]},
    }
    await update_settings(api, anna, **{name: [] for name in settings})
    assert (await load_account(api, bo, selection, path_name))[0] == before


async def test_restrictions_apply_to_simple_users_only(api: Api) -> None:
    """P2, P3: restrictions do not affect any other role."""
    anna = await api.person("anna@example.com")
    people = {Role.OWNER: anna}
    for role in (Role.ADMINISTRATOR, Role.COLLABORATOR, Role.ACCOUNTANT, Role.CONSULTANT, Role.SIMPLE_USER):
        arguments = {"permissions": policy.permissions(policy.ROLES[role])} if role is Role.CONSULTANT else {}
        people[role], _ = await api.guest(anna, f"{role.lower()}@example.com", role, **arguments)
    selection = "viewerPermissions"
    before = {role: (await load_account(api, person, selection, "root"))[0] for role, person in people.items()}

    await update_settings(api, anna, simpleUserRestrictions=policy.permissions(policy.RESTRICTABLE))

    after = {role: (await load_account(api, person, selection, "root"))[0] for role, person in people.items()}
    assert after.pop(Role.SIMPLE_USER) == {"viewerPermissions": ["ACCOUNT_READ", "SUBSCRIPTION_READ"]}
    del before[Role.SIMPLE_USER]
    assert after == before


async def test_lock_applies_to_the_payload_that_sets_it(api: Api) -> None:
    """P6: a lock binds the user who sets it at once."""
    anna = await api.person("anna@example.com")
    arguments = {"accountId": anna.account_id, "locks": ["DOCUMENTS_READ"]}

    payload = await api.do(
        "updateAccountSettings", arguments, "account { viewerPermissions settings { locks } }", by=anna
    )

    assert payload["account"]["settings"] == {"locks": ["DOCUMENTS_READ"]}
    assert [p for p in payload["account"]["viewerPermissions"] if p.startswith("DOCUMENTS")] == []
    refresh = await api.do(
        "updateAccountSettings", {**arguments, "locks": []}, "account { viewerPermissions }", by=anna
    )
    assert refresh["account"]["viewerPermissions"] == list(Permission)


@pytest.mark.parametrize("column", ["locks", "simple_user_restrictions"])
@pytest.mark.parametrize("permission", [p for p in P if not policy.mask([p]) & policy.RESTRICTABLE])
async def test_database_rejects_locks_on_essential_permissions(api: Api, column: str, permission: Permission) -> None:
    await api.person("anna@example.com")

    with pytest.raises(Exception, match="accounts_the_keys_stay"):
        await db.execute(f"UPDATE accounts SET {column} = $1", policy.mask([permission]))
    assert await db.execute(f"UPDATE accounts SET {column} = $1", policy.RESTRICTABLE) == 1


@pytest.mark.parametrize(
    ("permissions", "missing_reads"),
    [
        (["CONTACTS_WRITE"], "CONTACTS_READ"),
        (["DOCUMENTS_READ_ALL", "EXPENSES_WRITE"], "DOCUMENTS_READ, EXPENSES_READ"),
    ],
)
@pytest.mark.parametrize("role", ["SIMPLE_USER", "CONSULTANT"])
async def test_write_permission_without_its_read_permission_is_rejected(
    api: Api, role: str, permissions: list[str], missing_reads: str
) -> None:
    """P7: invitations and updates reject a write permission that would have no effect."""
    anna = await api.person("anna@example.com")
    _, key = await api.guest(anna, GUEST, role, permissions=["DOCUMENTS_READ"])
    invitation_payload = await api.do(
        "inviteUser",
        {"accountId": anna.account_id, "email": "cy@example.com", "role": role},
        "invitation { id }",
        by=anna,
    )
    errors = [("INVALID", ["permissions"])]
    arguments = {"accountId": anna.account_id, "email": "di@example.com", "role": role, "permissions": permissions}

    assert await refusal_codes(api, "inviteUser", arguments, by=anna) == errors
    assert await refusal_codes(api, "updateGrant", {"grantId": key, "permissions": permissions}, by=anna) == errors
    invitation_change = {"invitationId": invitation_payload["invitation"]["id"], "permissions": permissions}
    assert await refusal_codes(api, "updateInvitation", invitation_change, by=anna) == errors
    payload = await api.do("inviteUser", arguments, by=anna)
    assert payload["errors"][0]["message"] == f"These permissions are needed by the others: {missing_reads}."


async def test_hidden_field_cannot_be_used_in_filter_or_order(api: Api) -> None:
    """A consultant who may not read the subscription cannot filter by its end, and no cursor contains the end."""
    anna = await api.person("anna@example.com")
    kim, _ = await api.guest(anna, GUEST, "CONSULTANT", permissions=["DOCUMENTS_READ"])
    until = (api.clock.now.replace(year=api.clock.now.year + 2)).isoformat()
    query = (
        "query ($until: DateTime!) { accounts(filter: { expiresBefore: $until }) { totalCount nodes { name } } "
        "sorted: accounts(orderBy: VALID_UNTIL) { edges { cursor } } "
        'users: grants(filter: { search: "anna" }) { totalCount } }'
    )

    first = (await api.ask(query, {"until": until}, by=kim)).data
    await db.execute("UPDATE accounts SET subscription_until = subscription_until + interval '1 day'")
    second = (await api.ask(query, {"until": until}, by=kim)).data

    assert first["accounts"] == {"totalCount": 0, "nodes": []}
    assert first["users"] == {"totalCount": 0}
    assert first == second


# ---- Decisions agree with enforcement --------------------------------------------------------

FIELDS: Final = {
    P.SUBSCRIPTION_READ: "subscription { __typename }",
    P.SETTINGS_READ: "settings { __typename }",
    P.USERS_READ: "grants { __typename }",
    P.EVENTS_READ: "events { __typename }",
    P.MESSAGES_READ: "messages { __typename }",
    P.CONTACTS_READ: "contacts { __typename }",
    P.PRODUCTS_READ: "products { __typename }",
    P.DOCUMENTS_READ: "documents { __typename }",
    P.EXPENSES_READ: "expenses { __typename }",
    P.REPORTS_READ: "reports { __typename }",
    P.EXPORTS_CREATE: "exports { __typename }",
}
ACCOUNT_SELECTION: Final = " ".join(
    ["id viewerPermissions", *FIELDS.values()]
    + [f"{p}: viewerCan(permission: {p}) {{ allowed permission reason grantableBy }}" for p in P]
)
Facts = tuple[Role, set[Permission] | None, set[Permission], set[Permission], bool]
restrictable = st.sets(st.sampled_from(policy.permissions(policy.RESTRICTABLE)))
facts = st.tuples(
    st.sampled_from(list(Role)),
    st.none() | st.sets(st.sampled_from(list(P))),
    restrictable,
    restrictable,
    st.booleans(),
)


class AccountWithFacts:
    """An account whose facts a test writes directly to the database, with its owner and a guest in any role."""

    def __init__(self, api: Api, owner: Person, guest: Person) -> None:
        self.api, self.owner, self.guest = api, owner, guest

    async def store_facts(self, of: Facts) -> tuple[Person, GrantFacts]:
        """Store these facts. Returns the user in that role and the expected facts of the grant."""
        role, allowlist, restrictions, locks, is_over = of
        bits = None if allowlist is None or role not in policy.WITH_ALLOWLIST else policy.mask(allowlist)
        until = self.api.clock.now if is_over else self.api.clock.now.replace(year=self.api.clock.now.year + 1)
        account = world.key(self.owner.account_id)
        sql = "UPDATE accounts SET simple_user_restrictions = $2, locks = $3, subscription_until = $4 WHERE id = $1"
        await db.execute(sql, account, policy.mask(restrictions), policy.mask(locks), until)
        grant_facts = GrantFacts(
            role, GrantStatus.ACTIVE, bits, policy.mask(restrictions), policy.mask(locks), subscription_over=is_over
        )
        if role is Role.OWNER:
            return self.owner, grant_facts
        sql = "UPDATE grants SET role = $2, listed = $3, status = 'ACTIVE' WHERE user_id = $1"
        await db.execute(sql, world.key(self.guest.user_id), role, bits)
        return self.guest, grant_facts


@pytest.fixture(scope="module")
async def tested_account(postgres: str, template: str) -> AsyncIterator[AccountWithFacts]:
    """One account for all examples."""
    name = f"rules_{next(world.DATABASE_NUMBERS)}"
    await execute_outside_transaction(postgres, f"CREATE DATABASE {name} TEMPLATE {template}")
    async with world.application(database_address(postgres, name), "compiled", Clock()) as api:
        owner = await api.person("anna@example.com")
        guest, _ = await api.guest(owner, GUEST, "ACCOUNTANT")
        await api.person("cy@example.com")
        yield AccountWithFacts(api, owner, guest)
    await execute_outside_transaction(postgres, f"DROP DATABASE {name} WITH (FORCE)")


@examples(150)
@given(of=facts)
async def test_viewer_can_agrees_with_fields(tested_account: AccountWithFacts, *, of: Facts) -> None:
    """P12: a permission is allowed if the field has a value. Otherwise the error of the field gives the same reason."""
    person, grant_facts = await tested_account.store_facts(of)
    answer = await tested_account.api.ask(
        f'{{ account(id: "{person.account_id}") {{ {ACCOUNT_SELECTION} }} }}', by=person
    )
    account = answer.partial["account"]
    effective = policy.effective_bits(grant_facts)
    if not effective & policy.mask([P.ACCOUNT_READ]):
        assert account is None or account["id"] is None
        return

    decisions = {p: account[p] for p in P}
    assert {p for p in P if decisions[p]["allowed"]} == set(policy.permissions(effective))
    assert account["viewerPermissions"] == policy.permissions(effective)
    error_by_field = {error["path"][-1]: error["extensions"] for error in answer.errors}
    for permission, field in FIELDS.items():
        name = field.split()[0]
        assert decisions[permission]["allowed"] == (account[name] is not None) == (name not in error_by_field)
        if name in error_by_field:
            assert agrees(error_by_field[name], decisions[permission], grant_facts.role)


def agrees(error: dict[str, Any], decision_fields: dict[str, Any], role: Role) -> bool:
    """True if an error has the details of a decision."""
    details = {name: value for name, value in error.items() if name != "requestId"}
    decision = {name: decision_fields[name] for name in ("permission", "reason", "grantableBy")}
    return details == {"code": "FORBIDDEN", "role": role.value, **decision}


@examples(60)
@given(of=facts)
async def test_viewer_can_agrees_with_mutations(tested_account: AccountWithFacts, *, of: Facts) -> None:
    """P12: each mutation gets invalid input, so that an allowed call reports the input and changes nothing."""
    person, grant_facts = await tested_account.store_facts(of)
    account_id = person.account_id
    invalid_calls: dict[Permission, tuple[str, dict[str, Any], str]] = {
        P.SETTINGS_WRITE: ("updateAccountSettings", {"accountId": account_id, "paymentTermDays": -1}, "OUT_OF_RANGE"),
        P.USERS_WRITE: ("inviteUser", {"accountId": account_id, "email": "x", "role": "SIMPLE_USER"}, "INVALID"),
        P.SUBSCRIPTION_WRITE: (
            "extendSubscription",
            {"accountId": account_id, "payerAccountId": account_id, "days": 10},
            "SAME_ACCOUNT",
        ),
    }
    before = await state()
    for permission, (mutation, input_, code) in invalid_calls.items():
        decision = policy.decide(permission, grant_facts)
        answer = await attempt(tested_account.api, mutation, input_, by=person)
        if not policy.effective_bits(grant_facts):
            expected = "NOT_FOUND"
        elif decision.reason is DecisionReason.SUBSCRIPTION_EXPIRED:
            expected = "SUBSCRIPTION_EXPIRED"
        elif not decision.allowed:
            (error,) = answer.errors
            decision_fields = {
                **decision_details(decision),
                "grantableBy": [role.value for role in decision.grantable_by],
            }
            assert agrees(error["extensions"], decision_fields, grant_facts.role)
            continue
        else:
            expected = code
        assert outcome(answer, mutation) == [expected], (mutation, of)
    assert await state() == before


def outcome(answer: Response, mutation: str) -> list[str]:
    return [error["code"] for error in answer.data[mutation]["errors"]]


def decision_details(decision: policy.Decision) -> dict[str, Any]:
    return {"permission": decision.permission.value, "reason": decision.reason.value}


# ---- Roles that can help --------------------------------------------------------------------


@given(
    st.builds(
        GrantFacts,
        role=st.sampled_from([role for role in Role if role is not Role.OWNER]),
        status=st.sampled_from(list(GrantStatus)),
        allowlist=st.none() | st.sets(st.sampled_from(list(P))).map(policy.mask),
        restrictions=restrictable.map(policy.mask),
        locks=restrictable.map(policy.mask),
        subscription_over=st.booleans(),
    ),
    st.sampled_from(list(P)),
)
def test_grantable_by_names_exactly_the_roles_that_can_help(grant_facts: GrantFacts, permission: Permission) -> None:
    """P12: the decision names exactly the roles whose holders can make it allowed."""
    decision = policy.decide(permission, grant_facts)
    if decision.allowed:
        return

    helpers = [
        role
        for role in Role
        if role not in policy.WITH_ALLOWLIST
        and policy.decide(permission, facts_after_help(grant_facts, role, permission)).allowed
    ]

    assert list(decision.grantable_by) == helpers


def facts_after_help(grant_facts: GrantFacts, helper: Role, permission: Permission) -> GrantFacts:
    """The facts of a grant after a holder of the role `helper` has changed everything that they may change."""
    is_over, restrictions, locks = grant_facts.subscription_over, grant_facts.restrictions, grant_facts.locks

    def may(permission: Permission) -> bool:
        helper_facts = GrantFacts(helper, GrantStatus.ACTIVE, None, restrictions, locks, subscription_over=is_over)
        return policy.decide(permission, helper_facts).allowed

    is_over = is_over and not may(P.SUBSCRIPTION_WRITE)
    if may(P.SETTINGS_WRITE):
        restrictions = locks = 0
    giver = GrantFacts(helper, GrantStatus.ACTIVE, None, restrictions, locks, subscription_over=is_over)
    terms = (grant_facts.role, grant_facts.allowlist, grant_facts.status)
    if (
        not policy.granted_bits(grant_facts.role, grant_facts.allowlist) & policy.mask([permission])
        or terms[2] is not GrantStatus.ACTIVE
    ):
        offers = [(role, policy.ROLES[role] if role in policy.WITH_ALLOWLIST else None) for role in Role]
        offers = [
            offer
            for offer in offers
            if policy.granted_bits(*offer) & policy.mask([permission]) and policy.may_grant(giver, *offer)
        ]
        if offers:
            terms = (*offers[0], GrantStatus.ACTIVE)
        elif may(P.OWNERSHIP):
            terms = (Role.OWNER, None, GrantStatus.ACTIVE)
    return GrantFacts(terms[0], terms[2], terms[1], restrictions, locks, subscription_over=is_over)


@pytest.mark.parametrize("helper", ["OWNER", "ADMINISTRATOR", "COLLABORATOR", "ACCOUNTANT"])
@pytest.mark.parametrize(
    ("fact_set", "permission", "mutation", "remedy"),
    [
        ((Role.SIMPLE_USER, {P.ACCOUNT_READ}, set(), set(), False), P.REPORTS_READ, "updateGrant", "list"),
        ((Role.CONSULTANT, {P.ACCOUNT_READ}, set(), set(), False), P.SETTINGS_READ, "updateGrant", "list"),
        ((Role.ACCOUNTANT, None, set(), set(), False), P.EVENTS_READ, "updateGrant", "role"),
        ((Role.SIMPLE_USER, None, {P.REPORTS_READ}, set(), False), P.REPORTS_READ, "updateAccountSettings", "free"),
        ((Role.ACCOUNTANT, None, set(), {P.REPORTS_READ}, False), P.REPORTS_READ, "updateAccountSettings", "free"),
        ((Role.ACCOUNTANT, None, set(), {P.CONTACTS_READ}, False), P.CONTACTS_WRITE, "updateAccountSettings", "free"),
    ],
)
async def test_remedy_works_for_exactly_the_named_roles(
    api: Api, helper: str, fact_set: Facts, permission: Permission, mutation: str, remedy: str
) -> None:
    """P12, through the API: the remedy works for each named role and for no other role."""
    owner = await api.person("anna@example.com")
    guest, key = await api.guest(owner, GUEST, "ACCOUNTANT")
    by = owner if helper == "OWNER" else (await api.guest(owner, "helper@example.com", helper))[0]
    person, _ = await AccountWithFacts(api, owner, guest).store_facts(fact_set)
    selection = f"viewerCan(permission: {permission}) {{ allowed grantableBy }}"
    before, _ = await load_account(api, person, selection, "root")
    assert not before["viewerCan"]["allowed"]
    inputs: dict[str, dict[str, Any]] = {
        "list": {"grantId": key, "permissions": ["ACCOUNT_READ", permission]},
        "role": {"grantId": key, "role": "COLLABORATOR"},
        "free": {"accountId": owner.account_id, "locks": [], "simpleUserRestrictions": []},
    }

    answer = await attempt(api, mutation, inputs[remedy], by=by)

    is_named = helper in before["viewerCan"]["grantableBy"]
    assert answer.codes == ([] if is_named else ["FORBIDDEN"])
    after, _ = await load_account(api, person, selection, "root")
    assert after["viewerCan"]["allowed"] == is_named


def test_comparison_covers_every_guarded_account_field() -> None:
    """A field with its own permission must be part of the comparison above."""
    account = cast("GraphQLObjectType", build().type_map["Account"])
    permissions = {field.extensions["rule"].permission for field in account.fields.values()}

    assert permissions == {P.ACCOUNT_READ, *FIELDS}
