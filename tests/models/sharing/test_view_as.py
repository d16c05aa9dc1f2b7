"""View-as: limits, refusals and events."""

import asyncio
from typing import Any, Final

from graphql import GraphQLObjectType

from auth import policy, rules
from auth.policy import Permission, Role
from auth.rules import needs
from database import db
from resolvers import ids
from schema.build import build
from tests.api import NOWHERE, Api, Person, codes
from tests.models.refusals import events, state
from tests.models.sharing.views import ACCOUNT_QUERY, ask_in_view
from tests.schema.world import key

GUEST: Final = "bo@example.com"
NO_SUCH_VIEW: Final = "X-View-As names no role and no live grant of this account."


# ---- Limits ----------------------------------------------------------------------------------


async def test_view_hides_other_accounts_and_the_viewers_own_rows(api: Api) -> None:
    anna = await api.person("anna@example.com")
    second_account = await api.do("createAccount", {"name": "Second AS"}, "account { id }", by=anna)
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
    variables = {
        "id": second_account["account"]["id"],
        "ids": [
            *(ids.encode("Session", row.id) for row in sessions),
            *(ids.encode("Event", row.id) for row in rows),
            *(ids.encode("Grant", row.id) for row in grants),
            second_account["account"]["id"],
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

    for target, own_grants in ((key_, [{"accountName": "Anna Nowak"}]), ("SIMPLE_USER", [])):
        answer = await ask_in_view(api, query, anna, target, variables=variables)

        data = answer.partial
        own_session = {"__typename": "Session", "id": ids.encode("Session", await session_of(anna))}
        assert [node for node in data["nodes"] if node] == [own_session]
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


async def test_view_as_owner_is_limited_to_the_administrators_permissions(api: Api) -> None:
    anna = await api.person("anna@example.com")
    ada, _ = await api.guest(anna, "ada@example.com", "ADMINISTRATOR")
    (row,) = await db.fetch("SELECT id FROM grants WHERE role = 'OWNER'", row=db.Row)
    can = "viewerCan(permission: OWNERSHIP) { allowed reason grantableBy }"
    query = f"{{ viewer {{ currentAccount {{ viewerPermissions {can} }} }} }}"

    own_data = (await api.ask(query, by=ada)).data
    for target in ("OWNER", ids.encode("Grant", row.id)):
        assert (await ask_in_view(api, query, ada, target)).data == own_data
    assert own_data["viewer"]["currentAccount"]["viewerCan"]["allowed"] is False
    assert own_data["viewer"]["currentAccount"]["viewerPermissions"] == [
        p for p in Permission if p is not Permission.OWNERSHIP
    ]


async def test_view_as_a_role_without_permissions_shows_nothing(api: Api) -> None:
    anna = await api.person("anna@example.com")
    kim, waits = await api.guest(anna, GUEST, "CONSULTANT")
    query = f"""{{ account(id: "{anna.account_id}") {{ name }} node(id: "{anna.account_id}") {{ id }}
        accounts {{ totalCount nodes {{ name }} }}
        viewer {{ currentAccount {{ name }} currentGrant {{ id }} accounts {{ totalCount }}
            grants {{ nodes {{ status role }} }} }} }}"""

    for target, grants in (("CONSULTANT", []), (waits, [{"status": "AWAITING_PERMISSIONS", "role": "CONSULTANT"}])):
        answer = await ask_in_view(api, query, anna, target)

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
    own_data = await api.ask("{ viewer { grants { nodes { status role } } } }", by=kim)
    assert own_data.data["viewer"]["grants"]["nodes"] == grants


def test_owner_and_administrators_have_the_view_permissions() -> None:
    required_bits = policy.mask(policy.VIEW_AS)

    assert [role for role, role_bits in policy.ROLES.items() if role_bits & required_bits == required_bits] == [
        Role.OWNER,
        Role.ADMINISTRATOR,
    ]
    assert not required_bits & policy.RESTRICTABLE
    assert policy.SURVIVES_EXPIRY & required_bits == required_bits


def test_viewers_have_the_alternative_permission_of_every_self_rule() -> None:
    """A rule with `@self` shows the holder's own rows in a view. Its permission must be one that every viewer has."""
    fields = [f for t in build().type_map.values() if isinstance(t, GraphQLObjectType) for f in t.fields.values()]
    rules_ = [rule for f in fields if (rule := f.extensions.get("rule")) and rule.or_self]
    besides = {rule.permission for rule in rules_ if rule.bits & rules.AS_SELF_BIT}

    assert {Permission.USERS_READ, Permission.EVENTS_READ} <= besides
    assert not needs(Permission.OWNERSHIP, or_self=True).bits & rules.AS_SELF_BIT
    assert not policy.mask(besides) & ~policy.ROLES[Role.ADMINISTRATOR]
    assert not policy.mask(besides) & policy.RESTRICTABLE


# ---- Refusals --------------------------------------------------------------------------------


async def refuse_view(
    api: Api, by: Person | None, target: str, query: str = ACCOUNT_QUERY
) -> tuple[int, dict[str, Any]]:
    """Send a view request that is refused, and check that no row changes. Returns the status and the error."""
    person = by or Person("", "", "", NOWHERE)
    if by:
        await api.ask(ACCOUNT_QUERY, by=by)
    before = await state()
    answer = await api.ask(query, by=by, account=person.account_id, headers={"X-View-As": target})
    assert await state() == before
    assert answer.body.get("data") is None
    (error,) = answer.errors
    details = {name: value for name, value in error["extensions"].items() if name != "requestId"}
    return answer.status, {"message": error["message"], **details}


async def test_view_needs_all_view_permissions(api: Api) -> None:
    anna = await api.person("anna@example.com")
    all_permissions = policy.permissions(policy.ROLES[Role.CONSULTANT])
    people = [
        ("COLLABORATOR", {}, "USERS_WRITE"),
        ("ACCOUNTANT", {}, "USERS_WRITE"),
        ("SIMPLE_USER", {}, "USERS_WRITE"),
        ("CONSULTANT", {"permissions": all_permissions}, "SUBSCRIPTION_WRITE"),
    ]
    for role, fields, missing_permission in people:
        guest, own_data = await api.guest(anna, f"{role.lower()}@example.com", role, **fields)
        for target in ("SIMPLE_USER", role, own_data, "nonsense"):
            assert await refuse_view(api, guest, target) == (
                403,
                {
                    "message": f"Needs {missing_permission}.",
                    "code": "FORBIDDEN",
                    "permission": missing_permission,
                    "role": role,
                    "reason": "ROLE",
                    "grantableBy": ["OWNER", "ADMINISTRATOR"],
                },
            )
    assert (await refuse_view(api, None, "SIMPLE_USER"))[1]["code"] == "UNAUTHENTICATED"


async def test_invalid_target_is_refused(api: Api) -> None:
    anna, eve = await api.person("anna@example.com"), await api.person("eve@example.com")
    _, foreign = await api.guest(eve, "cy@example.com", "SIMPLE_USER")
    bo, revoked_grant = await api.guest(anna, GUEST, "SIMPLE_USER")
    assert codes(await api.do("revokeGrant", {"grantId": revoked_grant}, by=anna)) == []
    di, resigned_grant = await api.guest(anna, "di@example.com", "SIMPLE_USER")
    assert codes(await api.do("resignGrant", {"grantId": resigned_grant}, by=di)) == []
    until = api.clock.now.isoformat().replace("+00:00", "Z")
    _, over = await api.guest(anna, "ed@example.com", "SIMPLE_USER")
    await db.execute("UPDATE grants SET valid_until = $1 WHERE id = $2", api.clock.now, key(over))
    assert until

    for target in (
        *("", " ", "simple_user", "SIMPLE_USER,OWNER", "nonsense", "*", "\t"),
        *(
            foreign,
            revoked_grant,
            resigned_grant,
            over,
            ids.encode("Grant", key(anna.user_id)),
            anna.user_id,
            bo.account_id,
        ),
        *(revoked_grant.upper(), f"{revoked_grant}=", ids.encode("Grant", ids.NIL_KEY)),
    ):
        assert await refuse_view(api, anna, target) == (400, {"message": NO_SUCH_VIEW, "code": "BAD_USER_INPUT"}), (
            target
        )


async def test_two_view_headers_are_refused(api: Api) -> None:
    anna = await api.person("anna@example.com")
    headers = [("X-View-As", "SIMPLE_USER"), ("X-View-As", "OWNER"), ("Authorization", f"Bearer {anna.token}")]

    response = await api.http.post("/graphql", json={"query": ACCOUNT_QUERY}, headers=headers)

    assert (response.status_code, response.json()["errors"][0]["message"]) == (400, "Give X-View-As once.")


async def test_view_refuses_mutations(api: Api) -> None:
    anna = await api.person("anna@example.com")
    bo, grant = await api.guest(anna, GUEST, "ACCOUNTANT")
    mutation = 'mutation { createAccount(input: { name: "N" }) { errors { code } } }'
    two_operations = f"query Q {{ roles {{ role }} }} {mutation.replace('mutation', 'mutation M')}"

    for target in ("ACCOUNTANT", grant, "nonsense", ""):
        load_view_events = (400, {"message": "X-View-As is for queries.", "code": "BAD_USER_INPUT"})
        assert await refuse_view(api, anna, target, mutation) == load_view_events
        assert await refuse_view(api, bo, target, mutation) == load_view_events
    body = {"query": two_operations, "operationName": "M"}
    headers = {"Authorization": f"Bearer {anna.token}", "X-View-As": "ACCOUNTANT"}
    assert (await api.http.post("/graphql", json=body, headers=headers)).status_code == 400
    answer = await api.http.post("/graphql", json={**body, "operationName": "Q"}, headers=headers)
    assert answer.status_code == 200


async def test_view_needs_an_account(api: Api) -> None:
    anna = await api.person("anna@example.com")
    bo, grant = await api.guest(anna, GUEST, "ADMINISTRATOR")
    assert codes(await api.do("revokeGrant", {"grantId": grant}, by=anna)) == []
    headers = {"X-View-As": "SIMPLE_USER"}

    for account in (None, anna.account_id):
        answer = await api.ask(ACCOUNT_QUERY, by=bo, account=account, headers=headers)
        assert (answer.status, answer.codes) == (403, ["ACCOUNT_REQUIRED"])


async def test_view_is_refused_as_soon_as_the_viewer_loses_the_permission(api: Api) -> None:
    anna = await api.person("anna@example.com")
    ada, own_data = await api.guest(anna, "ada@example.com", "ADMINISTRATOR")
    _, grant = await api.guest(anna, GUEST, "SIMPLE_USER")
    assert (await ask_in_view(api, ACCOUNT_QUERY, ada, grant)).data["viewer"]["currentAccount"] is not None

    assert codes(await api.do("updateGrant", {"grantId": own_data, "role": "COLLABORATOR"}, by=anna)) == []

    assert (await ask_in_view(api, ACCOUNT_QUERY, ada, grant)).codes == ["FORBIDDEN"]


# ---- Events and locks ------------------------------------------------------------------------


async def test_view_is_recorded_once_an_hour_for_each_target(api: Api) -> None:
    anna = await api.person("anna@example.com")
    _, grant = await api.guest(anna, GUEST, "SIMPLE_USER")

    async def load_view_events() -> list[tuple[str, str]]:
        return [(row.actor_role, row.after) for row in await events("account:account:view-as")]

    await asyncio.gather(
        *(ask_in_view(api, ACCOUNT_QUERY, anna, target) for target in ["SIMPLE_USER"] * 8 + [grant] * 8)
    )

    as_role = ("OWNER", '{"role": "SIMPLE_USER"}')
    as_grant = ("OWNER", f'{{"role": "SIMPLE_USER", "grant": "{key(grant)}"}}')
    assert sorted(await load_view_events()) == sorted([as_role, as_grant])
    api.clock.forward(minutes=59)
    await ask_in_view(api, ACCOUNT_QUERY, anna, grant)
    assert len(await load_view_events()) == 2
    api.clock.forward(minutes=1)
    await ask_in_view(api, ACCOUNT_QUERY, anna, grant)
    assert (await load_view_events())[-1] == as_grant
    events_field = 'events(filter: { type: "account:account:view-as" }) { nodes { actor { id } actorRole after } }'
    answer = await api.ask(
        f"{{ viewer {{ currentAccount {{ {events_field} }} events {{ nodes {{ type }} }} }} }}", by=anna
    )
    (newest, *_) = answer.data["viewer"]["currentAccount"]["events"]["nodes"]
    assert newest["actor"] == {"id": anna.user_id}
    assert newest["actorRole"] == "OWNER"
    assert "account:account:view-as" in [node["type"] for node in answer.data["viewer"]["events"]["nodes"]]


async def test_locks_restrictions_and_expiry_apply_in_a_view(api: Api) -> None:
    anna = await api.person("anna@example.com")
    arguments = {"accountId": anna.account_id, "locks": ["PRODUCTS_READ"], "simpleUserRestrictions": ["REPORTS_READ"]}
    assert codes(await api.do("updateAccountSettings", arguments, by=anna)) == []
    query = "{ viewer { currentAccount { viewerPermissions } } }"

    permissions = (await ask_in_view(api, query, anna, "SIMPLE_USER")).data["viewer"]["currentAccount"][
        "viewerPermissions"
    ]
    assert {"PRODUCTS_READ", "PRODUCTS_WRITE", "REPORTS_READ"} & {*permissions} == set()
    assert "DOCUMENTS_WRITE" in permissions
    await db.execute("UPDATE accounts SET subscription_until = $1", api.clock.now)
    after = (await ask_in_view(api, query, anna, "SIMPLE_USER")).data["viewer"]["currentAccount"]["viewerPermissions"]
    assert after == [p for p in permissions if "_READ" in p or p == "EXPORTS_CREATE"]
