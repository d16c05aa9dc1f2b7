"""Selections: fields, fragments, conditions and introspection, and the order of keys."""

from typing import Any

import pytest
from graphql import get_introspection_query, parse

from executor import Engine
from tests.executor.harness import execute_both, execute_compiled, plain_schema

SDL = """
    interface Named { name: String }
    interface Aged implements Named { name: String  age: Int }
    type Cat implements Named & Aged { name: String  age: Int  lives: Int  friend: Named  owner: Person }
    type Person implements Named { name: String  pets: [Cat]  cat: Cat }
    union Any = Cat | Person
    type Query { a: Int  b: Int  c: Int  cat: Cat  named: Named  anything: [Any]  person: Person }
"""
CAT: dict[str, Any] = {"__typename": "Cat", "name": "Tom", "age": 3, "lives": 9}
PERSON: dict[str, Any] = {"__typename": "Person", "name": "Ann", "pets": [CAT, {**CAT, "name": "Kit"}], "cat": CAT}
ROOT: dict[str, Any] = {
    "a": 1,
    "b": 2,
    "c": 3,
    "cat": {**CAT, "friend": PERSON, "owner": PERSON},
    "named": CAT,
    "anything": [CAT, PERSON],
    "person": PERSON,
}
SCHEMA = plain_schema(SDL)
NULL_CONDITION = (
    "Argument 'if' has invalid value: Expected variable '$no' provided to non-null type 'Boolean!' not to be None."
)


@pytest.mark.parametrize(
    "query",
    [
        "{ c a b }",
        "{ x: a y: a a }",
        "{ a a a }",
        "{ b ... { a } c }",
        "{ b ... on Query { a } c }",
        "{ ...F c } fragment F on Query { b ...G a } fragment G on Query { c }",
        "{ cat { name } b cat { age name } }",
        "{ cat { owner { name } } ...F } fragment F on Query { cat { owner { cat { lives } } lives } }",
        "{ person { pets { name } } person { pets { age } cat { name } } }",
        "{ named { name ... on Cat { lives } ... on Person { pets { name } } ... on Aged { age } } }",
        "{ named { ... on Named { ... on Aged { ... on Cat { lives } } } __typename } }",
        "{ anything { __typename ... on Named { name } ... on Cat { age } ...P } } fragment P on Person { name }",
        "{ cat { ... on Named { name } ... on Aged { age } } }",
        "{ cat { ... on Cat { name } ...on Cat { lives } } }",
        "{ __typename t: __typename cat { __typename x: __typename } }",
        "{ anything { ... on Cat { x: name } ... on Person { x: name y: name } } }",
        "{ a __typename cat { friend { __typename name ... on Person { cat { owner { name } } } } } }",
    ],
)
async def test_fields_and_fragments_are_merged(query: str) -> None:
    await execute_both(SCHEMA, query, root=ROOT)


async def test_keys_are_in_the_order_of_their_first_occurrence() -> None:
    response = await execute_both(
        SCHEMA, "{ cat { age } b ...F a } fragment F on Query { cat { name } c a }", root=ROOT
    )

    assert list(response.data) == ["cat", "b", "c", "a"]
    assert list(response.data["cat"]) == ["age", "name"]


# ---- Conditions ------------------------------------------------------------------------------


@pytest.mark.parametrize("yes", [True, False])
@pytest.mark.parametrize("no", [True, False])
@pytest.mark.parametrize(
    "selection",
    [
        "a b @skip(if: $yes) c",
        "a b @include(if: $yes) c",
        "a @skip(if: $yes) @include(if: $no) b @include(if: $yes) @skip(if: $no) c",
        "a @skip(if: $yes) b a",
        "a ... @include(if: $yes) { b } ... on Query @skip(if: $no) { c }",
        "a ...F @include(if: $yes) ...F @skip(if: $no)",
        "a cat { name @skip(if: $yes) ...C } cat { age @include(if: $no) }",
        "a cat @include(if: $yes) { name } cat @include(if: $no) { age }",
        "named { ... on Cat @include(if: $yes) { lives } name @skip(if: $no) }",
        "anything { ...C @skip(if: $yes) __typename @skip(if: $no) }",
        "a @skip(if: $yes) b @skip(if: $yes) cat { name @skip(if: $no) }",
    ],
)
async def test_conditions_with_variables(selection: str, *, yes: bool, no: bool) -> None:
    fragments = [
        "fragment F on Query { b c @skip(if: $no) }" if "...F" in selection else "",
        "fragment C on Cat { lives @include(if: $no) age }" if "...C" in selection else "",
    ]
    query = f"query ($yes: Boolean!, $no: Boolean = true) {{ {selection} }} {' '.join(fragments)}"
    valid_query = query if "$no" in selection + "".join(fragments) else query.replace(", $no: Boolean = true", "")

    await execute_both(SCHEMA, valid_query, root=ROOT, variables={"yes": yes, "no": no}, valid="$yes" in selection)


@pytest.mark.parametrize(
    "selection",
    [
        "a @skip(if: true) b",
        "a @include(if: false) b",
        "a @skip(if: false) @include(if: true) b",
        "a @skip(if: true) @include(if: true) b",
        "a @skip(if: false) @include(if: false) b",
        "a @skip(if: true)",
        "a cat { name @skip(if: true) }",
        "a cat { ... @include(if: false) { name } }",
    ],
)
async def test_conditions_with_literals(selection: str) -> None:
    await execute_both(SCHEMA, f"{{ {selection} }}", root=ROOT)


async def test_object_without_selected_fields_is_empty() -> None:
    response = await execute_both(SCHEMA, "{ person { pets { name @skip(if: true) } } }", root=ROOT)

    assert response.data == {"person": {"pets": [{}, {}]}}


async def test_default_of_a_variable_decides_a_condition() -> None:
    response = await execute_both(SCHEMA, "query ($no: Boolean = false) { a b @include(if: $no) }", root=ROOT)

    assert response.data == {"a": 1}


@pytest.mark.parametrize(
    "selection",
    [
        "a b @skip(if: $no)",
        "a cat { name lives @skip(if: $no) }",
        "a person { pets { name @include(if: $no) } }",
        "a named { ... on Cat { lives @include(if: $no) } }",
        "anything { ... on Person { name } ... on Cat { owner { name @skip(if: $no) } name @skip(if: $no) } }",
    ],
)
async def test_null_condition_fails_the_enclosing_field(selection: str) -> None:
    query = f"query ($no: Boolean = false) {{ {selection} }}"

    response = await execute_both(SCHEMA, query, root=ROOT, variables={"no": None})

    assert {error.message for error in response.errors} == {NULL_CONDITION}


async def test_each_shape_has_one_plan() -> None:
    engine = Engine(SCHEMA)
    query = "query ($x: Boolean!) { a b @skip(if: $x) }"
    document = parse(query)
    (operation,) = document.definitions

    skip_response = await execute_compiled(SCHEMA, query, engine=engine, root=ROOT, variables={"x": True})
    full_response = await execute_compiled(SCHEMA, query, engine=engine, root=ROOT, variables={"x": False})
    plans = [engine.plan(document, query, operation, {"x": x}) for x in (True, False, True)]  # type: ignore[arg-type]  # the definition is an operation

    assert [skip_response.data, full_response.data] == [{"a": 1}, {"a": 1, "b": 2}]
    assert plans[0] is plans[2]
    assert plans[0] is not plans[1]


# ---- Introspection ---------------------------------------------------------------------------


async def test_full_introspection() -> None:
    query = get_introspection_query(
        specified_by_url=True, directive_is_repeatable=True, schema_description=True, input_value_deprecation=True
    )

    response = await execute_both(SCHEMA, query)

    assert len(response.data["__schema"]["types"]) > 10


async def test_introspection_of_one_type() -> None:
    query = """query ($name: String!) {
        __type(name: $name) { name kind fields(includeDeprecated: true) { name type { name ofType { name } } } }
        none: __type(name: "Nothing") { name }
        a
    }"""

    response = await execute_both(SCHEMA, query, root=ROOT, variables={"name": "Cat"})

    assert response.data["__type"]["kind"] == "OBJECT"
    assert response.data["none"] is None
