"""Readers of events: their rights of the moment cut values, people and names. Filters tell nothing more."""

from typing import Any, Final

from database import db
from resolvers import ids
from tests.api import Api, Person
from tests.event_stream import follow
from tests.models.privacy.test_export import export
from tests.models.sharing.invitations import invite
from tests.models.sharing.views import ask_in_view

EVENT: Final = "id type occurredAt actor { id name } actorRole account { number name } ipAddress before after withheld"
IBAN: Final = "NO9386011117947"
SETTINGS: Final = "account:settings:update"


async def account_events(api: Api, by: Person, account_id: str, **filters: object) -> list[dict[str, Any]]:
    query = f"""query ($id: ID!, $filter: EventFilter) {{ account(id: $id) {{
        events(first: 100, filter: $filter) {{ totalCount nodes {{ {EVENT} }} }} }} }}"""
    variables = {"id": account_id, "filter": filters}
    events = (await api.ask(query, variables, by=by)).data["account"]["events"]
    assert events["totalCount"] == len(events["nodes"])
    nodes: list[dict[str, Any]] = events["nodes"]
    return nodes


async def own_events(api: Api, by: Person) -> list[dict[str, Any]]:
    viewer = (await api.ask(f"{{ viewer {{ events(first: 100) {{ nodes {{ {EVENT} }} }} }} }}", by=by)).data["viewer"]
    nodes: list[dict[str, Any]] = viewer["events"]["nodes"]
    return nodes


async def set_iban(api: Api, by: Person, account_id: str) -> None:
    values = {"accountId": account_id, "bankAccountNumber": IBAN}
    assert (await api.do("updateAccountSettings", values, by=by))["errors"] == []


async def add_consultant(api: Api, owner: Person, *permissions: str) -> tuple[Person, str]:
    return await api.guest(owner, "consultant@example.com", "CONSULTANT", permissions=[*permissions])


async def test_former_member_reads_that_they_acted_and_when(api: Api) -> None:
    owner = await api.person("owner@example.com", accountName="First AS")
    bo, grant = await api.guest(owner, "bo@example.com", "ADMINISTRATOR")
    await set_iban(api, bo, owner.account_id)
    assert await invite(api, bo, email="cy@example.com", accountId=owner.account_id)
    (before,) = [node for node in await own_events(api, bo) if node["type"] == SETTINGS]
    assert before["after"] == {"bank_account_number": IBAN}
    assert before["account"]["name"] == "First AS"

    assert (await api.do("revokeGrant", {"grantId": grant}, by=owner))["errors"] == []
    assert (await api.do("updateAccount", {"accountId": owner.account_id, "name": "Later AS"}, by=owner))[
        "errors"
    ] == []

    nodes = await own_events(api, bo)
    (event,) = [node for node in nodes if node["type"] == SETTINGS]
    assert event == before | {
        "before": {},
        "after": {},
        "withheld": ["bank_account_number"],
    }
    assert event["ipAddress"] == "127.0.0.1"  # their own
    for text in (IBAN, "Later AS", "cy@example.com", "owner@example.com"):
        assert text not in str(nodes)
        assert text not in str(await export(api, bo))
    grants = (await api.ask("{ viewer { grants { nodes { accountName status } } } }", by=bo)).data["viewer"]["grants"]
    assert {"accountName": "First AS", "status": "REVOKED"} in grants["nodes"]
    (by_id,) = (await api.ask(f'{{ node(id: "{event["id"]}") {{ ... on Event {{ {EVENT} }} }} }}', by=bo)).data.values()
    assert by_id == event


async def test_name_at_the_time_is_the_one_before_the_next_change(api: Api) -> None:
    owner = await api.person("owner@example.com", accountName="First AS")
    bo, grant = await api.guest(owner, "bo@example.com", "ADMINISTRATOR")
    for name in ("Second AS", "Third AS", "Fourth AS"):
        api.clock.forward(minutes=1)
        assert (await api.do("updateAccount", {"accountId": owner.account_id, "name": name}, by=owner))["errors"] == []
        api.clock.forward(minutes=1)
        if name == "Second AS":
            await set_iban(api, bo, owner.account_id)
        if name == "Third AS":
            assert (await api.do("resignGrant", {"grantId": grant}, by=bo))["errors"] == []

    names = {node["type"]: node["account"]["name"] for node in await own_events(api, bo) if node["account"]}
    grants = (await api.ask("{ viewer { grants { nodes { accountName } } } }", by=bo)).data["viewer"]["grants"]

    assert (names[SETTINGS], names["account:grant:resign"]) == ("Second AS", "Third AS")
    assert [node["accountName"] for node in grants["nodes"]] == ["Third AS"]
    assert {node["account"]["name"] for node in await own_events(api, owner) if node["account"]} == {"Fourth AS"}


async def test_right_that_ends_while_a_stream_is_open_cuts_the_next_event(api: Api) -> None:
    owner = await api.person("owner@example.com")
    reader, grant = await add_consultant(api, owner, "EVENTS_READ", "SETTINGS_READ")
    stream_query = f"subscription ($id: ID!) {{ accountEvents(accountId: $id) {{ {EVENT} }} }}"
    async with follow(api, stream_query, {"id": owner.account_id}, by=reader) as stream:
        await stream.wait_until_open()
        await set_iban(api, owner, owner.account_id)
        first = (await stream.answer()).data["accountEvents"]
        assert (first["type"], first["after"], first["withheld"]) == (
            SETTINGS,
            {"bank_account_number": IBAN},
            ["ipAddress"],
        )

        values = {"grantId": grant, "permissions": ["EVENTS_READ"]}
        assert (await api.do("updateGrant", values, by=owner))["errors"] == []
        settings = {"accountId": owner.account_id, "bankAccountNumber": None}
        assert (await api.do("updateAccountSettings", settings, by=owner))["errors"] == []

        update, second = [(await stream.answer()).data["accountEvents"] for _ in range(2)]

    assert (update["type"], update["before"], update["after"]) == ("account:grant:update", {}, {})
    assert (second["type"], second["before"], second["after"]) == (SETTINGS, {}, {})
    assert second["withheld"] == ["bank_account_number", "ipAddress"]
    assert second["actor"]["id"] == owner.user_id  # the names of members are open to members


async def test_viewer_reads_own_acts_by_the_present_rights(api: Api) -> None:
    owner = await api.person("owner@example.com")
    bo, grant = await api.guest(owner, "bo@example.com", "CONSULTANT", permissions=["SETTINGS_READ", "SETTINGS_WRITE"])
    await set_iban(api, bo, owner.account_id)

    (event,) = [node for node in await own_events(api, bo) if node["type"] == SETTINGS]
    assert event["after"] == {"bank_account_number": IBAN}
    values = {"grantId": grant, "permissions": ["DOCUMENTS_READ"]}
    assert (await api.do("updateGrant", values, by=owner))["errors"] == []

    (event,) = [node for node in await own_events(api, bo) if node["type"] == SETTINGS]
    assert (event["after"], event["withheld"]) == ({}, ["bank_account_number"])
    assert event["account"]["name"] == "Anna Nowak"


async def test_actor_without_a_role_is_hidden_and_no_filter_finds_them(api: Api) -> None:
    owner = await api.person("owner@example.com")
    reader, _ = await add_consultant(api, owner, "EVENTS_READ")
    guest = await api.person("guest@example.com", "Gro Gjest")
    invitation = await invite(api, owner, email=guest.email, accountId=owner.account_id)
    assert (await api.do("declineInvitation", {"invitationId": invitation}, by=guest))["errors"] == []
    decline = "account:invitation:decline"

    (event,) = await account_events(api, reader, owner.account_id, type=decline)
    assert (event["actor"], event["ipAddress"]) == (None, None)
    assert event["withheld"] == ["invitation", "role", "actor", "ipAddress"]
    assert await account_events(api, reader, owner.account_id, actorId=guest.user_id) == []
    assert await account_events(api, reader, owner.account_id, actorId=guest.user_id, type=decline) == []

    (event,) = await account_events(api, owner, owner.account_id, actorId=guest.user_id)
    assert (event["type"], event["actor"]["name"], event["withheld"]) == (decline, "Gro Gjest", [])
    assert {node["actor"]["id"] for node in await account_events(api, reader, owner.account_id, actorId=owner.user_id)}
    assert await account_events(api, reader, owner.account_id, actorId=reader.user_id)


async def test_view_as_cuts_by_the_rights_of_the_view(api: Api) -> None:
    owner = await api.person("owner@example.com")
    _, grant = await add_consultant(api, owner, "EVENTS_READ")
    await set_iban(api, owner, owner.account_id)
    query = f"{{ viewer {{ currentAccount {{ events(first: 50) {{ nodes {{ {EVENT} }} }} }} }} }}"

    response = await ask_in_view(api, query, owner, grant)

    nodes = response.data["viewer"]["currentAccount"]["events"]["nodes"]
    (event,) = [node for node in nodes if node["type"] == SETTINGS]
    assert (event["after"], event["withheld"]) == ({}, ["bank_account_number", "ipAddress"])
    assert "consultant@example.com" not in str(nodes)


async def test_owner_of_a_closed_account_keeps_its_name(api: Api) -> None:
    """The account is closed by hand: it is still the owner's."""
    owner = await api.person("owner@example.com", accountName="Own AS")
    await set_iban(api, owner, owner.account_id)
    await db.execute(
        "UPDATE accounts SET closed_at = $1 WHERE id = $2", api.clock(), ids.decode("Account", owner.account_id)
    )

    (event,) = [node for node in await own_events(api, owner) if node["type"] == SETTINGS]

    assert (event["account"]["name"], event["after"]) == ("Own AS", {})
