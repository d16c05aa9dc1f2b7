"""Looking through another's eyes: what is seen so is what that other sees, never more, and on the record."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any, Final

import pytest
from graphql import GraphQLObjectType, GraphQLSchema, build_schema, print_schema
from hypothesis import given
from hypothesis import strategies as st

from auth import policy, rules
from auth.policy import Permission, Role
from auth.rules import needs
from database import db
from resolvers import ids
from schema.build import build
from tests.api import NOWHERE, Answer, Api, Clock, Person, codes
from tests.conftest import administer, at
from tests.executor import generate
from tests.models.refusals import events, state
from tests.schema import world
from tests.schema.world import GUESTS, World, key

GUEST: Final = "bo@example.com"
SOMETHING: Final = "{ viewer { currentAccount { name } } }"
NO_SUCH_VIEW: Final = "X-View-As names no role, and no grant that counts in this account."


def schema_without(**without: str) -> GraphQLSchema:
    """The schema to write queries by, without what is the asking user's own, whoever's eyes he looks through."""
    schema = build_schema(print_schema(build()))
    for type_name, names in without.items():
        type_ = schema.type_map[type_name]
        assert isinstance(type_, GraphQLObjectType)
        for name in names.split():
            del type_.fields[name]
    return schema


THEIRS: Final = {"currentAccount", "currentGrant", "accounts", "grants"}
"""What of a viewer is there in a view too, and the same; events are, as far as they belong to the account."""
BETWEEN_TWO: Final = {"Session", "OwnershipTransfer"}
"""What nobody sees through other eyes: it is its holder's alone, or the owner's with him."""
VIEWER: Final = build().type_map["Viewer"]
assert isinstance(VIEWER, GraphQLObjectType)
SCHEMA: Final = schema_without(Viewer=" ".join(VIEWER.fields.keys() - THEIRS), Account="ownershipTransfer")
OF_ROLES: Final = schema_without(Account="viewerGrant ownershipTransfer")


async def look(api: Api, query: str, by: Person, through: str, **more: Any) -> Answer:
    """A query by somebody in his guests' account, through other eyes."""
    headers = {"X-View-As": through, **more.pop("headers", {})}
    return await api.ask(query, by=by, account=by.account_id, headers=headers, **more)


def difference(one: Answer, other: Answer) -> str | None:
    """Where two answers first differ, the ids of their requests apart."""

    def plain(answer: Answer) -> str:
        for error in answer.errors:
            error["extensions"]["requestId"] = ""
        told = sorted(map(json.dumps, answer.errors))
        return json.dumps([answer.status, answer.body.get("data"), told])

    texts = plain(one), plain(other)
    if texts[0] == texts[1]:
        return None
    place = next((at for at, pair in enumerate(zip(*texts, strict=False)) if len({*pair}) == 2), 0)
    return " | ".join(text[max(0, place - 150) : place + 150] for text in texts)


# ---- The same answer -------------------------------------------------------------------------


@pytest.fixture(scope="module")
async def seen(postgres: str, template: str) -> AsyncIterator[World]:
    """The world of the matrix, with restrictions and locks on. Tests with a database of their own come after."""
    name = f"view_{next(world.NUMBERS)}"
    await administer(postgres, f"CREATE DATABASE {name} TEMPLATE {template}")
    async with world.application(at(postgres, name), "compiled", Clock()) as api:
        made = await world.created(api)
        settings = {"simpleUserRestrictions": ["CONTACTS_READ", "REPORTS_READ"], "locks": ["DOCUMENTS_DELETE"]}
        given_ = {"accountId": made.owner.account_id, **settings}
        assert codes(await api.do("updateAccountSettings", given_, by=made.owner)) == []
        yield made
    await administer(postgres, f"DROP DATABASE {name} WITH (FORCE)")


def values(of: World) -> generate.Value:
    """Arguments that mean something in the account; ids of nobody's sessions."""
    known = [one for type_name, some in of.objects.items() if type_name not in BETWEEN_TWO for one in some]
    some: dict[str, list[object]] = {
        "first": [1, 2, 5],
        "last": [1, 2],
        "after": ["nonsense"],
        "before": ["nonsense"],
        "search": ["a", "owner", "example.com"],
        "number": [of.number],
        "token": [of.invitation_token],
        "DateTime": [of.api.clock.now.isoformat()],
        "JSON": [None],
    }

    def value(random: Any, name: str, type_name: str) -> object:
        if name == "id" and random.random() < 0.5:
            return of.owner.account_id
        wanted = {"accountId": "Account", "userId": "User", "actorId": "User", "consultantId": "User"}.get(name)
        if type_name == "ID":
            return random.choice(of.objects[wanted] if wanted else known)
        listed = some.get(name) or some.get(type_name)
        return random.choice(listed) if listed else generate.of_scalars(random, name, type_name)

    return value


FIXED: Final = """{ viewer {
  currentAccount { id viewerPermissions } currentGrant { id role user { email } grantedBy { email } }
  accounts(orderBy: VALID_UNTIL) { totalCount edges { cursor node { id } } }
  grants { totalCount edges { cursor node { id account { id } user { email } } } } }
  accounts(filter: { role: [SIMPLE_USER, ADMINISTRATOR] }) { totalCount nodes { id owner { email } } }
  grants(filter: { search: "a" }) { totalCount nodes { id role permissions user { name email } } } }"""


@pytest.mark.parametrize("by", ["owner", "administrator"])
@pytest.mark.parametrize("name", GUESTS)
@generate.examples(25)
@given(seed=st.integers(0, 2**60))
async def test_through_a_grant_the_answer_is_its_holders_own(seen: World, by: str, name: str, *, seed: int) -> None:
    holder, viewer = seen.somebody(name), seen.somebody(by)
    grant = await seen.grant_of(holder, seen.owner.account_id)
    assert grant is not None
    random = generate.chances(seed)
    asked = generate.write(SCHEMA, random, depth=7, size=25, value=values(seen))
    for person in (holder, viewer):
        await seen.api.ask(SOMETHING, by=person, account=seen.owner.account_id)
    await look(seen.api, SOMETHING, viewer_in(seen, viewer), grant)

    for text, variables in ((FIXED, {}), (asked.text, asked.variables)):
        own = await seen.api.ask(text, variables, by=holder, account=seen.owner.account_id)
        through = await look(seen.api, text, viewer_in(seen, viewer), grant, variables=variables)

        assert difference(through, own) is None, text


def viewer_in(seen: World, person: Person) -> Person:
    return Person(person.email, person.token, person.user_id, seen.owner.account_id)


@pytest.mark.parametrize("name", [name for name, (_, listed) in GUESTS.items() if listed is None])
@generate.examples(25)
@given(seed=st.integers(0, 2**60))
async def test_through_a_role_the_account_is_as_its_holders_see_it(seen: World, name: str, *, seed: int) -> None:
    shown = generate.selection(
        OF_ROLES, OF_ROLES.type_map["Account"], generate.chances(seed), depth=5, value=values(seen)
    )
    text = f"{{ account(number: {seen.number}) {shown} accounts {{ totalCount nodes {{ name }} }} }}"
    role = GUESTS[name][0]
    for person in (seen.owner, seen.somebody(name)):
        await seen.api.ask(SOMETHING, by=person, account=seen.owner.account_id)
    await look(seen.api, SOMETHING, seen.owner, role)

    own = await seen.api.ask(text, by=seen.somebody(name), account=seen.owner.account_id)
    through = await look(seen.api, text, seen.owner, role)

    assert difference(through, own) is None, text


@generate.examples(25)
@given(seed=st.integers(0, 2**60), through=st.sampled_from([*Role, None]))
async def test_every_field_of_the_viewer_answers_or_refuses(seen: World, *, seed: int, through: Role | None) -> None:
    """A field that reads by who asks finds nobody, and says so."""
    guest = await seen.grant_of(seen.somebody("simple user"), seen.owner.account_id)
    schema = build()
    shown = generate.selection(schema, VIEWER, generate.chances(seed), depth=4, value=values(seen))

    answer = await look(seen.api, f"{{ viewer {shown} }}", seen.owner, through or guest or "")

    assert {*answer.codes} <= {"FORBIDDEN"}
    assert answer.status == 200


# ---- Never more ------------------------------------------------------------------------------


async def test_the_eyes_see_no_other_account_and_nothing_of_the_viewers_own(api: Api) -> None:
    anna = await api.person("anna@example.com")
    other = await api.do("createAccount", {"name": "Second AS"}, "account { id }", by=anna)
    eve = await api.person("eve@example.com", accountName="Eve AS")
    bo, key_ = await api.guest(anna, GUEST, "SIMPLE_USER")
    elsewhere = {"accountId": eve.account_id, "email": GUEST, "role": "ADMINISTRATOR"}
    assert codes(await api.do("inviteUser", elsewhere, by=eve)) == []
    await api.do("acceptInvitation", {"token": await api.link(GUEST, "invitation")}, by=bo)
    third = await api.person("cy@example.com", accountName="Cy AS")
    await api.do("inviteUser", {**elsewhere, "accountId": third.account_id}, by=third)
    sessions = await db.fetch("SELECT id FROM sessions", row=db.Row)
    rows = await db.fetch(
        "SELECT id FROM events WHERE account_id IS DISTINCT FROM $1", key(anna.account_id), row=db.Row
    )
    grants = await db.fetch("SELECT id FROM grants WHERE account_id <> $1", key(anna.account_id), row=db.Row)
    asked = {
        "id": other["account"]["id"],
        "ids": [
            *(ids.encode("Session", row.id) for row in sessions),
            *(ids.encode("Event", row.id) for row in rows),
            *(ids.encode("Grant", row.id) for row in grants),
            other["account"]["id"],
            eve.account_id,
            eve.user_id,
        ][:100],
    }
    query = """query ($ids: [ID!]!, $id: ID!) { nodes(ids: $ids) { __typename id }
        accounts { totalCount nodes { name } } grants { nodes { accountName } }
        viewer { user { id name email } session { isCurrent } sessions { totalCount } invitations { totalCount }
            accounts { totalCount } grants { nodes { accountName } }
            events { nodes { type actor { id } account { name } } } }
        account(id: $id) { id } }"""

    for through, own_grants in ((key_, [{"accountName": "Anna Nowak"}]), ("SIMPLE_USER", [])):
        answer = await look(api, query, anna, through, variables=asked)

        data = answer.partial
        mine = {"__typename": "Session", "id": ids.encode("Session", await session_of(anna))}
        assert [one for one in data["nodes"] if one] == [mine]
        assert data["account"] is None
        assert data["accounts"] == {"totalCount": 1, "nodes": [{"name": "Anna Nowak"}]}
        viewer = data["viewer"]
        assert data["grants"]["nodes"] == viewer["grants"]["nodes"] == own_grants
        assert viewer["user"] == {"id": anna.user_id, "name": "Anna Nowak", "email": None}
        assert viewer["session"] == {"isCurrent": True}
        assert viewer["sessions"] == viewer["invitations"] == {"totalCount": 0}
        assert viewer["accounts"] == {"totalCount": 1}
        assert {event["account"]["name"] for event in viewer["events"]["nodes"]} <= {"Anna Nowak"}
        assert {event["actor"]["id"] for event in viewer["events"]["nodes"]} == ({bo.user_id} if own_grants else set())
        assert [error["path"] for error in answer.errors] == [["viewer", "user", "email"]]


async def session_of(person: Person) -> Any:
    (row,) = await db.fetch("SELECT id FROM sessions WHERE user_id = $1", key(person.user_id), row=db.Row)
    return row.id


async def test_an_administrator_looks_through_the_owner_no_further_than_himself(api: Api) -> None:
    anna = await api.person("anna@example.com")
    ada, _ = await api.guest(anna, "ada@example.com", "ADMINISTRATOR")
    (row,) = await db.fetch("SELECT id FROM grants WHERE role = 'OWNER'", row=db.Row)
    can = "viewerCan(permission: OWNERSHIP) { allowed reason grantableBy }"
    query = f"{{ viewer {{ currentAccount {{ viewerPermissions {can} }} }} }}"

    own = (await api.ask(query, by=ada)).data
    for through in ("OWNER", ids.encode("Grant", row.id)):
        assert (await look(api, query, ada, through)).data == own
    assert own["viewer"]["currentAccount"]["viewerCan"]["allowed"] is False
    assert own["viewer"]["currentAccount"]["viewerPermissions"] == [
        p for p in Permission if p is not Permission.OWNERSHIP
    ]


async def test_a_role_that_gives_nothing_by_itself_sees_nothing(api: Api) -> None:
    anna = await api.person("anna@example.com")
    kim, waits = await api.guest(anna, GUEST, "CONSULTANT")
    query = f"""{{ account(id: "{anna.account_id}") {{ name }} node(id: "{anna.account_id}") {{ id }}
        accounts {{ totalCount nodes {{ name }} }}
        viewer {{ currentAccount {{ name }} currentGrant {{ id }} accounts {{ totalCount }}
            grants {{ nodes {{ status role }} }} }} }}"""

    for through, grants in (("CONSULTANT", []), (waits, [{"status": "AWAITING_PERMISSIONS", "role": "CONSULTANT"}])):
        answer = await look(api, query, anna, through)

        assert answer.data == {
            "account": None,
            "node": None,
            "accounts": {"totalCount": 0, "nodes": []},
            "viewer": {
                "currentAccount": None,
                "currentGrant": None,
                "accounts": {"totalCount": 0},
                "grants": {"nodes": grants},
            },
        }
    own = await api.ask("{ viewer { grants { nodes { status role } } } }", by=kim)
    assert own.data["viewer"]["grants"]["nodes"] == grants


def test_the_owner_and_administrators_have_what_looking_takes() -> None:
    needed = policy.mask(policy.VIEW_AS)

    assert [role for role, held in policy.ROLES.items() if held & needed == needed] == [Role.OWNER, Role.ADMINISTRATOR]
    assert not needed & policy.RESTRICTABLE
    assert policy.SURVIVES_EXPIRY & needed == needed


def test_whoever_may_look_has_the_permission_beside_self_in_every_rule() -> None:
    """What shows a holder's own rows to who looks through his eyes must be open to the viewer himself."""
    fields = [f for t in build().type_map.values() if isinstance(t, GraphQLObjectType) for f in t.fields.values()]
    rules_ = [rule for f in fields if (rule := f.extensions.get("rule")) and rule.or_self]
    besides = {rule.permission for rule in rules_ if rule.bits & rules.AS_SELF}

    assert {Permission.USERS_READ, Permission.EVENTS_READ} <= besides
    assert not needs(Permission.OWNERSHIP, or_self=True).bits & rules.AS_SELF
    assert not policy.mask(besides) & ~policy.ROLES[Role.ADMINISTRATOR]
    assert not policy.mask(besides) & policy.RESTRICTABLE


# ---- Refused ---------------------------------------------------------------------------------


async def refused(api: Api, by: Person | None, through: str, query: str = SOMETHING) -> tuple[int, dict[str, Any]]:
    """The status and the one error of a look that is refused, after which every row must be as it was."""
    person = by or Person("", "", "", NOWHERE)
    if by:
        await api.ask(SOMETHING, by=by)
    before = await state()
    answer = await api.ask(query, by=by, account=person.account_id, headers={"X-View-As": through})
    assert await state() == before
    assert answer.body.get("data") is None
    (error,) = answer.errors
    details = {name: value for name, value in error["extensions"].items() if name != "requestId"}
    return answer.status, {"message": error["message"], **details}


async def test_only_who_gives_access_and_has_the_account_whole_may_look(api: Api) -> None:
    anna = await api.person("anna@example.com")
    everything = policy.permissions(policy.ROLES[Role.CONSULTANT])
    people = [
        ("COLLABORATOR", {}, "USERS_WRITE"),
        ("ACCOUNTANT", {}, "USERS_WRITE"),
        ("SIMPLE_USER", {}, "USERS_WRITE"),
        ("CONSULTANT", {"permissions": everything}, "SUBSCRIPTION_WRITE"),
    ]
    for role, more, lacking in people:
        guest, own = await api.guest(anna, f"{role.lower()}@example.com", role, **more)
        for through in ("SIMPLE_USER", role, own, "nonsense"):
            assert await refused(api, guest, through) == (
                403,
                {
                    "message": f"Needs {lacking}.",
                    "code": "FORBIDDEN",
                    "permission": lacking,
                    "role": role,
                    "reason": "ROLE",
                    "grantableBy": ["OWNER", "ADMINISTRATOR"],
                },
            )
    assert (await refused(api, None, "SIMPLE_USER"))[1]["code"] == "UNAUTHENTICATED"


async def test_what_names_nobody_in_the_account_is_never_answered_as_oneself(api: Api) -> None:
    anna, eve = await api.person("anna@example.com"), await api.person("eve@example.com")
    _, foreign = await api.guest(eve, "cy@example.com", "SIMPLE_USER")
    bo, revoked = await api.guest(anna, GUEST, "SIMPLE_USER")
    assert codes(await api.do("revokeGrant", {"grantId": revoked}, by=anna)) == []
    di, resigned = await api.guest(anna, "di@example.com", "SIMPLE_USER")
    assert codes(await api.do("resignGrant", {"grantId": resigned}, by=di)) == []
    until = api.clock.now.isoformat().replace("+00:00", "Z")
    _, over = await api.guest(anna, "ed@example.com", "SIMPLE_USER")
    await db.execute("UPDATE grants SET valid_until = $1 WHERE id = $2", api.clock.now, key(over))
    assert until

    for through in (
        *("", " ", "simple_user", "SIMPLE_USER,OWNER", "nonsense", "*", "\t"),
        *(foreign, revoked, resigned, over, ids.encode("Grant", key(anna.user_id)), anna.user_id, bo.account_id),
        *(revoked.upper(), f"{revoked}=", ids.encode("Grant", ids.NOBODY)),
    ):
        assert await refused(api, anna, through) == (400, {"message": NO_SUCH_VIEW, "code": "BAD_USER_INPUT"}), through


async def test_two_views_at_once_are_none(api: Api) -> None:
    anna = await api.person("anna@example.com")
    headers = [("X-View-As", "SIMPLE_USER"), ("X-View-As", "OWNER"), ("Authorization", f"Bearer {anna.token}")]

    response = await api.http.post("/graphql", json={"query": SOMETHING}, headers=headers)

    assert (response.status_code, response.json()["errors"][0]["message"]) == (400, "Give X-View-As once.")


async def test_nothing_is_changed_through_other_eyes(api: Api) -> None:
    anna = await api.person("anna@example.com")
    bo, grant = await api.guest(anna, GUEST, "ACCOUNTANT")
    mutation = 'mutation { createAccount(input: { name: "N" }) { errors { code } } }'
    both = f"query Q {{ roles {{ role }} }} {mutation.replace('mutation', 'mutation M')}"

    for through in ("ACCOUNTANT", grant, "nonsense", ""):
        told = (400, {"message": "X-View-As is for queries.", "code": "BAD_USER_INPUT"})
        assert await refused(api, anna, through, mutation) == told
        assert await refused(api, bo, through, mutation) == told
    body = {"query": both, "operationName": "M"}
    headers = {"Authorization": f"Bearer {anna.token}", "X-View-As": "ACCOUNTANT"}
    assert (await api.http.post("/graphql", json=body, headers=headers)).status_code == 400
    answer = await api.http.post("/graphql", json={**body, "operationName": "Q"}, headers=headers)
    assert answer.status_code == 200


async def test_without_an_account_there_is_nothing_to_look_at(api: Api) -> None:
    anna = await api.person("anna@example.com")
    bo, grant = await api.guest(anna, GUEST, "ADMINISTRATOR")
    assert codes(await api.do("revokeGrant", {"grantId": grant}, by=anna)) == []
    headers = {"X-View-As": "SIMPLE_USER"}

    for account in (None, anna.account_id):
        answer = await api.ask(SOMETHING, by=bo, account=account, headers=headers)
        assert (answer.status, answer.codes) == (403, ["ACCOUNT_REQUIRED"])


async def test_who_may_no_longer_look_is_refused_with_the_next_request(api: Api) -> None:
    anna = await api.person("anna@example.com")
    ada, own = await api.guest(anna, "ada@example.com", "ADMINISTRATOR")
    _, grant = await api.guest(anna, GUEST, "SIMPLE_USER")
    assert (await look(api, SOMETHING, ada, grant)).data["viewer"]["currentAccount"] is not None

    assert codes(await api.do("updateGrant", {"grantId": own, "role": "COLLABORATOR"}, by=anna)) == []

    assert (await look(api, SOMETHING, ada, grant)).codes == ["FORBIDDEN"]


# ---- On the record ---------------------------------------------------------------------------


async def test_each_view_is_recorded_once_an_hour_with_its_target(api: Api) -> None:
    anna = await api.person("anna@example.com")
    _, grant = await api.guest(anna, GUEST, "SIMPLE_USER")

    async def told() -> list[tuple[str, str]]:
        return [(row.actor_role, row.after) for row in await events("account:account:view-as")]

    await asyncio.gather(*(look(api, SOMETHING, anna, through) for through in ["SIMPLE_USER"] * 8 + [grant] * 8))

    as_role = ("OWNER", '{"role": "SIMPLE_USER"}')
    as_grant = ("OWNER", f'{{"role": "SIMPLE_USER", "grant": "{key(grant)}"}}')
    assert sorted(await told()) == sorted([as_role, as_grant])
    api.clock.forward(minutes=59)
    await look(api, SOMETHING, anna, grant)
    assert len(await told()) == 2
    api.clock.forward(minutes=1)
    await look(api, SOMETHING, anna, grant)
    assert (await told())[-1] == as_grant
    shown = 'events(filter: { type: "account:account:view-as" }) { nodes { actor { id } actorRole after } }'
    answer = await api.ask(f"{{ viewer {{ currentAccount {{ {shown} }} events {{ nodes {{ type }} }} }} }}", by=anna)
    (newest, *_) = answer.data["viewer"]["currentAccount"]["events"]["nodes"]
    assert newest["actor"] == {"id": anna.user_id}
    assert newest["actorRole"] == "OWNER"
    assert "account:account:view-as" in [node["type"] for node in answer.data["viewer"]["events"]["nodes"]]


async def test_the_locks_of_the_account_bind_other_eyes_too_and_its_end_as_well(api: Api) -> None:
    anna = await api.person("anna@example.com")
    given_ = {"accountId": anna.account_id, "locks": ["PRODUCTS_READ"], "simpleUserRestrictions": ["REPORTS_READ"]}
    assert codes(await api.do("updateAccountSettings", given_, by=anna)) == []
    query = "{ viewer { currentAccount { viewerPermissions } } }"

    seen_ = (await look(api, query, anna, "SIMPLE_USER")).data["viewer"]["currentAccount"]["viewerPermissions"]
    assert {"PRODUCTS_READ", "PRODUCTS_WRITE", "REPORTS_READ"} & {*seen_} == set()
    assert "DOCUMENTS_WRITE" in seen_
    await db.execute("UPDATE accounts SET subscription_until = $1", api.clock.now)
    after = (await look(api, query, anna, "SIMPLE_USER")).data["viewer"]["currentAccount"]["viewerPermissions"]
    assert after == [p for p in seen_ if "_READ" in p or p == "EXPORTS_CREATE"]
