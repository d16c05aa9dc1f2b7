"""Links between accounts, computed from the grants of their owners."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from database import db, keys
from resolvers import ids
from tests.api import Api, Clock, Person, codes
from tests.resolvers.statements import record_statements
from tests.schema.world import key

LINKS_QUERY = """query ($id: ID!, $relation: AccountRelation, $first: Int, $after: String) {
    account(id: $id) { links(relation: $relation, first: $first, after: $after) { totalCount
        pageInfo { hasNextPage endCursor }
        nodes { relation daysLeft isActivated account { id number name } } } } }"""
DETAILS_QUERY = """query ($id: ID!) { account(id: $id) { links { nodes { relation daysLeft isActivated
    account { id number name ownerEmail } outgoingGrant { id role account { name } }
    incomingGrants { id role user { email } } } } } }"""
INVERSE = {"HAS_ACCESS": "GIVES_ACCESS", "GIVES_ACCESS": "HAS_ACCESS", "MUTUAL": "MUTUAL"}


async def links(api: Api, by: Person, account: str | None = None, **arguments: object) -> dict[str, str]:
    """The relations of an account, by the name of the linked account."""
    answer = await api.ask(LINKS_QUERY, {"id": account or by.account_id, **arguments}, by=by)
    connection = answer.data["account"]["links"]
    assert connection["totalCount"] == len(connection["nodes"])
    return {node["account"]["name"]: node["relation"] for node in connection["nodes"]}


async def join(api: Api, owner: Person, guest: Person, role: str = "ACCOUNTANT", **arguments: object) -> str:
    """Make a user with a login a guest. Returns the id of the grant."""
    arguments = {"accountId": owner.account_id, "email": guest.email, "role": role, **arguments}
    assert codes(await api.do("inviteUser", arguments, by=owner)) == []
    token = await api.link(guest.email, "invitation")
    payload = await api.do("acceptInvitation", {"token": token}, "grant { id }", by=guest)
    assert codes(payload) == []
    return str(payload["grant"]["id"])


async def create_two_people(api: Api) -> tuple[Person, Person]:
    anna = await api.person("anna@example.com", "Anna Nowak", accountName="Nowak AS")
    return anna, await api.person("bo@example.com", "Bo Berg", accountName="Berg AS")


async def test_both_accounts_show_the_link_after_each_change(api: Api) -> None:
    anna, bo = await create_two_people(api)

    async def assert_relations(anna_relation: str | None, bo_relation: str | None) -> None:
        assert await links(api, anna) == ({"Berg AS": anna_relation} if anna_relation else {})
        assert await links(api, bo) == ({"Nowak AS": bo_relation} if bo_relation else {})

    await assert_relations(None, None)
    first = await join(api, anna, bo)
    await assert_relations("GIVES_ACCESS", "HAS_ACCESS")
    second = await join(api, bo, anna, "SIMPLE_USER")
    await assert_relations("MUTUAL", "MUTUAL")
    await api.do("revokeGrant", {"grantId": first}, by=anna)
    await assert_relations("HAS_ACCESS", "GIVES_ACCESS")
    await api.do("restoreGrant", {"grantId": first}, by=anna)
    await assert_relations("MUTUAL", "MUTUAL")
    await api.do("resignGrant", {"grantId": second}, by=anna)
    await assert_relations("GIVES_ACCESS", "HAS_ACCESS")
    await api.do("resignGrant", {"grantId": first}, by=bo)
    await assert_relations(None, None)


async def test_link_ends_at_the_exact_end_of_its_grant(api: Api, clock: Clock) -> None:
    anna, bo = await create_two_people(api)
    until = (clock() + timedelta(days=1)).isoformat()
    await join(api, anna, bo, grantValidUntil=until)

    clock.forward(days=1, seconds=-1)
    assert (await links(api, anna), await links(api, bo)) == ({"Berg AS": "GIVES_ACCESS"}, {"Nowak AS": "HAS_ACCESS"})
    clock.forward(seconds=1)
    assert (await links(api, anna), await links(api, bo)) == ({}, {})


async def test_grant_awaiting_permissions_creates_no_link(api: Api) -> None:
    anna, bo = await create_two_people(api)
    grant = await join(api, anna, bo, "CONSULTANT")
    assert await links(api, bo) == {}

    await api.do("updateGrant", {"grantId": grant, "permissions": ["DOCUMENTS_READ"]}, by=anna)

    assert await links(api, bo) == {"Nowak AS": "HAS_ACCESS"}


async def test_link_shows_account_days_and_grants(api: Api, clock: Clock) -> None:
    anna, bo = await create_two_people(api)
    clock.forward(days=3, hours=1)
    grant_id = await join(api, anna, bo, "COLLABORATOR")
    sql = "SELECT number FROM accounts WHERE id = $1"
    numbers = [
        (await db.fetch(sql, ids.decode("Account", person.account_id), row=db.Row))[0].number for person in (anna, bo)
    ]

    bo_links = (await api.ask(DETAILS_QUERY, {"id": bo.account_id}, by=bo)).data["account"]["links"]["nodes"]
    anna_links = (await api.ask(DETAILS_QUERY, {"id": anna.account_id}, by=anna)).data["account"]["links"]["nodes"]

    assert bo_links == [
        {
            "relation": "HAS_ACCESS",
            "daysLeft": 26,
            "isActivated": True,
            "account": {"id": anna.account_id, "number": numbers[0], "name": "Nowak AS", "ownerEmail": anna.email},
            "outgoingGrant": {"id": grant_id, "role": "COLLABORATOR", "account": {"name": "Nowak AS"}},
            "incomingGrants": [],
        }
    ]
    assert anna_links == [
        {
            "relation": "GIVES_ACCESS",
            "daysLeft": None,
            "isActivated": True,
            "account": {"id": bo.account_id, "number": numbers[1], "name": "Berg AS", "ownerEmail": bo.email},
            "outgoingGrant": None,
            "incomingGrants": [{"id": grant_id, "role": "COLLABORATOR", "user": {"email": bo.email}}],
        }
    ]


async def test_owner_of_a_linked_account_is_readable_on_each_path(api: Api) -> None:
    """Bo may read the users of an account of their own, whose links show Anna. Cy has no account."""
    anna, bo = await create_two_people(api)
    grant = await join(api, anna, bo, "ACCOUNTANT")
    cy, _ = await api.guest(anna, "cy@example.com", "ACCOUNTANT")
    query = """query ($id: ID!, $user: ID!) { account(id: $id) { owner { name email } }
        node(id: $user) { ... on User { email } }
        viewer { accounts(first: 1, filter: { search: "Berg AS" }) { nodes { links(first: 5) { nodes {
            account { ownerEmail } } } } } } }"""
    variables = {"id": anna.account_id, "user": anna.user_id}

    answer = await api.ask(query, variables, by=bo)

    (account,) = answer.data["viewer"]["accounts"]["nodes"]
    assert account["links"]["nodes"] == [{"account": {"ownerEmail": anna.email}}]
    assert answer.data["account"]["owner"] == {"name": "Anna Nowak", "email": anna.email}
    assert answer.data["node"] == {"email": anna.email}
    cy_answer = await api.ask(query, variables, by=cy)
    assert cy_answer.partial["account"]["owner"] == {"name": "Anna Nowak", "email": None}
    assert cy_answer.partial["node"] == {"email": None}
    headers = {"X-View-As": "OWNER"}
    view = await api.ask(
        "{ viewer { currentAccount { links { nodes { account { ownerEmail } } } } } }",
        by=bo,
        account=bo.account_id,
        headers=headers,
    )
    assert view.data["viewer"]["currentAccount"]["links"]["nodes"] == [{"account": {"ownerEmail": anna.email}}]

    await api.do("resignGrant", {"grantId": grant}, by=bo)

    assert (await api.ask(query, variables, by=bo)).partial == {
        "account": None,
        "node": {"email": None},
        "viewer": {"accounts": {"nodes": [{"links": {"nodes": []}}]}},
    }


async def test_days_left_is_null_without_permission_to_read_them(api: Api) -> None:
    anna, bo = await create_two_people(api)
    grant = await join(api, anna, bo, "CONSULTANT", permissions=["DOCUMENTS_READ"])
    nodes = (await api.ask(LINKS_QUERY, {"id": bo.account_id}, by=bo)).data["account"]["links"]["nodes"]
    assert nodes[0]["daysLeft"] is None

    await api.do("updateGrant", {"grantId": grant, "permissions": ["SUBSCRIPTION_READ"]}, by=anna)

    nodes = (await api.ask(LINKS_QUERY, {"id": bo.account_id}, by=bo)).data["account"]["links"]["nodes"]
    assert nodes[0]["daysLeft"] == 30


async def test_administrator_cannot_see_the_owners_outgoing_grant(api: Api) -> None:
    """The link belongs to the account. The grant belongs to an account that the administrator cannot enter."""
    anna, bo = await create_two_people(api)
    await join(api, anna, bo, "ACCOUNTANT")
    admin, _ = await api.guest(bo, "admin@example.com", "ADMINISTRATOR")
    accountant, _ = await api.guest(bo, "accountant@example.com", "ACCOUNTANT")

    answer = await api.ask(DETAILS_QUERY, {"id": bo.account_id}, by=admin)

    (link,) = answer.data["account"]["links"]["nodes"]
    assert (link["relation"], link["account"]["ownerEmail"]) == ("HAS_ACCESS", anna.email)
    assert link["outgoingGrant"] is None
    accountant_answer = await api.ask(LINKS_QUERY, {"id": bo.account_id}, by=accountant)
    assert accountant_answer.codes == ["FORBIDDEN"]
    assert accountant_answer.partial["account"]["links"] is None


async def test_same_owner_and_grants_of_other_users_create_no_link(api: Api) -> None:
    anna, bo = await create_two_people(api)
    second = await api.do("createAccount", {"name": "Nowak Two"}, "account { id }", by=anna)
    await join(api, anna, bo)
    colleague, _ = await api.guest(bo, "colleague@example.com", "ADMINISTRATOR")
    await join(api, anna, colleague)

    assert await links(api, bo) == {"Nowak AS": "HAS_ACCESS"}
    assert await links(api, anna) == {"Berg AS": "GIVES_ACCESS"}
    assert await links(api, anna, second["account"]["id"]) == {}
    await api.do("createAccount", {"name": "Berg Two"}, by=bo)
    assert await links(api, anna) == {"Berg AS": "GIVES_ACCESS", "Berg Two": "GIVES_ACCESS"}


async def test_closed_account_has_no_link_and_pending_account_is_marked(api: Api) -> None:
    anna, bo = await create_two_people(api)
    await join(api, anna, bo)
    await db.execute("UPDATE accounts SET activated_at = NULL WHERE id = $1", ids.decode("Account", anna.account_id))
    nodes = (await api.ask(LINKS_QUERY, {"id": bo.account_id}, by=bo)).data["account"]["links"]["nodes"]
    assert [node["isActivated"] for node in nodes] == [False]

    await db.execute("UPDATE accounts SET closed_at = created_at WHERE id = $1", ids.decode("Account", anna.account_id))

    assert await links(api, bo) == {}


async def test_links_are_filtered_by_relation_and_paged_by_name(api: Api) -> None:
    anna, bo = await create_two_people(api)
    await join(api, anna, bo)
    await join(api, bo, anna)
    for name in ("Zeta", "alpha", "Mid"):
        await join(api, anna, await api.person(f"{name}@example.com", name, accountName=name), "SIMPLE_USER")

    assert list(await links(api, anna)) == ["alpha", "Berg AS", "Mid", "Zeta"]
    assert await links(api, anna, relation="MUTUAL") == {"Berg AS": "MUTUAL"}
    assert set(await links(api, anna, relation="GIVES_ACCESS")) == {"alpha", "Mid", "Zeta"}
    assert await links(api, anna, relation="HAS_ACCESS") == {}
    names: list[str] = []
    after = None
    while True:
        page = (await api.ask(LINKS_QUERY, {"id": anna.account_id, "first": 1, "after": after}, by=anna)).data[
            "account"
        ]["links"]
        assert page["totalCount"] == 4
        names += [node["account"]["name"] for node in page["nodes"]]
        after = page["pageInfo"]["endCursor"]
        if not page["pageInfo"]["hasNextPage"]:
            break
    assert names == ["alpha", "Berg AS", "Mid", "Zeta"]


async def test_links_of_more_accounts_take_no_more_statements(api: Api) -> None:
    anna = await api.person("anna@example.com", accountName="First")
    query = """{ accounts(first: 20, orderBy: NAME) { nodes { links(first: 20) { totalCount nodes { relation daysLeft
            account { ownerEmail }
        outgoingGrant { role } incomingGrants { role user { name } } } } } } }"""
    statement_counts: list[int] = []
    for batch in range(2):
        for number in range(3):
            payload = await api.do("createAccount", {"name": f"A{batch}{number}"}, "account { id }", by=anna)
            owner = Person(anna.email, anna.token, anna.user_id, payload["account"]["id"])
            await join(api, owner, await api.person(f"guest{batch}{number}@example.com"), "ACCOUNTANT")
        await api.ask("{ __typename }", by=anna)
        with record_statements() as statements:
            answer = await api.ask(query, by=anna)
        assert sum(len(node["links"]["nodes"]) for node in answer.data["accounts"]["nodes"]) == 3 * (batch + 1)
        statement_counts.append(len(statements))

    assert statement_counts[0] == statement_counts[1]


# ---- Random grants ---------------------------------------------------------------------------

PEOPLE = 4
GRANTS = st.lists(
    st.tuples(
        st.integers(0, PEOPLE - 1),
        st.integers(0, PEOPLE),  # one account more than people: the first person owns create_two_people
        st.sampled_from(["ACTIVE", "AWAITING_PERMISSIONS", "REVOKED", "RESIGNED", "EXPIRED"]),
        st.sampled_from([None, -1, 0, 1]),
    ),
    max_size=12,
)
_GRANT = """INSERT INTO grants (id, account_id, user_id, role, status, valid_until, created_at)
VALUES ($1, $2, $3, 'ACCOUNTANT', $4, $5, $6) ON CONFLICT DO NOTHING"""


@pytest.fixture
async def owners(api: Api) -> tuple[list[Person], list[Person]]:
    """Four people, and the owners of five accounts: the first person owns create_two_people of them."""
    people = [await api.person(f"p{index}@example.com", accountName=f"Account {index}") for index in range(PEOPLE)]
    payload = await api.do("createAccount", {"name": f"Account {PEOPLE}"}, "account { id }", by=people[0])
    second = Person(people[0].email, people[0].token, people[0].user_id, payload["account"]["id"])
    return people, [*people, second]


def expected(rows: list[Any], accounts: list[Person], clock: Clock) -> dict[tuple[str, str], str]:
    """The relation of each pair of accounts, computed in the plainest way."""
    active_grants = {
        (row.user_id, row.account_id)
        for row in rows
        if row.status == "ACTIVE" and (row.valid_until is None or row.valid_until > clock())
    }

    def enters(account: Person, linked_account: Person) -> bool:
        return (key(account.user_id), key(linked_account.account_id)) in active_grants

    relations: dict[tuple[str, str], str] = {}
    for account in accounts:
        for linked_account in accounts:
            has_access, gives_access = enters(account, linked_account), enters(linked_account, account)
            if account.user_id != linked_account.user_id and (has_access or gives_access):
                relation = "MUTUAL" if has_access and gives_access else "HAS_ACCESS" if has_access else "GIVES_ACCESS"
                relations[account.account_id, linked_account.account_id] = relation
    return relations


async def test_links_agree_with_a_plain_computation_from_grants(
    api: Api, clock: Clock, owners: tuple[list[Person], list[Person]]
) -> None:
    people, accounts = owners
    rounds = 0

    async def check(grants: list[tuple[int, int, str, int | None]]) -> None:
        nonlocal rounds
        rounds += 1
        await db.execute("DELETE FROM grants WHERE role <> 'OWNER'")
        for user, account, status, seconds in grants:
            if accounts[account].user_id != people[user].user_id:
                until = None if seconds is None else clock() + timedelta(seconds=seconds)
                grant_key = key(accounts[account].account_id), key(people[user].user_id)
                await db.execute(_GRANT, keys.uuid7(), *grant_key, status, until, clock())
        rows = await db.fetch("SELECT * FROM grants", row=db.Row)

        relations: dict[tuple[str, str], str] = {}
        for viewer in accounts:
            nodes = (await api.ask(LINKS_QUERY, {"id": viewer.account_id}, by=viewer)).data["account"]["links"]["nodes"]
            for link in nodes:
                relations[viewer.account_id, link["account"]["id"]] = link["relation"]
        assert relations == expected(rows, accounts, clock)
        assert {(b, a): INVERSE[relation] for (a, b), relation in relations.items()} == relations

    for grants in draw_examples():
        await check(grants)
    assert rounds >= ROUNDS


ROUNDS = 60


def draw_examples() -> list[list[tuple[int, int, str, int | None]]]:
    """Lists of grants drawn_grants by Hypothesis, whose own loop cannot wait for the database."""
    drawn_grants: list[list[tuple[int, int, str, int | None]]] = []

    @settings(
        max_examples=ROUNDS,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
    )
    @given(GRANTS)
    def draw(grants: list[tuple[int, int, str, int | None]]) -> None:
        drawn_grants.append(grants)

    draw()
    return drawn_grants
