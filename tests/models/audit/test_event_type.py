"""Event types: their list, their descriptions, and the types of refusals."""

import ast
import re
from pathlib import Path

import pytest
from graphql import GraphQLObjectType

from models.audit import event_type
from models.audit.event_type import EventType, EventTypeEnum, all_types
from resolvers.mutation_resolver import MutationResolver
from schema.build import build

MODELS = Path(event_type.__file__).resolve().parents[1]


def resolvers() -> dict[str, MutationResolver]:
    """The resolvers of the mutations that require a permission, by the mutation's name."""
    fields = build().mutation_type
    assert fields is not None
    by_name = {name: field.extensions["mutation_resolver"] for name, field in fields.fields.items()}
    return {name: resolver for name, resolver in by_name.items() if resolver.permission is not None}


@pytest.mark.parametrize("member", all_types())
def test_each_type_has_a_source_a_subject_an_action_and_a_description(member: EventTypeEnum) -> None:
    assert re.fullmatch(r"(account|user|operator):[a-z-]+:[a-z-]+", member)
    assert re.fullmatch(r"[A-Z].+\.", member.description)


def test_no_two_types_share_a_description() -> None:
    assert len({member.description for member in all_types()}) == len({*all_types()}) == len(all_types())


def test_each_operation_with_a_permission_declares_the_type_of_its_event() -> None:
    assert len(resolvers()) > 20
    assert [name for name, resolver in resolvers().items() if not isinstance(resolver.event_type, EventTypeEnum)] == []


def test_refusal_has_the_type_of_the_success_with_a_prefix() -> None:
    assert event_type.of_refusal(EventType.GRANT_UPDATE) == "refused:account:grant:update"


def test_modules_of_models_contain_no_literal_type() -> None:
    literals = [
        f"{path.name}:{node.lineno}"
        for path in MODELS.glob("**/*.py")
        if path.name != "event_type.py" and "migrations" not in path.parts
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
        if re.fullmatch(r"(account|user|operator|refused):[a-z-]+(:[a-z-]+)?", node.value)
    ]

    assert literals == []


def test_each_type_is_recorded_by_an_operation() -> None:
    code = "".join(
        path.read_text() for folder in (MODELS, MODELS.parent / "workspace") for path in folder.glob("**/*.py")
    )
    names = {member: f"{type(member).__name__}.{member.name}" for member in all_types()}

    assert [name for name in names.values() if not re.search(rf"\b{name}\b", code)] == []


def test_documentation_of_the_field_lists_each_type() -> None:
    event = build().type_map["Event"]
    assert isinstance(event, GraphQLObjectType)
    description = event.fields["type"].description or ""

    assert [member for member in all_types() if f"- `{member}`: {member.description}" not in description] == []
