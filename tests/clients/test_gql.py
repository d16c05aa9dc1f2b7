"""The client that programs in Python use."""

import asyncio
from itertools import count

import pytest
from gql import GraphQLRequest, gql
from gql.transport.exceptions import TransportConnectionFailed, TransportQueryError

from tests.clients.conftest import Site
from tests.clients.snippets.gql_client import connect, listen

VIEWER = gql("{ viewer { user { name } } }")
SETTINGS = gql("query ($id: ID!) { account(id: $id) { name settings { invoicePrefix } } }")
EVENTS = gql("subscription ($accountId: ID!) { accountEvents(accountId: $accountId) { type } }")
NUMBERS = count()
UPDATE = gql("""mutation ($input: UpdateAccountSettingsInput!) {
    updateAccountSettings(input: $input) { account { settings { invoicePrefix } } errors { code field } }
}""")


def update(site: Site, **given: str) -> GraphQLRequest:
    return GraphQLRequest(UPDATE, variable_values={"input": {"accountId": site.firm, **given}})


async def test_a_query(site: Site) -> None:
    async with connect(f"{site.url}/graphql", site.anna) as session:
        answer = await session.execute(VIEWER)

    assert answer == {"viewer": {"user": {"name": "Anna Nowak"}}}


async def test_a_mutation_and_one_that_is_refused(site: Site) -> None:
    async with connect(f"{site.url}/graphql", site.anna) as session:
        done = await session.execute(update(site, invoicePrefix="PY/"))
        refused = await session.execute(update(site, defaultCurrency="GOLD"))

    assert done == {"updateAccountSettings": {"account": {"settings": {"invoicePrefix": "PY/"}}, "errors": []}}
    error = {"code": "INVALID", "field": ["defaultCurrency"]}
    assert refused == {"updateAccountSettings": {"account": None, "errors": [error]}}


async def test_a_forbidden_field_is_an_error_beside_the_rest(site: Site) -> None:
    async with connect(f"{site.url}/graphql", site.marek) as session:
        with pytest.raises(TransportQueryError) as caught:
            await session.execute(GraphQLRequest(SETTINGS, variable_values={"id": site.firm}))

    assert caught.value.data == {"account": {"name": "Nowak Meble", "settings": None}}
    (error,) = caught.value.errors or []
    assert (error["path"], error["extensions"]["code"]) == (["account", "settings"], "FORBIDDEN")


async def test_the_schema_can_be_fetched_and_checked_against(site: Site) -> None:
    client = connect(f"{site.url}/graphql", site.anna)
    client.fetch_schema_from_transport = True

    async with client:
        assert client.schema is not None
        assert client.schema.query_type is not None
        assert "viewer" in client.schema.query_type.fields


async def test_a_subscription_and_a_new_one_after_a_cut_connection(site: Site) -> None:
    url = f"{site.url}/graphql"

    for _ in range(2):
        async with connect(url, site.anna) as owner, listen(url, site.anna) as listening:
            events = listening.subscribe(GraphQLRequest(EVENTS, variable_values={"accountId": site.firm}))
            told = asyncio.create_task(anext(events))
            while not told.done():
                _ = await owner.execute(update(site, invoicePrefix=f"PY{next(NUMBERS)}/"))
                _ = await asyncio.wait([told], timeout=0.2)
            assert (await told)["accountEvents"]["type"] == "account:settings:update"

            following = asyncio.create_task(anext(events))
            await site.wire.cut()
            with pytest.raises(TransportConnectionFailed):
                await following


async def test_a_wrong_token_opens_no_socket(site: Site) -> None:
    with pytest.raises(TransportConnectionFailed):
        async with listen(f"{site.url}/graphql", "nonsense"):
            pass
