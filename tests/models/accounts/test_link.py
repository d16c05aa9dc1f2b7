"""Links: how accounts stand to one another, by the grants of their owners, at every moment."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from database import db, keys
from resolvers import ids
from tests.api import Api, Clock, Person, codes
from tests.resolvers.statements import counted
from tests.schema.world import key

ALL = """query ($id: ID!, $relation: AccountRelation, $first: Int, $after: String) {
    account(id: $id) { links(relation: $relation, first: $first, after: $after) { totalCount
        pageInfo { hasNextPage endCursor }
        nodes { relation daysLeft isActivated account { id number name } } } } }"""
DETAILS = """query ($id: ID!) { account(id: $id) { links { nodes { relation daysLeft isActivated
    account { id number name ownerEmail } outgoingGrant { id role account { name } }
    incomingGrants { id role user { email } } } } } }"""
INVERSE = {"HAS_ACCESS": "GIVES_ACCESS", "GIVES_ACCESS": "HAS_ACCESS", "MUTUAL": "MUTUAL"}


async def links(api: Api, by: Person, account: str | None = None, **more: object) -> dict[str, str]:
    """The relations of an account, by the name of the other one."""
    answer = await api.ask(ALL, {"id": account or by.account_id, **more}, by=by)
    found = answer.data["account"]["links"]
    assert found["totalCount"] == len(found["nodes"])
    return {one["account"]["name"]: one["relation"] for one in found["nodes"]}


async def joins(api: Api, owner: Person, guest: Person, role: str = "ACCOUNTANT", **more: object) -> str:
    """Somebody who has a login becomes a guest. Returns his grant's id."""
    given = {"accountId": owner.account_id, "email": guest.email, "role": role, **more}
    assert codes(await api.do("inviteUser", given, by=owner)) == []
    token = await api.link(guest.email, "invitation")
    done = await api.do("acceptInvitation", {"token": token}, "grant { id }", by=guest)
    assert codes(done) == []
    return str(done["grant"]["id"])


async def two(api: Api) -> tuple[Person, Person]:
    anna = await api.person("anna@example.com", "Anna Nowak", accountName="Nowak AS")
    return anna, await api.person("bo@example.com", "Bo Berg", accountName="Berg AS")


async def test_both_sides_see_it_after_every_step(api: Api) -> None:
    anna, bo = await two(api)

    async def stands(mine: str | None, theirs: str | None) -> None:
        assert await links(api, anna) == ({"Berg AS": mine} if mine else {})
        assert await links(api, bo) == ({"Nowak AS": theirs} if theirs else {})

    await stands(None, None)
    first = await joins(api, anna, bo)
    await stands("GIVES_ACCESS", "HAS_ACCESS")
    second = await joins(api, bo, anna, "SIMPLE_USER")
    await stands("MUTUAL", "MUTUAL")
    await api.do("revokeGrant", {"grantId": first}, by=anna)
    await stands("HAS_ACCESS", "GIVES_ACCESS")
    await api.do("restoreGrant", {"grantId": first}, by=anna)
    await stands("MUTUAL", "MUTUAL")
    await api.do("resignGrant", {"grantId": second}, by=anna)
    await stands("GIVES_ACCESS", "HAS_ACCESS")
    await api.do("resignGrant", {"grantId": first}, by=bo)
    await stands(None, None)


async def test_a_link_ends_with_its_grant_to_the_second(api: Api, clock: Clock) -> None:
    anna, bo = await two(api)
    until = (clock() + timedelta(days=1)).isoformat()
    await joins(api, anna, bo, grantValidUntil=until)

    clock.forward(days=1, seconds=-1)
    assert (await links(api, anna), await links(api, bo)) == ({"Berg AS": "GIVES_ACCESS"}, {"Nowak AS": "HAS_ACCESS"})
    clock.forward(seconds=1)
    assert (await links(api, anna), await links(api, bo)) == ({}, {})


async def test_who_waits_for_permissions_makes_no_link(api: Api) -> None:
    anna, bo = await two(api)
    grant = await joins(api, anna, bo, "CONSULTANT")
    assert await links(api, bo) == {}

    await api.do("updateGrant", {"grantId": grant, "permissions": ["DOCUMENTS_READ"]}, by=anna)

    assert await links(api, bo) == {"Nowak AS": "HAS_ACCESS"}


async def test_a_link_shows_number_name_address_days_and_grants(api: Api, clock: Clock) -> None:
    anna, bo = await two(api)
    clock.forward(days=3, hours=1)
    mine = await joins(api, anna, bo, "COLLABORATOR")
    sql = "SELECT number FROM accounts WHERE id = $1"
    numbers = [(await db.fetch(sql, ids.decode("Account", one.account_id), row=db.Row))[0].number for one in (anna, bo)]

    outgoing = (await api.ask(DETAILS, {"id": bo.account_id}, by=bo)).data["account"]["links"]["nodes"]
    incoming = (await api.ask(DETAILS, {"id": anna.account_id}, by=anna)).data["account"]["links"]["nodes"]

    assert outgoing == [
        {
            "relation": "HAS_ACCESS",
            "daysLeft": 26,
            "isActivated": True,
            "account": {"id": anna.account_id, "number": numbers[0], "name": "Nowak AS", "ownerEmail": anna.email},
            "outgoingGrant": {"id": mine, "role": "COLLABORATOR", "account": {"name": "Nowak AS"}},
            "incomingGrants": [],
        }
    ]
    assert incoming == [
        {
            "relation": "GIVES_ACCESS",
            "daysLeft": None,
            "isActivated": True,
            "account": {"id": bo.account_id, "number": numbers[1], "name": "Berg AS", "ownerEmail": bo.email},
            "outgoingGrant": None,
            "incomingGrants": [{"id": mine, "role": "COLLABORATOR", "user": {"email": bo.email}}],
        }
    ]


async def test_an_accountant_sees_whose_client_it_is_and_nothing_else_of_the_owner(api: Api) -> None:
    anna, bo = await two(api)
    await joins(api, anna, bo, "ACCOUNTANT")
    query = """query ($id: ID!) { account(id: $id) { owner { name email } } viewer { currentAccount { links { nodes {
        account { ownerEmail } } } } } }"""

    answer = await api.ask(query, {"id": anna.account_id}, by=bo)

    assert answer.partial["viewer"]["currentAccount"]["links"]["nodes"] == [{"account": {"ownerEmail": anna.email}}]
    assert answer.partial["account"]["owner"] == {"name": "Anna Nowak", "email": None}
    assert [error["path"] for error in answer.errors] == [["account", "owner", "email"]]


async def test_days_are_not_shown_to_a_side_that_could_not_read_them(api: Api) -> None:
    anna, bo = await two(api)
    grant = await joins(api, anna, bo, "CONSULTANT", permissions=["DOCUMENTS_READ"])
    shown = (await api.ask(ALL, {"id": bo.account_id}, by=bo)).data["account"]["links"]["nodes"]
    assert shown[0]["daysLeft"] is None

    await api.do("updateGrant", {"grantId": grant, "permissions": ["SUBSCRIPTION_READ"]}, by=anna)

    shown = (await api.ask(ALL, {"id": bo.account_id}, by=bo)).data["account"]["links"]["nodes"]
    assert shown[0]["daysLeft"] == 30


async def test_an_administrator_does_not_see_his_owners_grant_on_the_other_side(api: Api) -> None:
    """The link is the account's; the grant belongs to an account that he cannot enter."""
    anna, bo = await two(api)
    await joins(api, anna, bo, "ACCOUNTANT")
    admin, _ = await api.guest(bo, "admin@example.com", "ADMINISTRATOR")
    accountant, _ = await api.guest(bo, "accountant@example.com", "ACCOUNTANT")

    answer = await api.ask(DETAILS, {"id": bo.account_id}, by=admin)

    (link,) = answer.data["account"]["links"]["nodes"]
    assert (link["relation"], link["account"]["ownerEmail"]) == ("HAS_ACCESS", anna.email)
    assert link["outgoingGrant"] is None
    hidden = await api.ask(ALL, {"id": bo.account_id}, by=accountant)
    assert hidden.codes == ["FORBIDDEN"]
    assert hidden.partial["account"]["links"] is None


async def test_accounts_of_one_owner_are_not_shared_and_colleagues_make_no_link(api: Api) -> None:
    anna, bo = await two(api)
    second = await api.do("createAccount", {"name": "Nowak Two"}, "account { id }", by=anna)
    await joins(api, anna, bo)
    colleague, _ = await api.guest(bo, "colleague@example.com", "ADMINISTRATOR")
    await joins(api, anna, colleague)

    assert await links(api, bo) == {"Nowak AS": "HAS_ACCESS"}
    assert await links(api, anna) == {"Berg AS": "GIVES_ACCESS"}
    assert await links(api, anna, second["account"]["id"]) == {}
    await api.do("createAccount", {"name": "Berg Two"}, by=bo)
    assert await links(api, anna) == {"Berg AS": "GIVES_ACCESS", "Berg Two": "GIVES_ACCESS"}


async def test_closed_accounts_are_linked_with_none_and_pending_ones_say_so(api: Api) -> None:
    anna, bo = await two(api)
    await joins(api, anna, bo)
    await db.execute("UPDATE accounts SET activated_at = NULL WHERE id = $1", ids.decode("Account", anna.account_id))
    shown = (await api.ask(ALL, {"id": bo.account_id}, by=bo)).data["account"]["links"]["nodes"]
    assert [one["isActivated"] for one in shown] == [False]

    await db.execute("UPDATE accounts SET closed_at = created_at WHERE id = $1", ids.decode("Account", anna.account_id))

    assert await links(api, bo) == {}


async def test_relations_are_filtered_and_paged_by_name(api: Api) -> None:
    anna, bo = await two(api)
    await joins(api, anna, bo)
    await joins(api, bo, anna)
    for name in ("Zeta", "alpha", "Mid"):
        await joins(api, anna, await api.person(f"{name}@example.com", name, accountName=name), "SIMPLE_USER")

    assert list(await links(api, anna)) == ["alpha", "Berg AS", "Mid", "Zeta"]
    assert await links(api, anna, relation="MUTUAL") == {"Berg AS": "MUTUAL"}
    assert set(await links(api, anna, relation="GIVES_ACCESS")) == {"alpha", "Mid", "Zeta"}
    assert await links(api, anna, relation="HAS_ACCESS") == {}
    seen: list[str] = []
    after = None
    while True:
        page = (await api.ask(ALL, {"id": anna.account_id, "first": 1, "after": after}, by=anna)).data["account"][
            "links"
        ]
        assert page["totalCount"] == 4
        seen += [one["account"]["name"] for one in page["nodes"]]
        after = page["pageInfo"]["endCursor"]
        if not page["pageInfo"]["hasNextPage"]:
            break
    assert seen == ["alpha", "Berg AS", "Mid", "Zeta"]


async def test_links_of_many_accounts_take_the_statements_of_one(api: Api) -> None:
    anna = await api.person("anna@example.com", accountName="First")
    query = """{ accounts(orderBy: NAME) { nodes { links(first: 20) { totalCount nodes { relation daysLeft
            account { ownerEmail }
        outgoingGrant { role } incomingGrants { role user { name } } } } } } }"""
    sent: list[int] = []
    for place in range(2):
        for number in range(3):
            done = await api.do("createAccount", {"name": f"A{place}{number}"}, "account { id }", by=anna)
            of = Person(anna.email, anna.token, anna.user_id, done["account"]["id"])
            await joins(api, of, await api.person(f"guest{place}{number}@example.com"), "ACCOUNTANT")
        await api.ask("{ __typename }", by=anna)
        with counted() as statements:
            answer = await api.ask(query, by=anna)
        assert sum(len(one["links"]["nodes"]) for one in answer.data["accounts"]["nodes"]) == 3 * (place + 1)
        sent.append(len(statements))

    assert sent[0] == sent[1]


# ---- Any grants at all -----------------------------------------------------------------------

PEOPLE = 4
GRANTS = st.lists(
    st.tuples(
        st.integers(0, PEOPLE - 1),
        st.integers(0, PEOPLE),  # an account more than people: the first owns two
        st.sampled_from(["ACTIVE", "AWAITING_PERMISSIONS", "REVOKED", "RESIGNED", "EXPIRED"]),
        st.sampled_from([None, -1, 0, 1]),
    ),
    max_size=12,
)
_GRANT = """INSERT INTO grants (id, account_id, user_id, role, status, valid_until, created_at)
VALUES ($1, $2, $3, 'ACCOUNTANT', $4, $5, $6) ON CONFLICT DO NOTHING"""


@pytest.fixture
async def owners(api: Api) -> tuple[list[Person], list[Person]]:
    """Four people, and five accounts, two of them the first one's: each with who may look at it."""
    people = [await api.person(f"p{place}@example.com", accountName=f"Account {place}") for place in range(PEOPLE)]
    done = await api.do("createAccount", {"name": f"Account {PEOPLE}"}, "account { id }", by=people[0])
    second = Person(people[0].email, people[0].token, people[0].user_id, done["account"]["id"])
    return people, [*people, second]


def expected(found: list[Any], accounts: list[Person], clock: Clock) -> dict[tuple[str, str], str]:
    """What the rows of grants make of each two accounts, told in the plainest way."""
    works = {
        (row.user_id, row.account_id)
        for row in found
        if row.status == "ACTIVE" and (row.valid_until is None or row.valid_until > clock())
    }

    def enters(one: Person, other: Person) -> bool:
        return (key(one.user_id), key(other.account_id)) in works

    relations: dict[tuple[str, str], str] = {}
    for one in accounts:
        for other in accounts:
            into, out = enters(one, other), enters(other, one)
            if one.user_id != other.user_id and (into or out):
                relation = "MUTUAL" if into and out else "HAS_ACCESS" if into else "GIVES_ACCESS"
                relations[one.account_id, other.account_id] = relation
    return relations


async def test_links_are_what_the_grants_make_of_each_two_accounts(
    api: Api, clock: Clock, owners: tuple[list[Person], list[Person]]
) -> None:
    people, accounts = owners
    rounds = 0

    async def check(wanted: list[tuple[int, int, str, int | None]]) -> None:
        nonlocal rounds
        rounds += 1
        await db.execute("DELETE FROM grants WHERE role <> 'OWNER'")
        for user, account, status, seconds in wanted:
            if accounts[account].user_id != people[user].user_id:
                until = None if seconds is None else clock() + timedelta(seconds=seconds)
                place = key(accounts[account].account_id), key(people[user].user_id)
                await db.execute(_GRANT, keys.uuid7(), *place, status, until, clock())
        rows = await db.fetch("SELECT * FROM grants", row=db.Row)

        seen: dict[tuple[str, str], str] = {}
        for one in accounts:
            found = (await api.ask(ALL, {"id": one.account_id}, by=one)).data["account"]["links"]["nodes"]
            for link in found:
                seen[one.account_id, link["account"]["id"]] = link["relation"]
        assert seen == expected(rows, accounts, clock)
        assert {(b, a): INVERSE[relation] for (a, b), relation in seen.items()} == seen

    for wanted in examples():
        await check(wanted)
    assert rounds >= ROUNDS


ROUNDS = 60


def examples() -> list[list[tuple[int, int, str, int | None]]]:
    """Lists of grants as hypothesis draws them: its own loop cannot wait for a database."""
    drawn: list[list[tuple[int, int, str, int | None]]] = []

    @settings(
        max_examples=ROUNDS,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
    )
    @given(GRANTS)
    def draw(wanted: list[tuple[int, int, str, int | None]]) -> None:
        drawn.append(wanted)

    draw()
    return drawn
