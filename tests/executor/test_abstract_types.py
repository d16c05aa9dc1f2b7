"""Interfaces and unions: the type of each value is resolved, and an invalid type is an error.

Fields called `hard` or `firm` do not allow nulls.
"""

import asyncio
from typing import Any, cast

import pytest
from graphql import GraphQLObjectType

from tests.executor.harness import execute_both, execute_compiled, guarded_schema, plain_schema

SDL = """
    interface Pet { name: String }
    type Cat implements Pet { name: String  lives: Int  hard: Int! }
    type Dog implements Pet { name: String  barks: Boolean  friends: [Pet!] }
    type Other { name: String }
    union Any = Cat | Dog | Other
    type Query { pet: Pet  pets: [Pet]  firm: [Pet!]  any: [Any]  cat: Cat  cats: [Cat!]  deep: [[Pet!]] }
"""
CAT: dict[str, Any] = {"kind": "Cat", "name": "Tom", "lives": 9, "hard": 1}
DOG: dict[str, Any] = {"kind": "Dog", "name": "Rex", "barks": True, "friends": [CAT]}
STRAY: dict[str, Any] = {"kind": "Other", "name": "?"}
QUERY = """{
    pet { ...P } pets { ...P } firm { ...P } deep { ...P }
    any { __typename ... on Pet { ...P } ... on Other { name } }
}
fragment P on Pet { __typename name ... on Cat { lives } ... on Dog { barks friends { name ... on Cat { hard } } } }"""
ROOT: dict[str, Any] = {
    "pet": DOG,
    "pets": [CAT, DOG, None, CAT],
    "firm": [DOG, CAT],
    "any": [STRAY, CAT, DOG],
    "deep": [[CAT], None, [], [DOG, CAT]],
}
TYPE_NAMES = ["Cat", "Dog", "Other"]


def resolve_kind(value: dict[str, Any], *_: object) -> Any:
    return value["kind"]


async def resolve_kind_later(value: dict[str, Any], *_: object) -> Any:
    await asyncio.sleep(0)
    return value["kind"]


def has_kind(kind: str, *, waits: bool) -> Any:
    async def is_type_of(value: dict[str, Any], _: object) -> bool:
        await asyncio.sleep(0)
        return bool(value["kind"] == kind)

    return is_type_of if waits else lambda value, _: value["kind"] == kind


@pytest.mark.parametrize("resolve", [resolve_kind, resolve_kind_later])
async def test_type_resolver_selects_the_type(resolve: Any) -> None:
    response = await execute_both(plain_schema(SDL, {"Pet": resolve, "Any": resolve}), QUERY, root=ROOT)

    assert [value["__typename"] for value in response.data["any"]] == ["Other", "Cat", "Dog"]


@pytest.mark.parametrize("waits", [False, True])
async def test_is_type_of_selects_the_type(*, waits: bool) -> None:
    schema = plain_schema(SDL, {f"{kind}.is": has_kind(kind, waits=waits) for kind in TYPE_NAMES})

    response = await execute_both(schema, QUERY, root=ROOT)

    assert [pet and pet["__typename"] for pet in response.data["pets"]] == ["Cat", "Dog", None, "Cat"]


async def test_sync_and_async_is_type_of_can_be_mixed() -> None:
    schema = plain_schema(SDL, {f"{kind}.is": has_kind(kind, waits=kind == "Cat") for kind in TYPE_NAMES})

    await execute_both(schema, QUERY, root=ROOT)


async def test_typename_of_a_value_selects_the_type() -> None:
    root = {"pets": [{"__typename": "Cat", "name": "a"}, {"__typename": "Dog", "name": "b"}, {"name": "untyped"}]}

    response = await execute_both(plain_schema(SDL), "{ pets { __typename name } }", root=root)

    assert response.data["pets"][2] is None


INVALID_TYPES: list[Any] = ["Nothing", "Query", "Other", "Pet", "Int", None, 3, "", b"Cat"]


@pytest.mark.parametrize("type_name", INVALID_TYPES, ids=repr)
@pytest.mark.parametrize("waits", [False, True])
async def test_invalid_types_are_errors(type_name: object, *, waits: bool) -> None:
    async def wait(value: dict[str, Any]) -> Any:
        await asyncio.sleep(0)
        return type_name if value is DOG else "Cat"

    def resolve(value: dict[str, Any], *_: object) -> Any:
        return wait(value) if waits else type_name if value is DOG else "Cat"

    root = {"pet": DOG, "pets": [CAT, DOG, CAT]}

    response = await execute_both(plain_schema(SDL, {"Pet": resolve}), "{ pet { name } pets { name } }", root=root)

    assert [error.path for error in response.errors] == [("pet",), ("pets", 1)]


@pytest.mark.parametrize("waits", [False, True])
async def test_raising_type_resolver_fails_its_value(*, waits: bool) -> None:
    async def wait() -> str:
        raise ValueError("unknown type")

    def resolve(value: dict[str, Any], *_: object) -> Any:
        if value is DOG:
            if waits:
                return wait()
            raise ValueError("unknown type")
        return "Cat"

    root = {"pets": [DOG, CAT], "firm": [CAT, DOG], "deep": [[DOG], [CAT]]}

    response = await execute_both(
        plain_schema(SDL, {"Pet": resolve}),
        "{ pets { name } firm { name } deep { name } }",
        root=root,
        in_order=not waits,
    )

    assert response.data == {"pets": [None, {"name": "Tom"}], "firm": None, "deep": [None, [{"name": "Tom"}]]}


@pytest.mark.parametrize("waits", [False, True])
async def test_object_that_is_not_of_its_type_is_an_error(*, waits: bool) -> None:
    schema = plain_schema(SDL, {"Cat.is": has_kind("Cat", waits=waits)})

    response = await execute_both(
        schema, "{ cat { name } cats { name } }", root={"cat": DOG, "cats": [CAT, DOG]}, in_order=not waits
    )

    assert response.data == {"cat": None, "cats": None}


@pytest.mark.parametrize("waits", [False, True])
async def test_raising_is_type_of_fails_its_value(*, waits: bool) -> None:
    async def wait() -> bool:
        raise ValueError("unknown type")

    def is_type_of(*_: object) -> Any:
        if waits:
            return wait()
        raise ValueError("unknown type")

    response = await execute_both(plain_schema(SDL, {"Cat.is": is_type_of}), "{ cat { name } }", root={"cat": CAT})

    assert response.located_messages == [("unknown type", ("cat",))]


async def test_no_resolver_is_called_if_no_object_is_of_its_type() -> None:
    calls: list[object] = []

    async def batch(objects: list[object], _: object) -> list[object]:
        calls.append(objects)
        return objects

    schema = guarded_schema(
        SDL,
        {"Query.cats": {"resolve": lambda *_: [DOG, DOG]}, "Cat.name": {"batch": batch}},
        rights={"Cat": lambda objects, _: calls.append(objects)},
    )
    cast("GraphQLObjectType", schema.type_map["Cat"]).is_type_of = lambda *_: False

    response = await execute_both(schema, "{ cats { name } }")

    assert response.data == {"cats": None}
    assert calls == []


async def test_errors_have_the_right_path_if_some_objects_are_not_of_their_type() -> None:
    schema = plain_schema(SDL.replace("cats: [Cat!]", "cats: [Cat]"), {"Cat.is": has_kind("Cat", waits=False)})
    broken_cat = {**CAT, "lives": ValueError("no lives")}

    response = await execute_both(schema, "{ cats { name lives } }", root={"cats": [DOG, CAT, DOG, broken_cat]})

    assert response.located_messages[-1] == ("no lives", ("cats", 3, "lives"))


async def test_nulls_propagate_through_abstract_types() -> None:
    root = {
        "pets": [CAT, {**CAT, "hard": None}, DOG],
        "firm": [CAT, {**CAT, "hard": None}],
        "any": [{**DOG, "friends": [{**CAT, "hard": None}]}, STRAY],
    }
    schema = plain_schema(SDL, {"Pet": resolve_kind, "Any": resolve_kind})

    response = await execute_both(
        schema,
        "{ pets { ...H } firm { ...H } any { ... on Dog { friends { ...H } name } } }"
        " fragment H on Pet { name ... on Cat { hard } }",
        root=root,
    )

    assert response.data["firm"] is None
    assert response.data["any"] == [{"friends": None, "name": "Rex"}, {}]


async def test_unused_is_type_of_results_leave_no_task() -> None:
    schema = plain_schema(SDL, {"Cat.is": has_kind("Cat", waits=True), "Dog.is": has_kind("Dog", waits=False)})

    await execute_compiled(schema, "{ pets { name } }", root={"pets": [DOG]})

    assert asyncio.all_tasks() == {asyncio.current_task()}
