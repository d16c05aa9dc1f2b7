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
from tests.api import UNKNOWN_ID, Api, Person, codes
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
    bo, grant_id = await api.guest(anna, GUEST, "SIMPLE_USER")
    invitation = {"accountId": eve.account_id, "email": GUEST, "role": "ADMINISTRATOR"}
    assert codes(await api.do("inviteUser", invitation, by=eve)) == []
    await api.do("acceptInvitation", {"token": await api.link(GUEST, "invitation")}, by=bo)
    cy = await api.person("cy@example.com", accountName="Cy AS")
    await api.do("inviteUser", {**invitation, "accountId": cy.account_id}, by=cy)
    session_rows = await db.fetch("SELECT id FROM sessions", row=db.Row)
    event_rows = await db.fetch(
        "SELECT id FROM events WHERE account_id IS DISTINCT FROM $1", key(anna.account_id), row=db.Row
    )
    grant_rows = await db.fetch("SELECT id FROM grants WHERE account_id <> $1", key(anna.account_id), row=db.Row)
    variables = {
        "id": second_account["account"]["id"],
        "ids": [
            *(ids.encode("Session", row.id) for row in session_rows),
            *(ids.encode("Event", row.id) for row in event_rows),
            *(ids.encode("Grant", row.id) for row in grant_rows),
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

    for target, own_grants in ((grant_id, [{"accountName": "Anna Nowak"}]), ("SIMPLE_USER", [])):
        response = await ask_in_view(api, query, anna, target, variables=variables)

        data = response.partial
        own_session = {"__typename": "Session", "id": ids.encode("Session", await load_session_key(anna))}
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
        assert [error["path"] for error in response.errors] == [["viewer", "user", "email"]]


async def load_session_key(person: Person) -> Any:
    (row,) = await db.fetch("SELECT id FROM sessions WHERE user_id = $1", key(person.user_id), row=db.Row)
    return row.id


async def test_view_as_owner_is_limited_to_the_administrators_permissions(api: Api) -> None:
    anna = await api.person("anna@example.com")
    ada, _ = await api.guest(anna, "ada@example.com", "ADMINISTRATOR")
    (row,) = await db.fetch("SELECT id FROM grants WHERE role = 'OWNER'", row=db.Row)
    can_field = "viewerCan(permission: OWNERSHIP) { allowed reason grantableBy }"
    query = f"{{ viewer {{ currentAccount {{ viewerPermissions {can_field} }} }} }}"

    own_data = (await api.ask(query, by=ada)).data
    for target in ("OWNER", ids.encode("Grant", row.id)):
        assert (await ask_in_view(api, query, ada, target)).data == own_data
    assert own_data["viewer"]["currentAccount"]["viewerCan"]["allowed"] is False
    assert own_data["viewer"]["currentAccount"]["viewerPermissions"] == [
        p for p in Permission if p is not Permission.OWNERSHIP
    ]


async def test_view_as_a_role_without_permissions_shows_nothing(api: Api) -> None:
    anna = await api.person("anna@example.com")
    kim, grant_id = await api.guest(anna, GUEST, "CONSULTANT")
    query = f"""{{ account(id: "{anna.account_id}") {{ name }} node(id: "{anna.account_id}") {{ id }}
        accounts {{ totalCount nodes {{ name }} }}
        viewer {{ currentAccount {{ name }} currentGrant {{ id }} accounts {{ totalCount }}
            grants {{ nodes {{ status role }} }} }} }}"""

    for target, grants in (("CONSULTANT", []), (grant_id, [{"status": "AWAITING_PERMISSIONS", "role": "CONSULTANT"}])):
        response = await ask_in_view(api, query, anna, target)

        assert response.data == {
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
    own_response = await api.ask("{ viewer { grants { nodes { status role } } } }", by=kim)
    assert own_response.data["viewer"]["grants"]["nodes"] == grants


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
    schema_fields = [
        f for t in build().type_map.values() if isinstance(t, GraphQLObjectType) for f in t.fields.values()
    ]
    self_rules = [rule for f in schema_fields if (rule := f.extensions.get("rule")) and rule.or_self]
    alternatives = {rule.permission for rule in self_rules if rule.bits & rules.AS_SELF_BIT}

    assert {Permission.USERS_READ, Permission.EVENTS_READ} <= alternatives
    assert not needs(Permission.OWNERSHIP, or_self=True).bits & rules.AS_SELF_BIT
    assert not policy.mask(alternatives) & ~policy.ROLES[Role.ADMINISTRATOR]
    assert not policy.mask(alternatives) & policy.RESTRICTABLE


# ---- Refusals --------------------------------------------------------------------------------


async def refuse_view(
    api: Api, by: Person | None, target: str, query: str = ACCOUNT_QUERY
) -> tuple[int, dict[str, Any]]:
    """Send a view request that is refused, and check that no row changes. Returns the status and the error."""
    person = by or Person("", "", "", UNKNOWN_ID)
    if by:
        await api.ask(ACCOUNT_QUERY, by=by)
    before = await state()
    response = await api.ask(query, by=by, account=person.account_id, headers={"X-View-As": target})
    assert await state() == before
    assert response.body.get("data") is None
    (error,) = response.errors
    details = {name: value for name, value in error["extensions"].items() if name != "requestId"}
    return response.status, {"message": error["message"], **details}


async def test_view_needs_all_view_permissions(api: Api) -> None:
    anna = await api.person("anna@example.com")
    all_permissions = policy.permissions(policy.ROLES[Role.CONSULTANT])
    cases = [
        ("COLLABORATOR", {}, "USERS_WRITE"),
        ("ACCOUNTANT", {}, "USERS_WRITE"),
        ("SIMPLE_USER", {}, "USERS_WRITE"),
        ("CONSULTANT", {"permissions": all_permissions}, "SUBSCRIPTION_WRITE"),
    ]
    for role, fields, missing_permission in cases:
        guest, grant_id = await api.guest(anna, f"{role.lower()}@example.com", role, **fields)
        for target in ("SIMPLE_USER", role, grant_id, "nonsense"):
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
    _, foreign_grant = await api.guest(eve, "cy@example.com", "SIMPLE_USER")
    bo, revoked_grant = await api.guest(anna, GUEST, "SIMPLE_USER")
    assert codes(await api.do("revokeGrant", {"grantId": revoked_grant}, by=anna)) == []
    di, resigned_grant = await api.guest(anna, "di@example.com", "SIMPLE_USER")
    assert codes(await api.do("resignGrant", {"grantId": resigned_grant}, by=di)) == []
    _, expired_grant = await api.guest(anna, "ed@example.com", "SIMPLE_USER")
    await db.execute("UPDATE grants SET valid_until = $1 WHERE id = $2", api.clock.now, key(expired_grant))

    for target in (
        *("", " ", "simple_user", "SIMPLE_USER,OWNER", "nonsense", "*", "\t"),
        *(
            foreign_grant,
            revoked_grant,
            resigned_grant,
            expired_grant,
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
        refusal = (400, {"message": "X-View-As is for queries.", "code": "BAD_USER_INPUT"})
        assert await refuse_view(api, anna, target, mutation) == refusal
        assert await refuse_view(api, bo, target, mutation) == refusal
    body = {"query": two_operations, "operationName": "M"}
    headers = {"Authorization": f"Bearer {anna.token}", "X-View-As": "ACCOUNTANT"}
    assert (await api.http.post("/graphql", json=body, headers=headers)).status_code == 400
    response = await api.http.post("/graphql", json={**body, "operationName": "Q"}, headers=headers)
    assert response.status_code == 200


async def test_view_needs_an_account(api: Api) -> None:
    anna = await api.person("anna@example.com")
    bo, grant = await api.guest(anna, GUEST, "ADMINISTRATOR")
    assert codes(await api.do("revokeGrant", {"grantId": grant}, by=anna)) == []
    headers = {"X-View-As": "SIMPLE_USER"}

    for account in (None, anna.account_id):
        response = await api.ask(ACCOUNT_QUERY, by=bo, account=account, headers=headers)
        assert (response.status, response.codes) == (403, ["ACCOUNT_REQUIRED"])


async def test_view_is_refused_as_soon_as_the_viewer_loses_the_permission(api: Api) -> None:
    anna = await api.person("anna@example.com")
    ada, ada_grant = await api.guest(anna, "ada@example.com", "ADMINISTRATOR")
    _, guest_grant = await api.guest(anna, GUEST, "SIMPLE_USER")
    assert (await ask_in_view(api, ACCOUNT_QUERY, ada, guest_grant)).data["viewer"]["currentAccount"] is not None

    assert codes(await api.do("updateGrant", {"grantId": ada_grant, "role": "COLLABORATOR"}, by=anna)) == []

    assert (await ask_in_view(api, ACCOUNT_QUERY, ada, guest_grant)).codes == ["FORBIDDEN"]


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
    response = await api.ask(
        f"{{ viewer {{ currentAccount {{ {events_field} }} events {{ nodes {{ type }} }} }} }}", by=anna
    )
    (newest, *_) = response.data["viewer"]["currentAccount"]["events"]["nodes"]
    assert newest["actor"] == {"id": anna.user_id}
    assert newest["actorRole"] == "OWNER"
    assert "account:account:view-as" in [node["type"] for node in response.data["viewer"]["events"]["nodes"]]


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
