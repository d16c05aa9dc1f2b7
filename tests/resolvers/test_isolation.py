"""Nothing of an account reaches who may not see it: not by a path, a count, a cursor, a filter or a payload."""

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

FOLLOWED = 5
"""How deep the graph is followed for ids of others."""


async def member(api: Api, owner: Person, email: str, role: str, *permissions: str) -> Person:
    """A guest; with a list where there are permissions."""
    more = {"permissions": list(permissions)} if permissions else {}
    person, _ = await api.guest(owner, email, role, **more)
    return person


def everything(type_name: str, depth: int, via: str = "") -> str:
    """A selection of all that can be reached from a type, `depth` steps deep."""
    parts = ["__typename"]
    for name, field in walk.TYPES[type_name].fields.items():
        target = walk.target(field)
        if target == "Node" or (type_name == "Query" and name in {"invitation", "account", "roles"}):
            continue
        # What a link shows of the other side is meant to be seen; tests/models/accounts/test_link.py holds it to that.
        if (type_name, name) == ("AccountLink", "account"):
            continue
        given = "(permission: SETTINGS_READ)" if name == "viewerCan" else ""
        given = "(first: 5)" if "first" in field.args else given
        if target not in walk.TYPES:
            parts.append(f"{name}{given}")
        elif depth and name not in {"edges", via}:
            parts.append(f"{name}{given} {{ {everything(target, depth - (name != 'nodes'), name)} }}")
    return " ".join(parts)


ROLES = ["ADMINISTRATOR", "COLLABORATOR", "ACCOUNTANT", "CONSULTANT", "SIMPLE_USER"]


@pytest.mark.parametrize("role", ROLES)
async def test_no_path_leads_into_an_account_of_another(api: Api, role: str) -> None:
    anna = await api.person("anna@example.com", "Anna Nowak")
    guest = await member(
        api, anna, "guest@example.com", role, *(["USERS_READ", "EVENTS_READ"] if role == "CONSULTANT" else [])
    )
    # The guest's colleague has an account of his own, with guests of its own.
    stig = await api.person("stig@example.com", "Stig Storm", accountName="Storm AS")
    _ = await api.do("inviteUser", {"accountId": anna.account_id, "email": stig.email, "role": "ACCOUNTANT"}, by=anna)
    _ = await api.do("acceptInvitation", {"token": await api.link(stig.email, "invitation")}, by=stig)
    _ = await member(api, stig, "hidden@example.com", "ADMINISTRATOR")
    secrets = await facts(stig.account_id)
    assert len(secrets) > 20

    for selection in parts_of("Query"):
        answer = await api.ask(f"{{ {selection} }}", by=guest)

        text = json.dumps(answer.body)
        assert answer.partial is not None, text[:300]
        assert sorted(secret for secret in secrets if secret in text) == []


def parts_of(type_name: str) -> list[str]:
    """Everything from a root, in documents small enough to be let through."""
    found: list[str] = []
    for root in ("viewer", "accounts", "grants"):
        field = walk.TYPES[type_name].fields[root]
        target = walk.target(field)
        names = walk.TYPES[target].fields if root == "viewer" else ["nodes"]
        for name in names:
            inner = walk.TYPES[target].fields[name]
            if walk.target(inner) in walk.TYPES:
                page = "(first: 5)" if "first" in inner.args else ""
                below = walk.target(inner)
                if "nodes" in walk.TYPES[below].fields:
                    node = walk.target(walk.TYPES[below].fields["nodes"])
                    chosen = f"totalCount pageInfo {{ endCursor }} nodes {{ {everything(node, FOLLOWED - 3)} }}"
                else:
                    chosen = everything(below, FOLLOWED - 3)
                given = "(first: 5)" if root != "viewer" else ""
                found.append(f"{root}{given} {{ {name}{page} {{ {chosen} }} }}")
    return found


async def facts(account: str) -> set[str]:
    """Ids, names and addresses that only an account's own people may see."""
    found = {account, "Storm AS", "hidden@example.com"}
    for table, type_name in {
        "grants": "Grant",
        "invitations": "Invitation",
        "events": "Event",
        "messages": "Message",
        "subscription_entries": "SubscriptionEntry",
    }.items():
        rows = await db.fetch(f"SELECT id FROM {table} WHERE account_id = $1", key(account), row=db.Row)
        found |= {ids.encode(type_name, row.id) for row in rows} | {str(row.id) for row in rows}
    return found


async def test_acting_in_one_account_shows_nothing_of_the_other_one(api: Api) -> None:
    anna = await api.person("anna@example.com", "Anna Nowak")
    bo = await api.person("bo@example.com", "Bo Berg", accountName="Berg AS")
    kari = await member(api, anna, "kari@example.com", "ADMINISTRATOR")
    for owner in (anna, bo):
        _ = await member(api, owner, f"only-{owner.email}", "ACCOUNTANT")
    given = {"accountId": bo.account_id, "email": kari.email, "role": "ADMINISTRATOR"}
    _ = await api.do("inviteUser", given, by=bo)
    _ = await api.do("acceptInvitation", {"token": await api.link(kari.email, "invitation")}, by=kari)
    shown = "id name grants { totalCount nodes { user { name email } accountName account { id } } } events { totalCount"
    query = f"{{ viewer {{ currentAccount {{ {shown} nodes {{ account {{ id name }} }} }} }} }} }}"

    for here, there in ((anna, bo), (bo, anna)):
        answer = await api.ask(query, by=kari, account=here.account_id)

        text = json.dumps(answer.data)
        assert answer.data["viewer"]["currentAccount"]["grants"]["totalCount"] == 3
        assert here.account_id in text
        assert there.account_id not in text
        assert there.email not in text


# ---- Counts, cursors, filters ----------------------------------------------------------------


async def test_counts_and_pages_tell_nothing_of_what_is_hidden(api: Api) -> None:
    anna = await api.person("anna@example.com")
    kari = await member(api, anna, "kari@example.com", "ACCOUNTANT")
    for number in range(3):
        _ = await member(api, anna, f"more-{number}@example.com", "SIMPLE_USER")
    page = "totalCount nodes { user { id } } pageInfo { hasNextPage hasPreviousPage startCursor endCursor }"

    answer = await api.ask(f"{{ grants(first: 1) {{ {page} }} viewer {{ grants(first: 1) {{ {page} }} }} }}", by=kari)

    for found in (answer.data["grants"], answer.data["viewer"]["grants"]):
        assert found["totalCount"] == 1
        assert [node["user"]["id"] for node in found["nodes"]] == [kari.user_id]
        assert (found["pageInfo"]["hasNextPage"], found["pageInfo"]["hasPreviousPage"]) == (False, False)


SEARCHES = ["anna", "anna@", "@example.com", "%", "_", "example", "owner"]


@pytest.mark.parametrize("role", ["ACCOUNTANT", "SIMPLE_USER"])
async def test_who_may_not_read_users_learns_no_address_by_searching(api: Api, role: str) -> None:
    anna = await api.person("anna@example.com", "Olga Nowak")
    kari = await member(api, anna, "kari@elsewhere.example.com", role)
    query = """query($f: GrantFilter) {
        grants(filter: $f) { totalCount nodes { user { id } } }
        viewer { grants(filter: $f) { totalCount nodes { user { id } } } }
    }"""

    for text in SEARCHES:
        answer = await api.ask(query, {"f": {"search": text}}, by=kari)

        for found in (answer.data["grants"], answer.data["viewer"]["grants"]):
            own = text in "kari@elsewhere.example.com" or text == "Bo Berg"
            assert found["totalCount"] == (1 if own else 0), text
            assert {node["user"]["id"] for node in found["nodes"]} <= {kari.user_id}


async def test_who_may_read_users_finds_them(api: Api) -> None:
    anna = await api.person("anna@example.com", "Olga Nowak")
    kari = await member(api, anna, "kari@example.com", "COLLABORATOR")
    query = "query($f: GrantFilter) { grants(filter: $f) { totalCount } }"

    found = [(await api.ask(query, {"f": {"search": text}}, by=kari)).data["grants"]["totalCount"] for text in SEARCHES]

    assert found == [1, 1, 2, 0, 0, 2, 0]


CONSULTANTS: list[tuple[str, list[str], bool]] = [
    ("CONSULTANT", ["DOCUMENTS_READ"], False),
    ("CONSULTANT", ["SUBSCRIPTION_READ"], True),
    ("SIMPLE_USER", ["DOCUMENTS_READ"], False),
    ("SIMPLE_USER", ["SUBSCRIPTION_READ"], True),
    ("SIMPLE_USER", [], True),
    ("ACCOUNTANT", [], True),
]


@pytest.mark.parametrize(("role", "permissions", "sees"), CONSULTANTS)
async def test_the_end_of_a_subscription_sorts_and_filters_only_for_who_sees_it(
    api: Api, role: str, permissions: list[str], *, sees: bool
) -> None:
    anna = await api.person("anna@example.com")
    kari = await member(api, anna, "kari@example.com", role, *permissions)
    query = """query($f: AccountFilter) { viewer { accounts(filter: $f, orderBy: VALID_UNTIL) {
        totalCount nodes { id } edges { cursor } } } }"""
    until = {"expiresBefore": "2100-01-01T00:00:00Z"}

    filtered = (await api.ask(query, {"f": until}, by=kari)).data["viewer"]["accounts"]
    sorted_ = (await api.ask(query, {}, by=kari)).data["viewer"]["accounts"]

    cursor = sorted_["edges"][0]["cursor"]
    place = json.loads(urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    assert filtered["totalCount"] == (1 if sees else 0)
    assert sorted_["totalCount"] == 1
    assert place[1].startswith("1970-01-01") is not sees


# ---- Payloads --------------------------------------------------------------------------------


async def test_who_resigned_sees_his_grant_and_no_account(api: Api) -> None:
    anna = await api.person("anna@example.com")
    kari, grant = await api.guest(anna, "kari@example.com", "COLLABORATOR")
    shown = "grant { status role account { id settings { invoicePrefix } } user { email } grantedBy { name email } }"
    document = f"mutation($input: ResignGrantInput!) {{ resignGrant(input: $input) {{ {shown} errors {{ code }} }} }}"

    answer = await api.ask(document, {"input": {"grantId": grant}}, by=kari)

    found = answer.partial["resignGrant"]["grant"]
    assert (found["status"], found["account"], found["user"]["email"]) == ("RESIGNED", None, kari.email)
    assert found["grantedBy"] == {"name": "Anna Nowak", "email": None}
    assert answer.codes == ["FORBIDDEN"]
    assert answer.errors[0]["path"] == ["resignGrant", "grant", "grantedBy", "email"]


async def test_who_takes_his_own_access_back_is_out_at_once(api: Api) -> None:
    anna = await api.person("anna@example.com")
    # An administrator's access is taken back by the owner only.
    kari, grant = await api.guest(anna, "kari@example.com", "CONSULTANT", permissions=["USERS_READ", "USERS_WRITE"])
    _ = await api.do("switchAccount", {"accountId": anna.account_id}, by=kari)
    document = """mutation($id: ID!, $guest: InviteUserInput!) {
        revokeGrant(input: { grantId: $id }) { grant { status account { id } } errors { code } }
        updateProfile(input: {}) { viewer { currentAccount { id } currentGrant { id } accounts { totalCount } } }
        inviteUser(input: $guest) { errors { code } }
    }"""
    guest = {"accountId": anna.account_id, "email": "x@example.com", "role": "SIMPLE_USER"}

    answer = await api.ask(document, {"id": grant, "guest": guest}, by=kari)

    assert answer.data == {
        "revokeGrant": {"grant": {"status": "REVOKED", "account": None}, "errors": []},
        "updateProfile": {"viewer": {"currentAccount": None, "currentGrant": None, "accounts": {"totalCount": 0}}},
        "inviteUser": {"errors": [{"code": "NOT_FOUND"}]},
    }


async def test_who_declines_by_a_link_that_is_not_his_sees_nothing_of_it(api: Api) -> None:
    anna, stig = await api.person("anna@example.com"), await api.person("stig@example.com")
    given = {"accountId": anna.account_id, "email": "pending@example.com", "role": "ACCOUNTANT"}
    _ = await api.do("inviteUser", given, by=anna)
    token = await api.link("pending@example.com", "invitation")

    done = await api.do("declineInvitation", {"token": token}, "invitation { id email }", by=stig)

    answer = await api.ask("{ viewer { events { nodes { type before after } } } }", by=stig)
    assert (done["invitation"], codes(done)) == (None, [])
    assert answer.data["viewer"]["events"]["nodes"][0]["type"] == "account:invitation:decline"
    assert "pending@example.com" not in json.dumps(answer.data)


async def test_a_transfer_shows_its_line_only_while_the_account_can_be_entered(api: Api) -> None:
    anna, stig = await api.person("anna@example.com"), await api.person("stig@example.com")
    given = {"accountId": anna.account_id, "email": stig.email, "role": "ACCOUNTANT"}
    invited = await api.do("inviteUser", given, "invitation { id }", by=anna)
    joined = await api.do("acceptInvitation", {"invitationId": invited["invitation"]["id"]}, "grant { id }", by=stig)
    days = {"accountId": anna.account_id, "payerAccountId": stig.account_id, "days": 10, "idempotencyKey": "once"}
    shown = "account { id } payer { id } entry { days }"
    first = await api.do("extendSubscription", days, shown, by=stig)
    _ = await api.do("revokeGrant", {"grantId": joined["grant"]["id"]}, by=anna)

    again = await api.do("extendSubscription", days, shown, by=stig)

    own = {"id": stig.account_id}
    assert first == {"account": {"id": anna.account_id}, "payer": own, "entry": {"days": 10}, "errors": []}
    assert (again["account"], again["entry"]) == (None, None)


async def test_each_operation_of_a_document_has_the_rights_of_its_caller(api: Api) -> None:
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

    opened, closed, changed = [await run(operation) for operation in ("Open", "Closed", "Change")]

    assert opened == {"data": {"viewer": {"currentAccount": {"name": "Anna Nowak"}}}}
    assert closed["data"] == {"viewer": {"currentAccount": {"name": "Anna Nowak", "settings": None}}}
    assert [error["extensions"]["code"] for error in closed["errors"]] == ["FORBIDDEN"]
    assert changed["data"] == {"updateAccount": None}


async def test_two_who_ask_at_once_share_nothing(api: Api) -> None:
    anna = await api.person("anna@example.com")
    kari = await member(api, anna, "kari@example.com", "ACCOUNTANT")
    query = "{ viewer { user { email } accounts { nodes { settings { locks } grants { nodes { id } } } } } }"

    answers = await asyncio.gather(*(api.ask(query, by=person) for _ in range(10) for person in (anna, kari)))

    assert [answer.codes for answer in answers] == [[], ["FORBIDDEN", "FORBIDDEN"]] * 10
    assert [answer.partial["viewer"]["user"]["email"] for answer in answers] == [anna.email, kari.email] * 10
