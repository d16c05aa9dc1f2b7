"""Engagements: asked for by either side, answered by the other, ended by either."""

from typing import Any

import pytest

from database import db
from resolvers import ids
from tests.api import NOWHERE, Api, Person, codes
from tests.models.bureaus.bureau_setup import bureau, engaged, engagements, number_of
from tests.models.refusals import attempt, events, mails, refused, rejected

SHOWN = "engagement { id status bureau { name } client { name } createdAt endedAt }"
NOT_FOUND = [("NOT_FOUND", ["engagementId"])]
DONE = [("INVALID_STATE", ["engagementId"])]


async def pair(api: Api) -> tuple[Person, Person]:
    """A bureau's owner, and a client's."""
    biuro = await bureau(api)
    return biuro, await api.person("anna@example.com", "Anna Nowak", accountName="Nowak AS")


async def asked_by_bureau(api: Api, biuro: Person, client: Person) -> str:
    """The id of an engagement that waits for the client's answer."""
    given = {"bureauAccountId": biuro.account_id, "clientNumber": await number_of(client)}
    assert (await api.do("engageBureau", given, SHOWN, by=biuro)) == {"engagement": None, "errors": []}
    key: str = (await engagements(api, client))[0]["id"]
    return key


# ---- Asking and answering --------------------------------------------------------------------


async def test_a_bureau_asks_by_number_and_the_client_accepts(api: Api) -> None:
    biuro, anna = await pair(api)
    key = await asked_by_bureau(api, biuro, anna)
    assert await engagements(api, biuro) == []

    done = await api.do("acceptEngagement", {"engagementId": key}, SHOWN, by=anna)

    assert codes(done) == []
    assert done["engagement"] == {
        "id": key,
        "status": "ACTIVE",
        "bureau": {"name": "Biuro AS"},
        "client": {"name": "Nowak AS"},
        "createdAt": done["engagement"]["createdAt"],
        "endedAt": None,
    }
    assert await engagements(api, biuro) == await engagements(api, anna)
    assert [row.account_id for row in await events("account:engagement:accept")] == [
        ids.decode("Account", biuro.account_id),
        ids.decode("Account", anna.account_id),
    ]
    assert len(await mails(anna.email, "engagement-asked")) == 1
    assert len(await mails(anna.email, "engagement-accepted")) == 1
    assert len(await mails(biuro.email, "engagement-accepted")) == 1


async def test_a_client_asks_by_the_bureaus_number_and_the_bureau_accepts(api: Api) -> None:
    biuro, anna = await pair(api)
    given = {"clientAccountId": anna.account_id, "bureauNumber": await number_of(biuro)}
    assert (await api.do("engageBureau", given, SHOWN, by=anna)) == {"engagement": None, "errors": []}
    assert await engagements(api, anna) == []
    (row,) = await engagements(api, biuro)

    done = await api.do("acceptEngagement", {"engagementId": row["id"]}, SHOWN, by=biuro)

    assert done["engagement"]["status"] == "ACTIVE"


async def test_a_bureau_asks_by_organization_number_of_its_own_country_or_another(api: Api) -> None:
    biuro = await bureau(api, organizationNumber="923609016", country="NO")
    anna = await api.person("anna@example.com", organizationNumber="5260250995", country="PL")
    ole = await api.person("ole@example.com", organizationNumber="974760673", country="NO")
    given = {"bureauAccountId": biuro.account_id, "clientOrganizationNumber": "526-025-09-95", "clientCountry": "pl"}

    polish = await api.do("engageBureau", given, by=biuro)
    own = {"bureauAccountId": biuro.account_id, "clientOrganizationNumber": "974 760 673"}
    norwegian = await api.do("engageBureau", own, by=biuro)

    assert codes(polish) == codes(norwegian) == []
    assert [row["status"] for row in await engagements(api, anna)] == ["PENDING"]
    assert [row["status"] for row in await engagements(api, ole)] == ["PENDING"]


async def test_an_organization_number_needs_a_country_and_its_form(api: Api) -> None:
    biuro, _ = await pair(api)
    own = {"bureauAccountId": biuro.account_id}

    bare = await refused(api, "engageBureau", {**own, "clientOrganizationNumber": "974760673"}, by=biuro)
    wrong = {**own, "clientOrganizationNumber": "974760674", "clientCountry": "NO"}

    assert bare == [("REQUIRED", ["clientCountry"])]
    assert await refused(api, "engageBureau", wrong, by=biuro) == [("INVALID", ["clientOrganizationNumber"])]


@pytest.mark.parametrize("named", ["clientNumber", "clientOrganizationNumber", "clientAccountId"])
async def test_asking_for_nobody_answers_and_records_as_asking_for_somebody(api: Api, named: str) -> None:
    biuro = await bureau(api)
    anna = await api.person("anna@example.com", organizationNumber="5260250995", country="PL")
    real = {
        "clientNumber": await number_of(anna),
        "clientOrganizationNumber": "5260250995",
        "clientAccountId": anna.account_id,
    }[named]
    none = {"clientNumber": 10_000_000, "clientOrganizationNumber": "7740001454", "clientAccountId": NOWHERE}[named]
    country = {"clientCountry": "PL"} if named == "clientOrganizationNumber" else {}
    own = {"bureauAccountId": biuro.account_id, **country}

    seen = "{ viewer { events(first: 100) { totalCount nodes { type account { id } } } } }"
    _ = await api.ask(seen, by=biuro)
    told: list[Any] = [(await api.ask(seen, by=biuro)).data["viewer"]["events"]["totalCount"]]

    there = await attempt(api, "engageBureau", {**own, named: real}, by=biuro)
    told.append((await api.ask(seen, by=biuro)).data["viewer"]["events"]["totalCount"])
    again = await attempt(api, "engageBureau", {**own, named: real}, by=biuro)
    nobody = await attempt(api, "engageBureau", {**own, named: none}, by=biuro)

    mine_seen = (await api.ask(seen, by=biuro)).data["viewer"]["events"]
    assert [*told, mine_seen["totalCount"]] == [told[0], told[0] + 1, told[0] + 3]
    assert {node["account"]["id"] for node in mine_seen["nodes"] if node["account"]} == {biuro.account_id}
    assert there.body == again.body == nobody.body == {"data": {"engageBureau": {"errors": []}}}
    assert await engagements(api, biuro) == []
    mine = [row for row in await events("account:engagement:ask") if row.account_id == key_of(biuro)]
    assert len(mine) == 3
    assert len({row.after for row in mine}) == (1 if named == "clientAccountId" else 2)
    assert len(await mails(biuro.email, "engagement-asked")) == 0
    assert len(await mails(anna.email, "engagement-asked")) == 1


async def test_an_account_that_is_no_bureau_is_asked_in_vain(api: Api) -> None:
    _, anna = await pair(api)
    ole = await api.person("ole@example.com")
    given = {"clientAccountId": anna.account_id, "bureauNumber": await number_of(ole)}

    done = await api.do("engageBureau", given, SHOWN, by=anna)

    assert done == {"engagement": None, "errors": []}
    assert await engagements(api, ole) == []
    not_own = {"bureauAccountId": anna.account_id, "clientNumber": await number_of(ole)}
    assert await refused(api, "engageBureau", not_own, by=anna) == [("INVALID", None)]


async def test_who_can_enter_both_sides_is_shown_what_he_asked_for(api: Api) -> None:
    biuro, _ = await pair(api)
    made = await api.do("createAccount", {"name": "Own AS"}, "account { id number }", by=biuro)
    own = made["account"]["id"]
    given = {"clientAccountId": own, "bureauAccountId": biuro.account_id}

    done = await api.do("engageBureau", given, SHOWN, by=biuro)

    assert done["engagement"]["status"] == "PENDING"
    assert [row["id"] for row in await engagements(api, biuro)] == [done["engagement"]["id"]]
    assert await refused(api, "engageBureau", given, by=biuro) == [("ALREADY_EXISTS", None)]
    accepted = await api.do("acceptEngagement", {"engagementId": done["engagement"]["id"]}, SHOWN, by=biuro)
    assert accepted["engagement"]["status"] == "ACTIVE"


async def test_asking_whoever_has_asked_is_accepting(api: Api) -> None:
    biuro, anna = await pair(api)
    key = await asked_by_bureau(api, biuro, anna)
    given = {"clientAccountId": anna.account_id, "bureauNumber": await number_of(biuro)}

    done = await api.do("engageBureau", given, SHOWN, by=anna)

    assert done == {"engagement": None, "errors": []}
    assert [(row["id"], row["status"]) for row in await engagements(api, biuro)] == [(key, "ACTIVE")]


async def test_an_account_is_not_its_own_bureau(api: Api) -> None:
    biuro = await bureau(api, organizationNumber="923609016", country="NO")
    own = {"bureauAccountId": biuro.account_id}
    same = [("SAME_ACCOUNT", None)]

    for named in (
        {"clientNumber": await number_of(biuro)},
        {"clientOrganizationNumber": "923609016"},
        {"clientAccountId": biuro.account_id},
    ):
        assert await refused(api, "engageBureau", {**own, **named}, by=biuro) == same


async def test_an_asker_names_his_own_account_and_one_other(api: Api) -> None:
    biuro, anna = await pair(api)
    number = await number_of(anna)
    wrong: list[dict[str, Any]] = [
        {},
        {"bureauAccountId": biuro.account_id},
        {"clientNumber": number},
        {"clientAccountId": biuro.account_id, "clientNumber": number},
        {"bureauAccountId": biuro.account_id, "bureauNumber": number},
        {"bureauAccountId": biuro.account_id, "clientNumber": number, "clientOrganizationNumber": "1"},
    ]

    for given in wrong:
        assert await refused(api, "engageBureau", given, by=biuro) == [("REQUIRED", None)]


async def test_a_client_has_several_bureaus(api: Api) -> None:
    biuro, anna = await pair(api)
    other = await bureau(api, "other@example.com")
    await engaged(api, biuro, anna)
    await engaged(api, other, anna)

    assert [row["status"] for row in await engagements(api, anna)] == ["ACTIVE", "ACTIVE"]
    filtered = await engagements(api, anna, "filter: { status: [ENDED] }")
    assert filtered == []


# ---- By the wrong person ---------------------------------------------------------------------


async def test_who_asked_cannot_accept(api: Api) -> None:
    biuro, anna = await pair(api)
    key = await asked_by_bureau(api, biuro, anna)
    made = await api.do("createAccount", {"name": "Own AS"}, "account { id }", by=biuro)
    both = {"clientAccountId": made["account"]["id"], "bureauAccountId": biuro.account_id}
    own = (await api.do("engageBureau", both, SHOWN, by=biuro))["engagement"]["id"]
    guest, _ = await api.guest(biuro, "bo@example.com", "ADMINISTRATOR")
    await db.execute("UPDATE engagements SET asked_by_id = bureau_id WHERE id = $1", ids.decode("Engagement", own))

    for mutation in ("acceptEngagement", "declineEngagement"):
        assert await refused(api, mutation, {"engagementId": key}, by=biuro) == NOT_FOUND
        assert await refused(api, mutation, {"engagementId": own}, by=guest) == DONE
    assert await refused(api, "endEngagement", {"engagementId": key}, by=biuro) == NOT_FOUND


async def test_strangers_find_nothing_and_others_need_the_permission(api: Api) -> None:
    biuro, anna = await pair(api)
    key = await asked_by_bureau(api, biuro, anna)
    stranger = await api.person("stig@example.com")
    accountant, _ = await api.guest(anna, "bo@example.com", "ACCOUNTANT")

    for mutation in ("acceptEngagement", "declineEngagement", "endEngagement"):
        for wanted in (key, NOWHERE, "x"):
            assert await refused(api, mutation, {"engagementId": wanted}, by=stranger) == NOT_FOUND
        answer = await rejected(api, mutation, {"engagementId": key}, by=accountant)
        assert answer.codes == ["FORBIDDEN"]
    own = {"clientAccountId": anna.account_id, "bureauNumber": 10_000_000}
    assert await refused(api, "engageBureau", own, by=stranger) == [("NOT_FOUND", ["clientAccountId"])]
    assert (await rejected(api, "engageBureau", own, by=accountant)).codes == ["FORBIDDEN"]


async def test_an_engagement_is_seen_by_who_reads_the_users_of_a_side(api: Api) -> None:
    biuro, anna = await pair(api)
    key = await asked_by_bureau(api, biuro, anna)
    stranger = await api.person("stig@example.com")
    accountant, _ = await api.guest(anna, "bo@example.com", "ACCOUNTANT")
    query = "query ($id: ID!) { node(id: $id) { ... on Engagement { status } } }"

    async def seen(by: Person) -> Any:
        return (await api.ask(query, {"id": key}, by=by)).data["node"]

    assert [await seen(by) for by in (anna, biuro, stranger, accountant)] == [{"status": "PENDING"}, None, None, None]
    await api.do("acceptEngagement", {"engagementId": key}, by=anna)
    assert [await seen(by) for by in (anna, biuro)] == [{"status": "ACTIVE"}, {"status": "ACTIVE"}]


# ---- Declining and ending --------------------------------------------------------------------


async def test_declining_tells_who_asked_and_leaves_room_to_ask_again(api: Api) -> None:
    biuro, anna = await pair(api)
    key = await asked_by_bureau(api, biuro, anna)

    done = await api.do("declineEngagement", {"engagementId": key}, SHOWN, by=anna)

    assert done["engagement"]["status"] == "DECLINED"
    assert done["engagement"]["endedAt"] is not None
    assert len(await mails(biuro.email, "engagement-declined")) == 1
    assert await refused(api, "declineEngagement", {"engagementId": key}, by=anna) == DONE
    assert await refused(api, "acceptEngagement", {"engagementId": key}, by=anna) == DONE
    assert await refused(api, "endEngagement", {"engagementId": key}, by=anna) == DONE
    again = await asked_by_bureau(api, biuro, anna)
    assert again != key


@pytest.mark.parametrize("by_client", [True, False])
async def test_either_side_ends_it_and_both_are_told(api: Api, by_client: bool) -> None:  # noqa: FBT001 - a parameter
    biuro, anna = await pair(api)
    key = await engaged(api, biuro, anna)

    done = await api.do("endEngagement", {"engagementId": key}, SHOWN, by=anna if by_client else biuro)

    assert done["engagement"]["status"] == "ENDED"
    assert [len(await mails(side.email, "engagement-ended")) for side in (biuro, anna)] == [1, 1]
    assert len(await events("account:engagement:end")) == 2
    assert await refused(api, "endEngagement", {"engagementId": key}, by=anna) == DONE


async def test_a_read_only_client_still_answers_and_ends(api: Api) -> None:
    biuro, anna = await pair(api)
    key = await asked_by_bureau(api, biuro, anna)
    await db.execute("UPDATE accounts SET subscription_until = $1", api.clock())

    accepted = await api.do("acceptEngagement", {"engagementId": key}, by=anna)
    ended = await api.do("endEngagement", {"engagementId": key}, by=anna)

    assert codes(accepted) == codes(ended) == []


def key_of(person: Person) -> Any:
    return ids.decode("Account", person.account_id)
