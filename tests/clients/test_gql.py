"""The Python client gql."""

import asyncio
from itertools import count

import pytest
from gql import GraphQLRequest, gql
from gql.transport.exceptions import TransportConnectionFailed, TransportQueryError

from tests.clients.conftest import ServerUnderTest
from tests.clients.snippets.gql_client import connect, listen

VIEWER = gql("{ viewer { user { name } } }")
SETTINGS = gql("query ($id: ID!) { account(id: $id) { name settings { invoicePrefix } } }")
EVENTS = gql("subscription ($accountId: ID!) { accountEvents(accountId: $accountId) { type } }")
NUMBERS = count()
UPDATE = gql("""mutation ($input: UpdateAccountSettingsInput!) {
    updateAccountSettings(input: $input) { account { settings { invoicePrefix } } errors { code field } }
}""")


def update(server: ServerUnderTest, **settings: str) -> GraphQLRequest:
    return GraphQLRequest(UPDATE, variable_values={"input": {"accountId": server.account_id, **settings}})


async def test_query_returns_its_data(server: ServerUnderTest) -> None:
    async with connect(f"{server.url}/graphql", server.owner_token) as session:
        response = await session.execute(VIEWER)

    assert response == {"viewer": {"user": {"name": "Anna Nowak"}}}


async def test_valid_mutation_succeeds_and_invalid_one_has_an_error(server: ServerUnderTest) -> None:
    async with connect(f"{server.url}/graphql", server.owner_token) as session:
        accepted_payload = await session.execute(update(server, invoicePrefix="PY/"))
        rejected_payload = await session.execute(update(server, defaultCurrency="GOLD"))

    account = {"settings": {"invoicePrefix": "PY/"}}
    error = {"code": "INVALID", "field": ["defaultCurrency"]}
    assert accepted_payload == {"updateAccountSettings": {"account": account, "errors": []}}
    assert rejected_payload == {"updateAccountSettings": {"account": None, "errors": [error]}}


async def test_forbidden_field_is_null_and_has_an_error(server: ServerUnderTest) -> None:
    async with connect(f"{server.url}/graphql", server.accountant_token) as session:
        with pytest.raises(TransportQueryError) as error_info:
            await session.execute(GraphQLRequest(SETTINGS, variable_values={"id": server.account_id}))

    assert error_info.value.data == {"account": {"name": "Nowak Meble", "settings": None}}
    (error,) = error_info.value.errors or []
    assert (error["path"], error["extensions"]["code"]) == (["account", "settings"], "FORBIDDEN")


async def test_schema_is_fetched_by_introspection(server: ServerUnderTest) -> None:
    client = connect(f"{server.url}/graphql", server.owner_token)
    client.fetch_schema_from_transport = True

    async with client:
        assert client.schema is not None
        assert client.schema.query_type is not None
        assert "viewer" in client.schema.query_type.fields


async def test_new_subscription_works_after_a_lost_connection(server: ServerUnderTest) -> None:
    url = f"{server.url}/graphql"

    for _ in range(2):
        async with connect(url, server.owner_token) as owner, listen(url, server.owner_token) as subscriber:
            events = subscriber.subscribe(GraphQLRequest(EVENTS, variable_values={"accountId": server.account_id}))
            event = asyncio.create_task(anext(events))
            while not event.done():
                _ = await owner.execute(update(server, invoicePrefix=f"PY{next(NUMBERS)}/"))
                _ = await asyncio.wait([event], timeout=0.2)
            assert (await event)["accountEvents"]["type"] == "account:settings:update"

            next_event = asyncio.create_task(anext(events))
            await server.proxy.cut()
            with pytest.raises(TransportConnectionFailed):
                await next_event


async def test_invalid_token_opens_no_socket(server: ServerUnderTest) -> None:
    with pytest.raises(TransportConnectionFailed):
        async with listen(f"{server.url}/graphql", "invalid"):
            pass
