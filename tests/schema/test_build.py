"""The checks of the schema: each field has a rule, each input fits its operation, each element is described."""

import re
from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Any, cast

import pytest
import strawberry
from graphql import GraphQLEnumType, GraphQLInputObjectType, GraphQLNonNull, GraphQLObjectType, GraphQLSchema

from auth.policy import Permission
from auth.rules import AUTHENTICATED, AUTHENTICATED_BIT, PUBLIC, Rule
from resolvers import ids, node
from resolvers.mutation_resolver import empty_payload, mutation_resolver
from schema.build import MissingDescription, MissingRule, UnfitInput, annotate, build, strawberry_schema
from schema.declare import field, graph_enum, graph_type, input_field, mutation, needs
from schema.descriptions import SHARED
from schema.payload import Payload, payload


def objects(schema: GraphQLSchema) -> Iterator[GraphQLObjectType]:
    for name, type_ in schema.type_map.items():
        if isinstance(type_, GraphQLObjectType) and not name.startswith("__"):
            yield type_


def test_every_field_has_a_rule_with_rights() -> None:
    rules = {(type_.name, name): f.extensions["rule"] for type_ in objects(build()) for name, f in type_.fields.items()}

    assert len(rules) > 200
    assert [coordinate for coordinate, rule in rules.items() if not isinstance(rule, Rule) or not rule.bits] == []


def test_field_without_a_rule_on_a_root_type_is_refused() -> None:
    @graph_type(None, description="A root.")
    class Query:
        fine: int = field(PUBLIC)
        number: int = field()

    with pytest.raises(MissingRule, match=r"^Query\.number declares no rule\.$"):
        annotate(strawberry_schema(Query, None))


def test_field_without_a_rule_on_a_type_is_refused() -> None:
    @graph_type(None, description="A type without a default.")
    class Secret:
        number: int

    @graph_type(PUBLIC, description="A root.")
    class Query:
        secret: Secret | None = field()

    with pytest.raises(MissingRule, match=r"^Secret\.number declares no rule\.$"):
        annotate(strawberry_schema(Query, None))


def test_type_without_a_declared_rule_is_refused() -> None:
    @strawberry.type
    class Plain:
        secret: int

    @graph_type(PUBLIC, description="A root.")
    class Query:
        plain: Plain | None = field()

    with pytest.raises(MissingRule, match=r"^Plain is not declared with its rule\.$"):
        annotate(strawberry_schema(Query, None))


def test_subtype_does_not_inherit_a_rule() -> None:
    @graph_type(PUBLIC, description="A type with a rule.")
    class Open:
        number: int

    @strawberry.type
    class Subtype(Open):
        name: str

    @graph_type(PUBLIC, description="A root.")
    class Query:
        subtype: Subtype | None = field()

    with pytest.raises(MissingRule, match=r"^Subtype is not declared with its rule\.$"):
        annotate(strawberry_schema(Query, None))


@strawberry.input
class RenameInput:
    grant_id: strawberry.ID
    name: str


@strawberry.input
class OddInput:
    odd_id: strawberry.ID


@payload
class RenamePayload(Payload):
    pass


@graph_type(PUBLIC, description="A root.")
class AnyQuery:
    fine: int = field()


async def rename(caller: object, grant_id: object, *, title: str) -> None: ...


async def take_odd_id(caller: object, *, odd_id: object) -> None: ...


async def take_name(caller: object, *, name: str) -> None: ...


@pytest.mark.parametrize(
    ("operation", "input_type", "message"),
    [
        (rename, RenameInput, "the input has"),
        (take_odd_id, OddInput, "the type of the id odd_id is unknown"),
        (take_name, None, "the input has"),
    ],
)
def test_input_that_does_not_fit_its_operation_is_refused(
    operation: Any,  # the parameters of the operations differ
    input_type: type | None,
    message: str,
) -> None:
    @graph_type(None, description="A root.")
    class Mutation:
        change: RenamePayload | None = mutation(
            mutation_resolver(operation, empty_payload), input_type, rule=AUTHENTICATED, description="Change it."
        )

    with pytest.raises(UnfitInput, match=f"^change: {message}"):
        annotate(strawberry_schema(AnyQuery, Mutation))


def test_mutation_without_rule_or_permission_is_refused() -> None:
    @graph_type(None, description="A root.")
    class Mutation:
        change: RenamePayload | None = mutation(
            mutation_resolver(empty_payload, empty_payload), description="Change it."
        )

    with pytest.raises(MissingRule, match=r"^Mutation\.change declares no rule\.$"):
        annotate(strawberry_schema(AnyQuery, Mutation))


def test_field_with_a_stricter_rule_than_its_type_is_nullable() -> None:
    """Otherwise one denied field would make its whole object null."""
    stricter = {
        (type_.name, name): f
        for type_ in objects(build())
        for name, f in type_.fields.items()
        if f.extensions["rule"] != type_.extensions["rule"] and f.extensions["rule"].bits != PUBLIC.bits
    }

    # The contract has one exception: without a session, `nodes` makes the whole data null.
    assert [coordinate for coordinate, f in stricter.items() if isinstance(f.type, GraphQLNonNull)] == [
        ("Query", "nodes")
    ]


def test_only_known_mutations_need_no_session() -> None:
    mutations = build().mutation_type
    assert mutations is not None
    rules = {name: f.extensions["rule"] for name, f in mutations.fields.items()}

    assert sorted(name for name, rule in rules.items() if rule == PUBLIC) == [
        "acceptInvitation",
        "activate",
        "beginPasskeySignIn",
        "confirmEmailChange",
        "declineInvitation",
        "register",
        "requestPasswordReset",
        "resendActivation",
        "resetPassword",
        "signIn",
        "signInWithPasskey",
        "undoEmailChange",
    ]
    for rule in rules.values():
        assert rule.permission is None or rule.bits == AUTHENTICATED_BIT


def test_every_node_type_has_a_global_id_and_a_loader() -> None:
    nodes = {
        type_.name for type_ in objects(build()) if any(interface.name == "Node" for interface in type_.interfaces)
    }

    assert nodes == set(ids.TYPES) == set(node._loaders())


def test_only_known_inputs_have_powerful_fields() -> None:
    expected_fields = {
        ("InviteUserInput", "role"),
        ("UpdateInvitationInput", "role"),
        ("UpdateGrantInput", "role"),
        ("InviteUserInput", "permissions"),
        ("UpdateInvitationInput", "permissions"),
        ("UpdateGrantInput", "permissions"),
        ("AssignConsultantInput", "userId"),
        ("AssignConsultantInput", "permissions"),
        ("UnassignConsultantInput", "userId"),
        ("CreateClientAccountInput", "ownerEmail"),
        ("CorrectClientOwnerInput", "ownerEmail"),
        ("TransferOwnershipInput", "userId"),
        ("RequestAccessInput", "role"),
        ("ApproveAccessRequestInput", "role"),
        ("ApproveAccessRequestInput", "permissions"),
        ("ExtendSubscriptionInput", "days"),
        ("UpdateAccountSettingsInput", "locks"),
        ("UpdateAccountSettingsInput", "simpleUserRestrictions"),
    }
    powerful = {"role", "permissions", "locks", "simpleUserRestrictions", "days", "status", "ownerId", "userId"}
    powerful |= {"ownerEmail", "subscriptionUntil", "isActivated", "number", "createdAt", "invitedById"}

    input_fields = {
        (name, key)
        for name, type_ in build().type_map.items()
        if name.endswith("Input")
        for key in getattr(type_, "fields", {})
    }

    assert {(name, key) for name, key in input_fields if key in powerful} == expected_fields


# ---- Descriptions ----------------------------------------------------------------------------


@strawberry.enum(description="A color.")
class Color(StrEnum):
    RED = "RED"
    BLUE = "BLUE"


@strawberry.input(description="A filter.")
class ColorFilter:
    color: Color | None = input_field("The color.")


@graph_type(PUBLIC, description="A root.")
class DescribedQuery:
    account_name: str = field(arguments={"filter": ColorFilter | None}, description="The name.")


def remove_description(schema: strawberry.Schema, path: str) -> None:
    """Remove the description of the element at a path of attributes and keys: `Color values RED`."""
    type_name, *steps = path.split()
    element: Any = schema._schema.type_map[type_name]
    for step in steps:
        element = element[step] if isinstance(element, Mapping) else getattr(element, step)
    element.description = None


def describe_colors(schema: strawberry.Schema) -> None:
    for name in ("RED", "BLUE"):
        cast("GraphQLEnumType", schema._schema.type_map["Color"]).values[name].description = name.lower()


def test_described_schema_builds_and_has_shared_descriptions() -> None:
    schema = strawberry_schema(DescribedQuery, None)
    describe_colors(schema)

    type_ = annotate(schema).type_map["DescribedQuery"]

    assert cast("GraphQLObjectType", type_).fields["accountName"].args["filter"].description == SHARED["filter"]


@pytest.mark.parametrize(
    ("path", "coordinate"),
    [
        ("DescribedQuery", "DescribedQuery"),
        ("DescribedQuery fields accountName", "DescribedQuery.accountName"),
        ("ColorFilter", "ColorFilter"),
        ("ColorFilter fields color", "ColorFilter.color"),
        ("Color", "Color"),
        ("Color values BLUE", "Color.BLUE"),
    ],
)
def test_element_without_a_description_is_refused(path: str, coordinate: str) -> None:
    schema = strawberry_schema(DescribedQuery, None)
    describe_colors(schema)
    remove_description(schema, path)

    with pytest.raises(MissingDescription, match=rf"^{re.escape(coordinate)} has no description\.$"):
        annotate(schema)


def test_argument_without_a_shared_description_is_refused() -> None:
    @graph_type(PUBLIC, description="A root.")
    class Query:
        total: int = field(arguments={"unknown_name": int | None}, description="The total.")

    with pytest.raises(MissingDescription, match=r"^Query\.total\(unknownName:\) has no description\.$"):
        annotate(strawberry_schema(Query, None))


def test_guarded_field_needs_a_description_of_its_own() -> None:
    """The sentence about the permission is not enough."""

    @graph_type(needs(Permission.EVENTS_READ), description="A root.")
    class Query:
        total: int = field()

    with pytest.raises(MissingDescription, match=r"^Query\.total has no description\.$"):
        annotate(strawberry_schema(Query, None))


def test_enum_without_a_description_of_a_value_is_refused() -> None:
    with pytest.raises(KeyError):
        graph_enum(Color, "A color.", {Color.RED: "Red."})


def test_shared_descriptions_are_all_used() -> None:
    names = {
        name
        for type_ in build().type_map.values()
        for key, field_ in getattr(type_, "fields", {}).items()
        for name in ([key] if isinstance(type_, GraphQLInputObjectType) else getattr(field_, "args", {}))
    }
    names |= {name for directive in build().directives for name in directive.args}

    assert sorted(SHARED.keys() - names) == []
