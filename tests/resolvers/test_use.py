"""The use of a grant is recorded however the account was addressed: by id, number, list or mutation."""

from typing import Any

import pytest

from models.access.grant import Grant
from resolvers import ids
from tests.api import PASSWORD, Api, Person, codes
from tests.models.refusals import events


async def create_guest(api: Api) -> tuple[Person, Person, str]:
    """An owner, and a guest whose session is in an account of their own. Returns them, and the id of the grant."""
    anna = await api.person("anna@example.com", accountName="Nowak AS")
    bo = await api.person("bo@example.com", accountName="Own AS")
    invite = {"accountId": anna.account_id, "email": bo.email, "role": "ADMINISTRATOR"}
    assert codes(await api.do("inviteUser", invite, by=anna)) == []
    token = await api.link(bo.email, "invitation")
    payload = await api.do("acceptInvitation", {"token": token}, "grant { id }", by=bo)
    return anna, bo, payload["grant"]["id"]


async def uses(grant_id: str) -> tuple[Any, int]:
    """The last use of a grant, and the number of enter events in its account by its holder."""
    grant = await Grant.get(id=ids.decode("Grant", grant_id))
    entries = [event for event in await events("account:account:enter") if event.account_id == grant.account_id]
    return grant.last_used_at, len([event for event in entries if event.actor_id == grant.user_id])


READS = {
    "account by id": 'account(id: "%(account)s") { name }',
    "account by number": "account(number: %(number)s) { name }",
    "node": 'node(id: "%(account)s") { id }',
    "nodes": 'nodes(ids: ["%(account)s"]) { id }',
    "settings by id": 'account(id: "%(account)s") { settings { defaultCurrency } }',
    "users by id": 'account(id: "%(account)s") { grants { nodes { id } } }',
    "grant by id": 'node(id: "%(owner_grant)s") { id }',
    "settings in a list": "accounts { nodes { settings { defaultCurrency } } }",
    "users in a list": "viewer { accounts { nodes { grants { nodes { id } } } } }",
    "events in a list": "accounts { nodes { events { nodes { id } } } }",
}


@pytest.mark.parametrize("read", READS)
async def test_reading_is_a_use(api: Api, read: str) -> None:
    anna, bo, grant_id = await create_guest(api)
    query = "{ viewer { currentAccount { number viewerGrant { id } } } }"
    account = (await api.ask(query, by=anna)).data["viewer"]["currentAccount"]
    names = {"account": anna.account_id, "number": account["number"], "owner_grant": account["viewerGrant"]["id"]}
    before = await uses(grant_id)
    api.clock.forward(minutes=5)
    now = api.clock.now

    for _ in range(2):
        assert (await api.ask(f"{{ {READS[read] % names} }}", by=bo)).codes == []

    assert before == (None, 0)
    assert await uses(grant_id) == (now, 1)
    api.clock.forward(hours=1)
    await api.ask(f"{{ {READS[read] % names} }}", by=bo)
    assert await uses(grant_id) == (api.clock.now, 2)


async def test_menu_of_accounts_is_no_use(api: Api) -> None:
    _, bo, grant_id = await create_guest(api)
    menu = "{ viewer { accounts { nodes { name number subscription { daysLeft } viewerGrant { role } } } } }"

    assert len((await api.ask(menu, by=bo)).data["viewer"]["accounts"]["nodes"]) == 2

    assert await uses(grant_id) == (None, 0)


async def test_refused_field_is_no_use(api: Api) -> None:
    anna, bo, grant_id = await create_guest(api)
    await api.do("updateGrant", {"grantId": grant_id, "role": "SIMPLE_USER"}, by=anna)

    answer = await api.ask("{ accounts { nodes { settings { defaultCurrency } } } }", by=bo)

    assert answer.codes == ["FORBIDDEN"]
    assert await uses(grant_id) == (None, 0)


@pytest.mark.parametrize(
    ("mutation", "values"),
    [
        ("updateAccountSettings", {"invoicePrefix": "K"}),
        ("inviteUser", {"email": "cy@example.com", "role": "ACCOUNTANT"}),
    ],
)
async def test_changing_is_a_use(api: Api, mutation: str, values: dict[str, str]) -> None:
    anna, bo, grant_id = await create_guest(api)

    assert codes(await api.do(mutation, {"accountId": anna.account_id, **values}, by=bo)) == []

    assert await uses(grant_id) == (api.clock.now, 1)


async def test_changing_a_grant_by_its_id_is_a_use(api: Api) -> None:
    anna, bo, grant_id = await create_guest(api)
    _, cy_grant = await api.guest(anna, "cy@example.com", "ACCOUNTANT")

    assert codes(await api.do("revokeGrant", {"grantId": cy_grant}, "grant { id }", by=bo)) == []

    assert await uses(grant_id) == (api.clock.now, 1)


async def test_refused_change_is_no_use(api: Api) -> None:
    anna, bo, grant_id = await create_guest(api)
    offer = {"accountId": anna.account_id, "email": "cy@example.com", "role": "ADMINISTRATOR"}

    assert codes(await api.do("inviteUser", offer, by=bo)) == [("ROLE_TOO_HIGH", ["role"])]

    assert await uses(grant_id) == (None, 0)


async def test_view_as_is_no_use_of_the_viewed_grant(api: Api) -> None:
    anna, _, grant_id = await create_guest(api)
    headers = {"X-View-As": grant_id}

    answer = await api.ask(
        f'{{ account(id: "{anna.account_id}") {{ settings {{ defaultCurrency }} }} }}',
        by=anna,
        account=anna.account_id,
        headers=headers,
    )

    assert answer.data["account"] == {"settings": {"defaultCurrency": "EUR"}}
    assert await uses(grant_id) == (None, 0)


async def test_former_access_is_not_used(api: Api) -> None:
    anna, bo, grant_id = await create_guest(api)
    await api.do("revokeGrant", {"grantId": grant_id}, by=anna)
    stranger = await api.person("cy@example.com", password=PASSWORD)

    for person in (bo, stranger):
        answer = await api.ask(
            f'{{ account(id: "{anna.account_id}") {{ name }} node(id: "{grant_id}") {{ id }} }}', by=person
        )
        assert answer.data["account"] is None

    assert await uses(grant_id) == (None, 0)
