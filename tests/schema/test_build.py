"""What the schema refuses to be built from: a field without a rule, an input without its operation."""

from collections.abc import Iterator
from typing import Any

import pytest
import strawberry
from graphql import GraphQLNonNull, GraphQLObjectType, GraphQLSchema

from auth.rules import ANYONE, AUTHENTICATED, SIGNED_IN, Rule
from resolvers import ids, node
from resolvers.mutation_resolver import empty_payload, mutation_resolver
from schema.build import MissingRule, UnfitInput, annotate, build, strawberry_schema
from schema.declare import field, graph_type, mutation
from schema.payload import Payload, payload


def objects(schema: GraphQLSchema) -> Iterator[GraphQLObjectType]:
    for name, type_ in schema.type_map.items():
        if isinstance(type_, GraphQLObjectType) and not name.startswith("__"):
            yield type_


def test_every_field_has_a_rule_that_somebody_can_satisfy() -> None:
    rules = {(type_.name, name): f.extensions["rule"] for type_ in objects(build()) for name, f in type_.fields.items()}

    assert len(rules) > 200
    assert [place for place, rule in rules.items() if not isinstance(rule, Rule) or not rule.bits] == []


def test_a_field_without_a_rule_on_a_root_refuses_to_build() -> None:
    @graph_type(None, description="A root.")
    class Query:
        fine: int = field(ANYONE)
        bare: int = field()

    with pytest.raises(MissingRule, match=r"^Query\.bare declares no rule\.$"):
        annotate(strawberry_schema(Query, None))


def test_a_field_without_a_rule_on_a_type_refuses_to_build() -> None:
    @graph_type(None, description="A type without a default.")
    class Secret:
        bare: int

    @graph_type(ANYONE, description="A root.")
    class Query:
        secret: Secret | None = field()

    with pytest.raises(MissingRule, match=r"^Secret\.bare declares no rule\.$"):
        annotate(strawberry_schema(Query, None))


def test_a_type_that_is_not_declared_with_its_rule_refuses_to_build() -> None:
    @strawberry.type
    class Plain:
        secret: int

    @graph_type(ANYONE, description="A root.")
    class Query:
        plain: Plain | None = field()

    with pytest.raises(MissingRule, match=r"^Plain is not declared with its rule\.$"):
        annotate(strawberry_schema(Query, None))


def test_a_type_does_not_inherit_the_rule_of_the_type_it_extends() -> None:
    @graph_type(ANYONE, description="A type with a rule.")
    class Open:
        shown: int

    @strawberry.type
    class Extended(Open):
        hidden: int

    @graph_type(ANYONE, description="A root.")
    class Query:
        extended: Extended | None = field()

    with pytest.raises(MissingRule, match=r"^Extended is not declared with its rule\.$"):
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


@graph_type(ANYONE, description="A root.")
class AnyQuery:
    fine: int = field()


async def rename(caller: object, grant_id: object, *, title: str) -> None: ...


async def oddly(caller: object, *, odd_id: object) -> None: ...


async def plainly(caller: object, *, name: str) -> None: ...


@pytest.mark.parametrize(
    ("operation", "input_type", "said"),
    [
        (rename, RenameInput, "the input has"),
        (oddly, OddInput, "no type is known for the id odd_id"),
        (plainly, None, "the input has"),
    ],
)
def test_an_input_that_does_not_fit_its_operation_refuses_to_build(
    operation: Any,  # operations differ in what they take, which is the point
    input_type: type | None,
    said: str,
) -> None:
    @graph_type(None, description="A root.")
    class Mutation:
        change: RenamePayload | None = mutation(
            mutation_resolver(operation, empty_payload), input_type, rule=SIGNED_IN, description="Change it."
        )

    with pytest.raises(UnfitInput, match=f"^change: {said}"):
        annotate(strawberry_schema(AnyQuery, Mutation))


def test_a_mutation_without_rule_or_permission_refuses_to_build() -> None:
    @graph_type(None, description="A root.")
    class Mutation:
        change: RenamePayload | None = mutation(
            mutation_resolver(empty_payload, empty_payload), description="Change it."
        )

    with pytest.raises(MissingRule, match=r"^Mutation\.change declares no rule\.$"):
        annotate(strawberry_schema(AnyQuery, Mutation))


def test_a_field_that_can_be_refused_where_its_object_is_not_is_nullable() -> None:
    """Or one refused field would take its whole object, and what stands beside it, along."""
    stricter = {
        (type_.name, name): f
        for type_ in objects(build())
        for name, f in type_.fields.items()
        if f.extensions["rule"] != type_.extensions["rule"] and f.extensions["rule"].bits != ANYONE.bits
    }

    # The contract's own exception: who is not signed in gets no data at all beside nodes.
    assert [place for place, f in stricter.items() if isinstance(f.type, GraphQLNonNull)] == [("Query", "nodes")]


def test_every_mutation_wants_somebody_signed_in_or_says_that_it_does_not() -> None:
    mutations = build().mutation_type
    assert mutations is not None
    rules = {name: f.extensions["rule"] for name, f in mutations.fields.items()}

    assert sorted(name for name, rule in rules.items() if rule == ANYONE) == [
        "acceptInvitation",
        "activate",
        "declineInvitation",
        "register",
        "requestPasswordReset",
        "resendActivation",
        "resetPassword",
        "signIn",
    ]
    for rule in rules.values():
        assert rule.permission is None or rule.bits == AUTHENTICATED


def test_every_node_has_an_id_a_loader_and_a_rule() -> None:
    nodes = {type_.name for type_ in objects(build()) if any(one.name == "Node" for one in type_.interfaces)}

    assert nodes == set(ids.TYPES) == set(node._LOADS)


def test_no_input_takes_what_is_not_its_own_to_set() -> None:
    meant = {
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

    taken = {
        (name, key)
        for name, type_ in build().type_map.items()
        if name.endswith("Input")
        for key in getattr(type_, "fields", {})
    }

    assert {(name, key) for name, key in taken if key in powerful} == meant
