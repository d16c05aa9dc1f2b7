"""Isolation of accounts: no data leaks through paths, counts, cursors, filters or payloads."""

import asyncio
import json
from base64 import urlsafe_b64decode
from typing import Any

import pytest

from database import db
from resolvers import ids
from tests.api import Api, Person, codes
from tests.schema import walk
from tests.schema.world import key

MAX_DEPTH = 5
"""Maximum depth of the selections that look for foreign ids."""
MAX_PARTS = 6
"""Fields of a type that one request selects, so that it is below the limits of fields and cost."""


async def member(api: Api, owner: Person, email: str, role: str, *permissions: str) -> Person:
    """A guest, with an allowlist if `permissions` are passed."""
    arguments = {"permissions": list(permissions)} if permissions else {}
    person, _ = await api.guest(owner, email, role, **arguments)
    return person


def select_all(type_name: str, depth: int, via: str = "") -> str:
    """A selection of all fields reachable from a type, up to `depth`."""
    return " ".join(select_each(type_name, depth, via))


def select_each(type_name: str, depth: int, via: str = "") -> list[str]:
    """The selection of each field of a type, with all fields that it leads to."""
    parts = ["__typename"]
    for name, field in walk.TYPES[type_name].fields.items():
        target = walk.target_type(field)
        if target == "Node" or (type_name == "Query" and name in {"invitation", "account", "roles"}):
            continue
        # A link shows a few fields of the other account on purpose; tests/models/accounts/test_link.py tests them.
        if (type_name, name) == ("AccountLink", "account"):
            continue
        # Numbers, which cost too much in lists: tests/models/bureaus/test_client_coverage.py and
        # tests/workspace/test_report_access.py test them.
        if name in {"clientsWithoutOtherConsultant", "reports"}:
            continue
        field_arguments = "(permission: SETTINGS_READ)" if name == "viewerCan" else ""
        field_arguments = "(first: 4)" if "first" in field.args else field_arguments
        if target not in walk.TYPES:
            parts.append(f"{name}{field_arguments}")
        elif depth and name not in {"edges", via}:
            parts.append(f"{name}{field_arguments} {{ {select_all(target, depth - (name != 'nodes'), name)} }}")
    return parts


ROLES = ["ADMINISTRATOR", "COLLABORATOR", "ACCOUNTANT", "CONSULTANT", "SIMPLE_USER"]


@pytest.mark.parametrize("role", ROLES)
async def test_no_path_leads_into_a_foreign_account(api: Api, role: str) -> None:
    anna = await api.person("anna@example.com", "Anna Nowak")
    guest = await member(
        api, anna, "guest@example.com", role, *(["USERS_READ", "EVENTS_READ"] if role == "CONSULTANT" else [])
    )
    # The guest's colleague has another account with its own guests.
    stig = await api.person("stig@example.com", "Stig Storm", accountName="Storm AS")
    _ = await api.do("inviteUser", {"accountId": anna.account_id, "email": stig.email, "role": "ACCOUNTANT"}, by=anna)
    _ = await api.do("acceptInvitation", {"token": await api.link(stig.email, "invitation")}, by=stig)
    _ = await member(api, stig, "hidden@example.com", "ADMINISTRATOR")
    secrets = await private_values(stig.account_id)
    assert len(secrets) > 20

    for selection in root_selections("Query"):
        response = await api.ask(f"{{ {selection} }}", by=guest)

        text = json.dumps(response.body)
        assert response.partial is not None, text[:300]
        assert sorted(secret for secret in secrets if secret in text) == []


def root_selections(type_name: str) -> list[str]:
    """Selections of all root fields, each small enough for the limits."""
    selections: list[str] = []
    for root in ("viewer", "accounts", "grants"):
        field = walk.TYPES[type_name].fields[root]
        target = walk.target_type(field)
        names = walk.TYPES[target].fields if root == "viewer" else ["nodes"]
        for name in names:
            inner = walk.TYPES[target].fields[name]
            if walk.target_type(inner) in walk.TYPES:
                page = "(first: 4)" if "first" in inner.args else ""
                target_name = walk.target_type(inner)
                if "nodes" in walk.TYPES[target_name].fields:
                    node = walk.target_type(walk.TYPES[target_name].fields["nodes"])
                    parts = [f"nodes {{ {part} }}" for part in select_each(node, MAX_DEPTH - 3)]
                    parts[0] += " totalCount pageInfo { endCursor }"
                else:
                    parts = select_each(target_name, MAX_DEPTH - 3)
                root_arguments = "(first: 4)" if root != "viewer" else ""
                selections += [
                    f"{root}{root_arguments} {{ {name}{page} {{ {' '.join(parts[start : start + MAX_PARTS])} }} }}"
                    for start in range(0, len(parts), MAX_PARTS)
                ]
    return selections


async def private_values(account: str) -> set[str]:
    """Ids, names and addresses that only users of the account may see."""
    secrets = {account, "Storm AS", "hidden@example.com"}
    for table, type_name in {
        "grants": "Grant",
        "invitations": "Invitation",
        "events": "Event",
        "messages": "Message",
        "subscription_entries": "SubscriptionEntry",
    }.items():
        rows = await db.fetch(f"SELECT id FROM {table} WHERE account_id = $1", key(account), row=db.Row)
        secrets |= {ids.encode(type_name, row.id) for row in rows} | {str(row.id) for row in rows}
    return secrets


async def test_current_account_shows_no_data_of_another_account(api: Api) -> None:
    anna = await api.person("anna@example.com", "Anna Nowak")
    bo = await api.person("bo@example.com", "Bo Berg", accountName="Berg AS")
    kari = await member(api, anna, "kari@example.com", "ADMINISTRATOR")
    for owner in (anna, bo):
        _ = await member(api, owner, f"only-{owner.email}", "ACCOUNTANT")
    invitation_input = {"accountId": bo.account_id, "email": kari.email, "role": "ADMINISTRATOR"}
    _ = await api.do("inviteUser", invitation_input, by=bo)
    _ = await api.do("acceptInvitation", {"token": await api.link(kari.email, "invitation")}, by=kari)
    selection = (
        "id name grants { totalCount nodes { user { name email } accountName account { id } } } events { totalCount"
    )
    query = f"{{ viewer {{ currentAccount {{ {selection} nodes {{ account {{ id name }} }} }} }} }} }}"

    for current, other_account in ((anna, bo), (bo, anna)):
        response = await api.ask(query, by=kari, account=current.account_id)

        text = json.dumps(response.data)
        assert response.data["viewer"]["currentAccount"]["grants"]["totalCount"] == 3
        assert current.account_id in text
        assert other_account.account_id not in text
        assert other_account.email not in text


# ---- Counts, cursors, filters ----------------------------------------------------------------


async def test_counts_and_cursors_exclude_hidden_rows(api: Api) -> None:
    anna = await api.person("anna@example.com")
    kari = await member(api, anna, "kari@example.com", "ACCOUNTANT")
    for number in range(3):
        _ = await member(api, anna, f"more-{number}@example.com", "SIMPLE_USER")
    page = "totalCount nodes { user { id } } pageInfo { hasNextPage hasPreviousPage startCursor endCursor }"

    response = await api.ask(f"{{ grants(first: 1) {{ {page} }} viewer {{ grants(first: 1) {{ {page} }} }} }}", by=kari)

    for grants in (response.data["grants"], response.data["viewer"]["grants"]):
        assert grants["totalCount"] == 1
        assert [node["user"]["id"] for node in grants["nodes"]] == [kari.user_id]
        assert (grants["pageInfo"]["hasNextPage"], grants["pageInfo"]["hasPreviousPage"]) == (False, False)


SEARCHES = ["anna", "anna@", "@example.com", "%", "_", "example", "owner"]


@pytest.mark.parametrize("role", ["ACCOUNTANT", "SIMPLE_USER"])
async def test_search_reveals_no_address_without_users_read(api: Api, role: str) -> None:
    anna = await api.person("anna@example.com", "Olga Nowak")
    kari = await member(api, anna, "kari@elsewhere.example.com", role)
    query = """query($f: GrantFilter) {
        grants(filter: $f) { totalCount nodes { user { id } } }
        viewer { grants(filter: $f) { totalCount nodes { user { id } } } }
    }"""

    for text in SEARCHES:
        response = await api.ask(query, {"f": {"search": text}}, by=kari)

        for grants in (response.data["grants"], response.data["viewer"]["grants"]):
            matches_caller = text in "kari@elsewhere.example.com" or text == "Bo Berg"
            assert grants["totalCount"] == (1 if matches_caller else 0), text
            assert {node["user"]["id"] for node in grants["nodes"]} <= {kari.user_id}


async def test_search_finds_users_with_users_read(api: Api) -> None:
    anna = await api.person("anna@example.com", "Olga Nowak")
    kari = await member(api, anna, "kari@example.com", "COLLABORATOR")
    query = "query($f: GrantFilter) { grants(filter: $f) { totalCount } }"

    counts = [
        (await api.ask(query, {"f": {"search": text}}, by=kari)).data["grants"]["totalCount"] for text in SEARCHES
    ]

    assert counts == [1, 1, 2, 0, 0, 2, 0]


CONSULTANTS: list[tuple[str, list[str], bool]] = [
    ("CONSULTANT", ["DOCUMENTS_READ"], False),
    ("CONSULTANT", ["SUBSCRIPTION_READ"], True),
    ("SIMPLE_USER", ["DOCUMENTS_READ"], False),
    ("SIMPLE_USER", ["SUBSCRIPTION_READ"], True),
    ("SIMPLE_USER", [], True),
    ("ACCOUNTANT", [], True),
]


@pytest.mark.parametrize(("role", "permissions", "may_see_end"), CONSULTANTS)
async def test_subscription_end_sorts_and_filters_only_with_permission(
    api: Api, role: str, permissions: list[str], *, may_see_end: bool
) -> None:
    anna = await api.person("anna@example.com")
    kari = await member(api, anna, "kari@example.com", role, *permissions)
    query = """query($f: AccountFilter) { viewer { accounts(filter: $f, orderBy: VALID_UNTIL) {
        totalCount nodes { id } edges { cursor } } } }"""
    until = {"expiresBefore": "2100-01-01T00:00:00Z"}

    filter_page = (await api.ask(query, {"f": until}, by=kari)).data["viewer"]["accounts"]
    order_page = (await api.ask(query, {}, by=kari)).data["viewer"]["accounts"]

    cursor = order_page["edges"][0]["cursor"]
    cursor_values = json.loads(urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    assert filter_page["totalCount"] == (1 if may_see_end else 0)
    assert order_page["totalCount"] == 1
    assert cursor_values[1].startswith("1970-01-01") is not may_see_end


# ---- Payloads --------------------------------------------------------------------------------


async def test_resigned_user_sees_the_grant_but_no_account(api: Api) -> None:
    anna = await api.person("anna@example.com")
    kari, grant = await api.guest(anna, "kari@example.com", "COLLABORATOR")
    selection = (
        "grant { status role account { id settings { invoicePrefix } } user { email } grantedBy { name email } }"
    )
    document = (
        f"mutation($input: ResignGrantInput!) {{ resignGrant(input: $input) {{ {selection} errors {{ code }} }} }}"
    )

    response = await api.ask(document, {"input": {"grantId": grant}}, by=kari)

    resigned_grant = response.partial["resignGrant"]["grant"]
    assert (resigned_grant["status"], resigned_grant["account"], resigned_grant["user"]["email"]) == (
        "RESIGNED",
        None,
        kari.email,
    )
    assert resigned_grant["grantedBy"] == {"name": "Anna Nowak", "email": None}
    assert response.codes == ["FORBIDDEN"]
    assert response.errors[0]["path"] == ["resignGrant", "grant", "grantedBy", "email"]


async def test_revoking_own_grant_takes_effect_at_once(api: Api) -> None:
    anna = await api.person("anna@example.com")
    # Only the owner may revoke an administrator's grant.
    kari, grant = await api.guest(anna, "kari@example.com", "CONSULTANT", permissions=["USERS_READ", "USERS_WRITE"])
    _ = await api.do("switchAccount", {"accountId": anna.account_id}, by=kari)
    document = """mutation($id: ID!, $guest: InviteUserInput!) {
        revokeGrant(input: { grantId: $id }) { grant { status account { id } } errors { code } }
        updateProfile(input: {}) { viewer { currentAccount { id } currentGrant { id } accounts { totalCount } } }
        inviteUser(input: $guest) { errors { code } }
    }"""
    guest = {"accountId": anna.account_id, "email": "x@example.com", "role": "SIMPLE_USER"}

    response = await api.ask(document, {"id": grant, "guest": guest}, by=kari)

    assert response.data == {
        "revokeGrant": {"grant": {"status": "REVOKED", "account": None}, "errors": []},
        "updateProfile": {"viewer": {"currentAccount": None, "currentGrant": None, "accounts": {"totalCount": 0}}},
        "inviteUser": {"errors": [{"code": "NOT_FOUND"}]},
    }


async def test_declining_a_foreign_invitation_shows_no_invitation(api: Api) -> None:
    anna, stig = await api.person("anna@example.com"), await api.person("stig@example.com")
    invitation_input = {"accountId": anna.account_id, "email": "pending@example.com", "role": "ACCOUNTANT"}
    _ = await api.do("inviteUser", invitation_input, by=anna)
    token = await api.link("pending@example.com", "invitation")

    payload = await api.do("declineInvitation", {"token": token}, "invitation { id email }", by=stig)

    response = await api.ask("{ viewer { events { nodes { type before after } } } }", by=stig)
    assert (payload["invitation"], codes(payload)) == (None, [])
    assert response.data["viewer"]["events"]["nodes"][0]["type"] == "account:invitation:decline"
    assert "pending@example.com" not in json.dumps(response.data)


async def test_transfer_payload_is_null_after_losing_access(api: Api) -> None:
    anna, stig = await api.person("anna@example.com"), await api.person("stig@example.com")
    invitation_input = {"accountId": anna.account_id, "email": stig.email, "role": "ACCOUNTANT"}
    invitation_payload = await api.do("inviteUser", invitation_input, "invitation { id }", by=anna)
    acceptance_payload = await api.do(
        "acceptInvitation", {"invitationId": invitation_payload["invitation"]["id"]}, "grant { id }", by=stig
    )
    await db.execute("UPDATE accounts SET trial_until = NULL")  # the days can be transferred
    days = {"accountId": anna.account_id, "payerAccountId": stig.account_id, "days": 10, "idempotencyKey": "once"}
    selection = "account { id } payer { id } entry { days }"
    first = await api.do("extendSubscription", days, selection, by=stig)
    _ = await api.do("revokeGrant", {"grantId": acceptance_payload["grant"]["id"]}, by=anna)

    again = await api.do("extendSubscription", days, selection, by=stig)

    payer = {"id": stig.account_id}
    assert first == {"account": {"id": anna.account_id}, "payer": payer, "entry": {"days": 10}, "errors": []}
    assert (again["account"], again["entry"]) == (None, None)


async def test_every_operation_of_a_document_is_guarded(api: Api) -> None:
    anna = await api.person("anna@example.com")
    kari = await member(api, anna, "kari@example.com", "ACCOUNTANT")
    document = """
        query Open { viewer { currentAccount { name } } }
        query Closed { viewer { currentAccount { name settings { locks } } } }
        mutation Change($input: UpdateAccountInput!) { updateAccount(input: $input) { errors { code } } }
    """
    variables = {"input": {"accountId": anna.account_id, "name": "Mine"}}

    async def run(operation: str) -> Any:  # JSON
        body = {"query": document, "operationName": operation, "variables": variables}
        return (await api.http.post("/graphql", json=body, headers={"Authorization": f"Bearer {kari.token}"})).json()

    open_response, closed_response, change_response = [
        await run(operation) for operation in ("Open", "Closed", "Change")
    ]

    assert open_response == {"data": {"viewer": {"currentAccount": {"name": "Anna Nowak"}}}}
    assert closed_response["data"] == {"viewer": {"currentAccount": {"name": "Anna Nowak", "settings": None}}}
    assert [error["extensions"]["code"] for error in closed_response["errors"]] == ["FORBIDDEN"]
    assert change_response["data"] == {"updateAccount": None}


async def test_concurrent_requests_share_no_access(api: Api) -> None:
    anna = await api.person("anna@example.com")
    kari = await member(api, anna, "kari@example.com", "ACCOUNTANT")
    query = "{ viewer { user { email } accounts { nodes { settings { locks } grants { nodes { id } } } } } }"

    responses = await asyncio.gather(*(api.ask(query, by=person) for _ in range(10) for person in (anna, kari)))

    assert [response.codes for response in responses] == [[], ["FORBIDDEN", "FORBIDDEN"]] * 10
    assert [response.partial["viewer"]["user"]["email"] for response in responses] == [anna.email, kari.email] * 10
