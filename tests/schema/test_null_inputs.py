"""null in an input means "not given". Taking a limit off has a word of its own.

For each nullable field of each input the operation gets the same for null as for an omitted field. The list below has
the fields with which null removes a value. None of these values limits what a user may do.
"""

import inspect
from collections.abc import Iterator
from datetime import timedelta
from typing import Any, Final

import pytest
from graphql import GraphQLInputObjectType, GraphQLObjectType, get_named_type, is_non_null_type

from database import db
from models.access.grant import Grant
from models.base.unset import UNSET
from resolvers import ids
from resolvers.mutation_resolver import MutationResolver
from schema.build import build, snake
from tests.api import Api, codes

REMOVED_BY_NULL: Final = {
    *("UpdateAccountInput.organizationNumber", "UpdateAccountInput.country"),
    *("UpdateAccountSettingsInput.vatNumber", "UpdateAccountSettingsInput.bankAccountNumber"),
}
"""Numbers of the account. Null removes them, as their descriptions say."""
INPUTS_IN_LISTS: Final = {"ExpenseAmountInput.taxAmount"}
"""The nullable fields of inputs inside of other inputs. A test below sends each."""


def mutations() -> Iterator[tuple[str, MutationResolver, GraphQLInputObjectType]]:
    """Each mutation with an input."""
    mutation = build().mutation_type
    assert mutation is not None
    for name, field in mutation.fields.items():
        resolver = field.extensions.get("mutation_resolver")
        if isinstance(resolver, MutationResolver) and "input" in field.args:
            input_type = get_named_type(field.args["input"].type)
            assert isinstance(input_type, GraphQLInputObjectType)
            yield name, resolver, input_type


def nullable_fields(input_type: GraphQLInputObjectType) -> list[str]:
    return [name for name, field in input_type.fields.items() if not is_non_null_type(field.type)]


def input_types() -> dict[str, GraphQLInputObjectType]:
    return {name: type_ for name, type_ in build().type_map.items() if isinstance(type_, GraphQLInputObjectType)}


def test_null_is_the_default_of_each_nullable_field() -> None:
    """With the default None, an operation cannot tell null from an omitted field."""
    defaults = {
        f"{input_type.name}.{field}": inspect.signature(resolver.operation).parameters[snake(field)].default
        for _, resolver, input_type in mutations()
        for field in nullable_fields(input_type)
    }

    assert len(defaults) > 40
    assert {name for name, default in defaults.items() if default is not None} == REMOVED_BY_NULL
    assert {name for name, default in defaults.items() if default is UNSET} == REMOVED_BY_NULL


def test_each_input_type_is_of_a_mutation_or_a_filter_or_in_a_list() -> None:
    """So the tests of this page see each field."""
    of_mutations = {input_type.name for _, _, input_type in mutations()}
    filters = {name for name in input_types() if name.endswith("Filter")}
    in_inputs = {
        type_.name
        for input_type in input_types().values()
        for definition in input_type.fields.values()
        if isinstance(type_ := get_named_type(definition.type), GraphQLInputObjectType)
    }

    assert input_types().keys() == of_mutations | filters | in_inputs
    assert in_inputs.isdisjoint(of_mutations | filters)
    nullable = {f"{name}.{field}" for name in in_inputs for field in nullable_fields(input_types()[name])}
    assert nullable == INPUTS_IN_LISTS


async def test_null_in_an_input_of_a_list_is_an_omitted_field(api: Api) -> None:
    anna = await api.person("anna@example.com")
    expense = {"accountId": anna.account_id, "spentOn": "2026-03-01"}
    selection = "expense { amounts { vatRate netAmount taxAmount } }"

    payloads = [
        await api.do("createExpense", {**expense, "amounts": [amounts]}, selection, by=anna)
        for amounts in ({"vatRate": "25", "netAmount": "100", "taxAmount": None}, {"vatRate": "25", "netAmount": "100"})
    ]

    assert payloads[0] == payloads[1]
    assert codes(payloads[0]) == []


def filtered_fields() -> Iterator[tuple[str, str, GraphQLInputObjectType]]:
    """Each field with a filter: its type, its name and the filter."""
    for type_ in build().type_map.values():
        if isinstance(type_, GraphQLObjectType):
            for name, field in type_.fields.items():
                if "filter" in field.args:
                    filter_type = get_named_type(field.args["filter"].type)
                    assert isinstance(filter_type, GraphQLInputObjectType)
                    yield type_.name, name, filter_type


async def test_filter_of_nulls_shows_what_no_filter_shows(api: Api) -> None:
    anna = await api.person("anna@example.com")
    _ = await api.guest(anna, "bo@example.com", "ACCOUNTANT")
    # The selection around each type that has a filtered list.
    around = {
        "Query": "{ %s }",
        "Viewer": "{ viewer { %s } }",
        "Account": "{ viewer { currentAccount { %s } } }",
    }
    tested_types = set[str]()
    for type_name, name, filter_type in filtered_fields():
        if type_name not in around:
            continue
        assert all(not is_non_null_type(field.type) for field in filter_type.fields.values()), filter_type.name
        nulls = ", ".join(f"{field}: null" for field in filter_type.fields)
        queries = [around[type_name] % f"{name}{given} {{ totalCount }}" for given in ("", f"(filter: {{ {nulls} }})")]

        bodies = [(await api.ask(query, by=anna)).body for query in queries]

        assert bodies[0] == bodies[1], queries
        tested_types.add(filter_type.name)
    assert tested_types == {name for name in input_types() if name.endswith("Filter")}


@pytest.mark.parametrize("mutation", ["updateGrant", "updateInvitation"])
async def test_null_takes_no_limit_off(api: Api, mutation: str) -> None:
    """The attack: a client sends null for what its user did not touch."""
    anna = await api.person("anna@example.com")
    until = (api.clock.now + timedelta(days=9)).isoformat()
    limits: dict[str, Any] = {"permissions": ["CONTACTS_READ"], "grantValidUntil": until}
    if mutation == "updateGrant":
        _, key = await api.guest(anna, "bo@example.com", "SIMPLE_USER", **limits)
        id_field, end_field, table = "grantId", "validUntil", "grants"
    else:
        invite_input = {"accountId": anna.account_id, "email": "bo@example.com", "role": "SIMPLE_USER", **limits}
        key = (await api.do("inviteUser", invite_input, "invitation { id }", by=anna))["invitation"]["id"]
        id_field, end_field, table = "invitationId", "grantValidUntil", "invitations"
    nulls: dict[str, Any] = {"role": None, "permissions": None, end_field: None}
    nulls |= {"removePermissionList": None, "removeEnd": None}
    before = await rows(table)
    sooner = (api.clock.now + timedelta(days=8)).isoformat()

    assert codes(await api.do(mutation, {id_field: key, **nulls}, by=anna)) == []
    assert await rows(table) == before
    assert codes(await api.do(mutation, {id_field: key, **nulls, end_field: sooner}, by=anna)) == []
    assert [row["listed"] for row in await rows(table)] == [row["listed"] for row in before]
    removals = {"removePermissionList": True, "removeEnd": True}
    assert codes(await api.do(mutation, {id_field: key, **removals}, by=anna)) == []
    last = (await rows(table))[-1]
    assert (last["listed"], last["end"]) == (None, None)


async def rows(table: str) -> list[dict[str, Any]]:
    """The terms of each grant or invitation."""
    end = "valid_until" if table == "grants" else "grant_valid_until"
    sql = f'SELECT role, status, listed, {end} AS "end" FROM {table} ORDER BY id'
    return [dict(row.items()) for row in await db.fetch(sql, row=db.Row)]


async def test_null_leaves_a_restored_grant_with_its_end(api: Api) -> None:
    anna = await api.person("anna@example.com")
    until = api.clock.now + timedelta(days=9)
    _, key = await api.guest(anna, "bo@example.com", "ACCOUNTANT", grantValidUntil=until.isoformat())
    await api.do("revokeGrant", {"grantId": key}, by=anna)

    payload = await api.do("restoreGrant", {"grantId": key, "validUntil": None, "removeEnd": None}, by=anna)

    assert codes(payload) == []
    assert (await Grant.get(id=ids.decode("Grant", key))).valid_until == until


async def test_null_leaves_locks_and_restrictions(api: Api) -> None:
    anna = await api.person("anna@example.com")
    limits = {"locks": ["DOCUMENTS_DELETE"], "simpleUserRestrictions": ["REPORTS_READ"]}
    await api.do("updateAccountSettings", {"accountId": anna.account_id, **limits}, by=anna)

    nulls = {"locks": None, "simpleUserRestrictions": None, "requiresTwoFactor": None}
    assert codes(await api.do("updateAccountSettings", {"accountId": anna.account_id, **nulls}, by=anna)) == []

    answer = await api.ask("{ viewer { currentAccount { settings { locks simpleUserRestrictions } } } }", by=anna)
    assert answer.data["viewer"]["currentAccount"]["settings"] == limits
