"""Property tests: a view returns the same response as the role or the grant holder gets."""

import json
from collections.abc import AsyncIterator
from typing import Any, Final

import pytest
from graphql import GraphQLObjectType, GraphQLSchema, build_schema, print_schema
from hypothesis import given
from hypothesis import strategies as st

from auth.policy import Role
from schema.build import build
from tests.api import Clock, Person, Response, codes
from tests.conftest import database_address, execute_outside_transaction
from tests.executor import generation
from tests.models.sharing.views import ACCOUNT_QUERY, ask_in_view
from tests.schema import world
from tests.schema.world import GUESTS, World


def schema_without(**without: str) -> GraphQLSchema:
    """The schema for generated queries without some fields, named by type, that differ in a view."""
    schema = build_schema(print_schema(build()))
    for type_name, names in without.items():
        type_ = schema.type_map[type_name]
        assert isinstance(type_, GraphQLObjectType)
        for name in names.split():
            del type_.fields[name]
    return schema


VIEWER_FIELDS_IN_VIEW: Final = {"currentAccount", "currentGrant", "accounts", "grants"}
"""The fields of Viewer that are the same in a view. Its events are limited to the account."""
HIDDEN_TYPES: Final = {"Session", "OwnershipTransfer"}
"""The types that no view shows. Only the holder sees them, or the holder and the owner."""
VIEWER: Final = build().type_map["Viewer"]
assert isinstance(VIEWER, GraphQLObjectType)
SCHEMA: Final = schema_without(
    Viewer=" ".join(VIEWER.fields.keys() - VIEWER_FIELDS_IN_VIEW), Account="ownershipTransfer"
)
ROLE_SCHEMA: Final = schema_without(Account="viewerGrant ownershipTransfer")


def difference(first: Response, second: Response) -> str | None:
    """The text around the first difference of two responses, without request ids. None if they are equal."""

    def comparable_text(response: Response) -> str:
        for error in response.errors:
            error["extensions"]["requestId"] = ""
        errors = sorted(map(json.dumps, response.errors))
        return json.dumps([response.status, response.body.get("data"), errors])

    texts = comparable_text(first), comparable_text(second)
    if texts[0] == texts[1]:
        return None
    position = next((at for at, pair in enumerate(zip(*texts, strict=False)) if len({*pair}) == 2), 0)
    return " | ".join(text[max(0, position - 150) : position + 150] for text in texts)


@pytest.fixture(scope="module")
async def view_world(postgres: str, template: str) -> AsyncIterator[World]:
    """The world of the permission matrix with restrictions and locks. Uses one database for the module."""
    name = f"view_{next(world.DATABASE_NUMBERS)}"
    await execute_outside_transaction(postgres, f"CREATE DATABASE {name} TEMPLATE {template}")
    async with world.application(database_address(postgres, name), "compiled", Clock()) as api:
        guest_world = await world.create_world(api)
        settings = {"simpleUserRestrictions": ["CONTACTS_READ", "REPORTS_READ"], "locks": ["DOCUMENTS_DELETE"]}
        arguments = {"accountId": guest_world.owner.account_id, **settings}
        assert codes(await api.do("updateAccountSettings", arguments, by=guest_world.owner)) == []
        yield guest_world
    await execute_outside_transaction(postgres, f"DROP DATABASE {name} WITH (FORCE)")


def values(guest_world: World) -> generation.Value:
    """Generate arguments that are valid in the account. Excludes ids of HIDDEN_TYPES."""
    visible_ids = [
        object_id
        for type_name, object_ids in guest_world.objects.items()
        if type_name not in HIDDEN_TYPES
        for object_id in object_ids
    ]
    arguments_by_name: dict[str, list[object]] = {
        "first": [1, 2, 5],
        "last": [1, 2],
        "after": ["nonsense"],
        "before": ["nonsense"],
        "search": ["a", "owner", "example.com"],
        "number": [guest_world.account_number],
        "token": [guest_world.invitation_token],
        "DateTime": [guest_world.api.clock.now.isoformat()],
        "JSON": [None],
    }

    def value(random: Any, name: str, type_name: str) -> object:
        if name == "id" and random.random() < 0.5:
            return guest_world.owner.account_id
        id_type = {"accountId": "Account", "userId": "User", "actorId": "User", "consultantId": "User"}.get(name)
        if type_name == "ID":
            return random.choice(guest_world.objects[id_type] if id_type else visible_ids)
        choices = arguments_by_name.get(name) or arguments_by_name.get(type_name)
        return random.choice(choices) if choices else generation.random_scalar(random, name, type_name)

    return value


EDGE_QUERY: Final = """{ viewer {
  currentAccount { id viewerPermissions } currentGrant { id role user { email } grantedBy { email } }
  accounts(orderBy: VALID_UNTIL) { totalCount edges { cursor node { id } } }
  grants { totalCount edges { cursor node { id account { id } user { email } } } } }
  accounts(filter: { role: [SIMPLE_USER, ADMINISTRATOR] }) { totalCount nodes { id owner { email } } }
  grants(filter: { search: "a" }) { totalCount nodes { id role permissions user { name email } } } }"""


@pytest.mark.parametrize("by", ["owner", "administrator"])
@pytest.mark.parametrize("name", GUESTS)
@generation.examples(25)
@given(seed=st.integers(0, 2**60))
async def test_view_as_a_grant_answers_as_to_its_holder(view_world: World, by: str, name: str, *, seed: int) -> None:
    holder, viewer = view_world.person(name), view_world.person(by)
    grant = await view_world.find_grant(holder, view_world.owner.account_id)
    assert grant is not None
    random = generation.seeded_random(seed)
    query = generation.generate_document(SCHEMA, random, depth=7, size=25, value=values(view_world))
    for person in (holder, viewer):
        await view_world.api.ask(ACCOUNT_QUERY, by=person, account=view_world.owner.account_id)
    await ask_in_view(view_world.api, ACCOUNT_QUERY, viewer_in(view_world, viewer), grant)

    for text, variables in ((EDGE_QUERY, {}), (query.text, query.variables)):
        holder_response = await view_world.api.ask(text, variables, by=holder, account=view_world.owner.account_id)
        view_response = await ask_in_view(
            view_world.api, text, viewer_in(view_world, viewer), grant, variables=variables
        )

        assert difference(view_response, holder_response) is None, text


def viewer_in(view_world: World, person: Person) -> Person:
    return Person(person.email, person.token, person.user_id, view_world.owner.account_id)


@pytest.mark.parametrize("name", [name for name, (_, permissions) in GUESTS.items() if permissions is None])
@generation.examples(25)
@given(seed=st.integers(0, 2**60))
async def test_view_as_a_role_shows_the_account_as_to_its_holders(view_world: World, name: str, *, seed: int) -> None:
    selection = generation.generate_selection(
        ROLE_SCHEMA, ROLE_SCHEMA.type_map["Account"], generation.seeded_random(seed), depth=5, value=values(view_world)
    )
    text = f"{{ account(number: {view_world.account_number}) {selection} accounts {{ totalCount nodes {{ name }} }} }}"
    role = GUESTS[name][0]
    for person in (view_world.owner, view_world.person(name)):
        await view_world.api.ask(ACCOUNT_QUERY, by=person, account=view_world.owner.account_id)
    await ask_in_view(view_world.api, ACCOUNT_QUERY, view_world.owner, role)

    holder_response = await view_world.api.ask(text, by=view_world.person(name), account=view_world.owner.account_id)
    view_response = await ask_in_view(view_world.api, text, view_world.owner, role)

    assert difference(view_response, holder_response) is None, text


@generation.examples(25)
@given(seed=st.integers(0, 2**60), target=st.sampled_from([*Role, None]))
async def test_every_viewer_field_answers_or_is_forbidden(view_world: World, *, seed: int, target: Role | None) -> None:
    """A field that needs the real viewer must answer FORBIDDEN in a view instead of failing."""
    guest = await view_world.find_grant(view_world.person("simple user"), view_world.owner.account_id)
    schema = build()
    selection = generation.generate_selection(
        schema, VIEWER, generation.seeded_random(seed), depth=4, value=values(view_world)
    )

    response = await ask_in_view(view_world.api, f"{{ viewer {selection} }}", view_world.owner, target or guest or "")

    assert {*response.codes} <= {"FORBIDDEN"}
    assert response.status == 200
