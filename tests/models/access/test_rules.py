"""What narrows a role, rule by rule: who sees what before and after, on every path, with the very next request."""

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
from tests.api import Answer, Api, Clock, Person, codes
from tests.conftest import administer, at
from tests.executor.generate import examples
from tests.models.refusals import attempt, refused, state
from tests.schema import world

P = Permission
GUEST: Final = "bo@example.com"
# By each way to the account: the query around a selection on it, and where the account then stands.
WAYS: Final[dict[str, tuple[str, tuple[str | int, ...]]]] = {
    "root": ('account(id: "%(id)s") { %(shown)s }', ("account",)),
    "nested": (
        "viewer { grants { nodes { account { %(shown)s } } } }",
        ("viewer", "grants", "nodes", 0, "account"),
    ),
    "node": ('node(id: "%(id)s") { ... on Account { %(shown)s } }', ("node",)),
    "nodes": ('nodes(ids: ["%(id)s"]) { ... on Account { %(shown)s } }', ("nodes", 0)),
    "list": ("accounts { nodes { %(shown)s } }", ("accounts", "nodes", 0)),
}


async def seen(api: Api, by: Person, shown: str, way: str) -> tuple[Any, list[Any]]:
    """What of the account is shown, and which errors, by one of the ways that lead to it."""
    query, path = WAYS[way]
    answer = await api.ask(f"{{ {query % {'id': by.account_id, 'shown': shown}} }}", by=by)
    found = answer.partial
    for step in path:
        found = found[step] if found else None
    return found, answer.errors


async def settle(api: Api, by: Person, **settings: object) -> None:
    assert codes(await api.do("updateAccountSettings", {"accountId": by.account_id, **settings}, by=by)) == []


# ---- A story for each rule -------------------------------------------------------------------


@pytest.mark.parametrize("way", WAYS)
async def test_a_list_given_and_taken_shows_and_hides_on_every_way(api: Api, way: str) -> None:
    """P5: a consultant has what his list says, from the next request on."""
    anna = await api.person("anna@example.com")
    kim, key = await api.guest(anna, GUEST, "CONSULTANT", permissions=["DOCUMENTS_READ"])

    shown, errors = await seen(api, kim, "settings { defaultCurrency }", way)
    assert shown == {"settings": None}
    assert [(e["extensions"]["reason"], e["extensions"]["grantableBy"]) for e in errors] == [
        ("RESTRICTED_BY_GRANT", ["OWNER", "ADMINISTRATOR"])
    ]
    given = {"grantId": key, "permissions": ["SETTINGS_READ"]}
    assert codes(await api.do("updateGrant", given, by=anna)) == []
    assert await seen(api, kim, "settings { defaultCurrency }", way) == ({"settings": {"defaultCurrency": "EUR"}}, [])
    assert codes(await api.do("updateGrant", {"grantId": key, "permissions": []}, by=anna)) == []
    shown, errors = await seen(api, kim, "settings { defaultCurrency }", way)
    assert (shown or {}).get("settings") is None
    assert errors == [], "the account does not exist for who has nothing in it"


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("settings", "taken", "reason"),
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
async def test_what_an_account_takes_is_gone_and_comes_back_on_every_way(
    api: Api, way: str, settings: dict[str, Any], taken: set[Permission], reason: str
) -> None:
    """P3, P6, P7: with the next request, with the reason, and undone as fast."""
    anna = await api.person("anna@example.com")
    bo, _ = await api.guest(anna, GUEST, "SIMPLE_USER")
    asked = f"viewerPermissions viewerCan(permission: {min(taken)}) {{ allowed reason grantableBy }}"
    before, _ = await seen(api, bo, asked, way)
    assert before["viewerCan"] == {"allowed": True, "reason": "GRANTED", "grantableBy": []}

    await settle(api, anna, **settings)

    after, errors = await seen(api, bo, asked, way)
    assert errors == []
    assert after == {
        "viewerPermissions": [p for p in before["viewerPermissions"] if p not in taken],
        "viewerCan": {"allowed": False, "reason": reason, "grantableBy": ["OWNER", "ADMINISTRATOR", "COLLABORATOR"]},
    }
    await settle(api, anna, **{name: [] for name in settings})
    assert (await seen(api, bo, asked, way))[0] == before


async def test_restrictions_touch_nobody_but_simple_users(api: Api) -> None:
    """P2, P3: whatever an account takes from its simple users, every other role keeps."""
    anna = await api.person("anna@example.com")
    people = {Role.OWNER: anna}
    for role in (Role.ADMINISTRATOR, Role.COLLABORATOR, Role.ACCOUNTANT, Role.CONSULTANT, Role.SIMPLE_USER):
        listed = {"permissions": policy.permissions(policy.ROLES[role])} if role is Role.CONSULTANT else {}
        people[role], _ = await api.guest(anna, f"{role.lower()}@example.com", role, **listed)
    asked = "viewerPermissions"
    before = {role: (await seen(api, person, asked, "root"))[0] for role, person in people.items()}

    await settle(api, anna, simpleUserRestrictions=policy.permissions(policy.RESTRICTABLE))

    after = {role: (await seen(api, person, asked, "root"))[0] for role, person in people.items()}
    assert after.pop(Role.SIMPLE_USER) == {"viewerPermissions": ["ACCOUNT_READ", "SUBSCRIPTION_READ"]}
    del before[Role.SIMPLE_USER]
    assert after == before


async def test_a_lock_binds_the_owner_in_the_payload_that_sets_it(api: Api) -> None:
    """P6: there is no moment in which the one who locks is not bound himself."""
    anna = await api.person("anna@example.com")
    given = {"accountId": anna.account_id, "locks": ["DOCUMENTS_READ"]}

    done = await api.do("updateAccountSettings", given, "account { viewerPermissions settings { locks } }", by=anna)

    assert done["account"]["settings"] == {"locks": ["DOCUMENTS_READ"]}
    assert [p for p in done["account"]["viewerPermissions"] if p.startswith("DOCUMENTS")] == []
    refresh = await api.do("updateAccountSettings", {**given, "locks": []}, "account { viewerPermissions }", by=anna)
    assert refresh["account"]["viewerPermissions"] == list(Permission)


@pytest.mark.parametrize("column", ["locks", "simple_user_restrictions"])
@pytest.mark.parametrize("permission", [p for p in P if not policy.mask([p]) & policy.RESTRICTABLE])
async def test_the_database_takes_no_lock_on_the_keys(api: Api, column: str, permission: Permission) -> None:
    await api.person("anna@example.com")

    with pytest.raises(Exception, match="accounts_the_keys_stay"):
        await db.execute(f"UPDATE accounts SET {column} = $1", policy.mask([permission]))
    assert await db.execute(f"UPDATE accounts SET {column} = $1", policy.RESTRICTABLE) == 1


@pytest.mark.parametrize(
    ("permissions", "missing"),
    [
        (["CONTACTS_WRITE"], "CONTACTS_READ"),
        (["DOCUMENTS_READ_ALL", "EXPENSES_WRITE"], "DOCUMENTS_READ, EXPENSES_READ"),
    ],
)
@pytest.mark.parametrize("role", ["SIMPLE_USER", "CONSULTANT"])
async def test_writing_is_not_given_without_its_reading(
    api: Api, role: str, permissions: list[str], missing: str
) -> None:
    """P7: said when it is given, by invitation and by change, rather than silently worth nothing."""
    anna = await api.person("anna@example.com")
    _, key = await api.guest(anna, GUEST, role, permissions=["DOCUMENTS_READ"])
    invited = await api.do(
        "inviteUser",
        {"accountId": anna.account_id, "email": "cy@example.com", "role": role},
        "invitation { id }",
        by=anna,
    )
    wrong = [("INVALID", ["permissions"])]
    given = {"accountId": anna.account_id, "email": "di@example.com", "role": role, "permissions": permissions}

    assert await refused(api, "inviteUser", given, by=anna) == wrong
    assert await refused(api, "updateGrant", {"grantId": key, "permissions": permissions}, by=anna) == wrong
    changed = {"invitationId": invited["invitation"]["id"], "permissions": permissions}
    assert await refused(api, "updateInvitation", changed, by=anna) == wrong
    told = await api.do("inviteUser", given, by=anna)
    assert told["errors"][0]["message"] == f"Without these the others are worth nothing: {missing}."


async def test_what_is_taken_neither_filters_nor_sorts(api: Api) -> None:
    """A consultant who may not see the subscription finds no account by its end, nor its end in a cursor."""
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


# ---- What is decided is what is enforced -----------------------------------------------------

FIELDS: Final = {
    P.SUBSCRIPTION_READ: "subscription { __typename }",
    P.SETTINGS_READ: "settings { __typename }",
    P.USERS_READ: "grants { __typename }",
    P.EVENTS_READ: "events { __typename }",
    P.MESSAGES_READ: "messages { __typename }",
}
ASKED: Final = " ".join(
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


class House:
    """An account whose facts a test sets behind the models' back: its owner, and a guest in any role."""

    def __init__(self, api: Api, owner: Person, guest: Person) -> None:
        self.api, self.owner, self.guest = api, owner, guest

    async def become(self, of: Facts) -> tuple[Person, GrantFacts]:
        """Whoever is in that role, with the standing that he must have."""
        role, listed, restrictions, locks, over = of
        bits = None if listed is None or role not in policy.WITH_ALLOWLIST else policy.mask(listed)
        until = self.api.clock.now if over else self.api.clock.now.replace(year=self.api.clock.now.year + 1)
        account = world.key(self.owner.account_id)
        sql = "UPDATE accounts SET simple_user_restrictions = $2, locks = $3, subscription_until = $4 WHERE id = $1"
        await db.execute(sql, account, policy.mask(restrictions), policy.mask(locks), until)
        standing = GrantFacts(
            role, GrantStatus.ACTIVE, bits, policy.mask(restrictions), policy.mask(locks), subscription_over=over
        )
        if role is Role.OWNER:
            return self.owner, standing
        sql = "UPDATE grants SET role = $2, listed = $3, status = 'ACTIVE' WHERE user_id = $1"
        await db.execute(sql, world.key(self.guest.user_id), role, bits)
        return self.guest, standing


@pytest.fixture(scope="module")
async def house(postgres: str, template: str) -> AsyncIterator[House]:
    """One account for all examples."""
    name = f"rules_{next(world.NUMBERS)}"
    await administer(postgres, f"CREATE DATABASE {name} TEMPLATE {template}")
    async with world.application(at(postgres, name), "compiled", Clock()) as api:
        owner = await api.person("anna@example.com")
        guest, _ = await api.guest(owner, GUEST, "ACCOUNTANT")
        await api.person("cy@example.com")
        yield House(api, owner, guest)
    await administer(postgres, f"DROP DATABASE {name} WITH (FORCE)")


@examples(150)
@given(of=facts)
async def test_viewer_can_says_what_fields_do(house: House, *, of: Facts) -> None:
    """P12: yes where the field answers, else the field's own error says the same."""
    person, standing = await house.become(of)
    answer = await house.api.ask(f'{{ account(id: "{person.account_id}") {{ {ASKED} }} }}', by=person)
    account = answer.partial["account"]
    effective = policy.effective(standing)
    if not effective & policy.mask([P.ACCOUNT_READ]):
        assert account is None or account["id"] is None
        return

    told = {p: account[p] for p in P}
    assert {p for p in P if told[p]["allowed"]} == set(policy.permissions(effective))
    assert account["viewerPermissions"] == policy.permissions(effective)
    refused_at = {error["path"][-1]: error["extensions"] for error in answer.errors}
    for permission, field in FIELDS.items():
        name = field.split()[0]
        assert told[permission]["allowed"] == (account[name] is not None) == (name not in refused_at)
        if name in refused_at:
            assert agrees(refused_at[name], told[permission], standing.role)


def agrees(error: dict[str, Any], told: dict[str, Any], role: Role) -> bool:
    """Whether an error's details are those of a decision."""
    details = {k: v for k, v in error.items() if k != "requestId"}
    decision = {k: told[k] for k in ("permission", "reason", "grantableBy")}
    return details == {"code": "FORBIDDEN", "role": role.value, **decision}


@examples(60)
@given(of=facts)
async def test_viewer_can_says_what_mutations_do(house: House, *, of: Facts) -> None:
    """P12: each is called with input that is wrong, so that who may learns just that, and nothing changes."""
    person, standing = await house.become(of)
    here = person.account_id
    wrong: dict[Permission, tuple[str, dict[str, Any], str]] = {
        P.SETTINGS_WRITE: ("updateAccountSettings", {"accountId": here, "paymentTermDays": -1}, "OUT_OF_RANGE"),
        P.USERS_WRITE: ("inviteUser", {"accountId": here, "email": "x", "role": "SIMPLE_USER"}, "INVALID"),
        P.SUBSCRIPTION_WRITE: (
            "extendSubscription",
            {"accountId": here, "payerAccountId": here, "days": 10},
            "SAME_ACCOUNT",
        ),
    }
    before = await state()
    for permission, (mutation, input_, code) in wrong.items():
        decision = policy.decide(permission, standing)
        answer = await attempt(house.api, mutation, input_, by=person)
        if not policy.effective(standing):
            expected = "NOT_FOUND"
        elif decision.reason is DecisionReason.SUBSCRIPTION_EXPIRED:
            expected = "SUBSCRIPTION_EXPIRED"
        elif not decision.allowed:
            (error,) = answer.errors
            told = {**vars_of(decision), "grantableBy": [role.value for role in decision.grantable_by]}
            assert agrees(error["extensions"], told, standing.role)
            continue
        else:
            expected = code
        assert outcome(answer, mutation) == [expected], (mutation, of)
    assert await state() == before


def outcome(answer: Answer, mutation: str) -> list[str]:
    return [error["code"] for error in answer.data[mutation]["errors"]]


def vars_of(decision: policy.Decision) -> dict[str, Any]:
    return {"permission": decision.permission.value, "reason": decision.reason.value}


# ---- Who is named can help ------------------------------------------------------------------


@given(
    st.builds(
        GrantFacts,
        role=st.sampled_from([role for role in Role if role is not Role.OWNER]),
        status=st.sampled_from(list(GrantStatus)),
        listed=st.none() | st.sets(st.sampled_from(list(P))).map(policy.mask),
        restrictions=restrictable.map(policy.mask),
        locks=restrictable.map(policy.mask),
        subscription_over=st.booleans(),
    ),
    st.sampled_from(list(P)),
)
def test_who_is_named_can_make_it_a_yes_and_nobody_else(standing: GrantFacts, permission: Permission) -> None:
    """P12: each role, doing all that it may, against the roles that the decision names."""
    decision = policy.decide(permission, standing)
    if decision.allowed:
        return

    helpers = [
        role
        for role in Role
        if role not in policy.WITH_ALLOWLIST and policy.decide(permission, helped(standing, role, permission)).allowed
    ]

    assert list(decision.grantable_by) == helpers


def helped(standing: GrantFacts, by: Role, permission: Permission) -> GrantFacts:
    """What becomes of somebody's standing once a holder of a role has done for him all that he may."""
    over, restrictions, locks = standing.subscription_over, standing.restrictions, standing.locks

    def may(wanted: Permission) -> bool:
        mine = GrantFacts(by, GrantStatus.ACTIVE, None, restrictions, locks, subscription_over=over)
        return policy.decide(wanted, mine).allowed

    over = over and not may(P.SUBSCRIPTION_WRITE)
    if may(P.SETTINGS_WRITE):
        restrictions = locks = 0
    giver = GrantFacts(by, GrantStatus.ACTIVE, None, restrictions, locks, subscription_over=over)
    terms = (standing.role, standing.listed, standing.status)
    if (
        not policy.granted(standing.role, standing.listed) & policy.mask([permission])
        or terms[2] is not GrantStatus.ACTIVE
    ):
        offers = [(role, policy.ROLES[role] if role in policy.WITH_ALLOWLIST else None) for role in Role]
        offers = [o for o in offers if policy.granted(*o) & policy.mask([permission]) and policy.may_give(giver, *o)]
        if offers:
            terms = (*offers[0], GrantStatus.ACTIVE)
        elif may(P.OWNERSHIP):
            terms = (Role.OWNER, None, GrantStatus.ACTIVE)
    return GrantFacts(terms[0], terms[2], terms[1], restrictions, locks, subscription_over=over)


@pytest.mark.parametrize("helper", ["OWNER", "ADMINISTRATOR", "COLLABORATOR", "ACCOUNTANT"])
@pytest.mark.parametrize(
    ("facts", "permission", "mutation", "given_"),
    [
        ((Role.SIMPLE_USER, {P.ACCOUNT_READ}, set(), set(), False), P.REPORTS_READ, "updateGrant", "list"),
        ((Role.CONSULTANT, {P.ACCOUNT_READ}, set(), set(), False), P.SETTINGS_READ, "updateGrant", "list"),
        ((Role.ACCOUNTANT, None, set(), set(), False), P.EVENTS_READ, "updateGrant", "role"),
        ((Role.SIMPLE_USER, None, {P.REPORTS_READ}, set(), False), P.REPORTS_READ, "updateAccountSettings", "free"),
        ((Role.ACCOUNTANT, None, set(), {P.REPORTS_READ}, False), P.REPORTS_READ, "updateAccountSettings", "free"),
        ((Role.ACCOUNTANT, None, set(), {P.CONTACTS_READ}, False), P.CONTACTS_WRITE, "updateAccountSettings", "free"),
    ],
)
async def test_a_no_becomes_a_yes_by_who_is_named(
    api: Api, helper: str, facts: Facts, permission: Permission, mutation: str, given_: str
) -> None:
    """P12, through the API: the remedy works for each role that is named, and for no other."""
    owner = await api.person("anna@example.com")
    guest, key = await api.guest(owner, GUEST, "ACCOUNTANT")
    by = owner if helper == "OWNER" else (await api.guest(owner, "helper@example.com", helper))[0]
    person, _ = await House(api, owner, guest).become(facts)
    asked = f"viewerCan(permission: {permission}) {{ allowed grantableBy }}"
    before, _ = await seen(api, person, asked, "root")
    assert not before["viewerCan"]["allowed"]
    inputs: dict[str, dict[str, Any]] = {
        "list": {"grantId": key, "permissions": ["ACCOUNT_READ", permission]},
        "role": {"grantId": key, "role": "COLLABORATOR"},
        "free": {"accountId": owner.account_id, "locks": [], "simpleUserRestrictions": []},
    }

    answer = await attempt(api, mutation, inputs[given_], by=by)

    is_named = helper in before["viewerCan"]["grantableBy"]
    assert answer.codes == ([] if is_named else ["FORBIDDEN"])
    after, _ = await seen(api, person, asked, "root")
    assert after["viewerCan"]["allowed"] == is_named


def test_every_guarded_field_of_an_account_is_among_those_asked() -> None:
    """A field with a permission of its own must join the comparison above."""
    account = cast("GraphQLObjectType", build().type_map["Account"])
    demanded = {field.extensions["rule"].permission for field in account.fields.values()}

    assert demanded == {P.ACCOUNT_READ, *FIELDS}
