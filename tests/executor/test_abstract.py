"""Interfaces and unions: how the type of a value is found, and what becomes of those without one."""

import asyncio
from typing import Any, cast

import pytest
from graphql import GraphQLObjectType

from tests.executor.toy import both, compiled, guarded, toy

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
OTHER: dict[str, Any] = {"kind": "Other", "name": "?"}
QUERY = """{
    pet { ...P } pets { ...P } firm { ...P } deep { ...P }
    any { __typename ... on Pet { ...P } ... on Other { name } }
}
fragment P on Pet { __typename name ... on Cat { lives } ... on Dog { barks friends { name ... on Cat { hard } } } }"""
ROOT: dict[str, Any] = {
    "pet": DOG,
    "pets": [CAT, DOG, None, CAT],
    "firm": [DOG, CAT],
    "any": [OTHER, CAT, DOG],
    "deep": [[CAT], None, [], [DOG, CAT]],
}
KINDS = ["Cat", "Dog", "Other"]


def by_kind(value: dict[str, Any], *_: object) -> Any:
    return value["kind"]


async def slowly(value: dict[str, Any], *_: object) -> Any:
    await asyncio.sleep(0)
    return value["kind"]


def of_kind(kind: str, *, waits: bool) -> Any:
    async def ask(value: dict[str, Any], _: object) -> bool:
        await asyncio.sleep(0)
        return bool(value["kind"] == kind)

    return ask if waits else lambda value, _: value["kind"] == kind


@pytest.mark.parametrize("resolve", [by_kind, slowly])
async def test_a_function_tells_the_type(resolve: Any) -> None:
    answer = await both(toy(SDL, {"Pet": resolve, "Any": resolve}), QUERY, root=ROOT)

    assert [one["__typename"] for one in answer.data["any"]] == ["Other", "Cat", "Dog"]


@pytest.mark.parametrize("waits", [False, True])
async def test_types_know_their_objects(*, waits: bool) -> None:
    schema = toy(SDL, {f"{kind}.is": of_kind(kind, waits=waits) for kind in KINDS})

    answer = await both(schema, QUERY, root=ROOT)

    assert [one and one["__typename"] for one in answer.data["pets"]] == ["Cat", "Dog", None, "Cat"]


async def test_some_types_answer_at_once_and_others_later() -> None:
    schema = toy(SDL, {f"{kind}.is": of_kind(kind, waits=kind == "Cat") for kind in KINDS})

    await both(schema, QUERY, root=ROOT)


async def test_values_name_their_types() -> None:
    root = {"pets": [{"__typename": "Cat", "name": "a"}, {"__typename": "Dog", "name": "b"}, {"name": "nobody"}]}

    answer = await both(toy(SDL), "{ pets { __typename name } }", root=root)

    assert answer.data["pets"][2] is None


WRONG: list[Any] = ["Nothing", "Query", "Other", "Pet", "Int", None, 3, "", b"Cat"]


@pytest.mark.parametrize("said", WRONG, ids=repr)
@pytest.mark.parametrize("waits", [False, True])
async def test_types_that_cannot_be(said: object, *, waits: bool) -> None:
    async def wait(value: dict[str, Any]) -> Any:
        await asyncio.sleep(0)
        return said if value is DOG else "Cat"

    def resolve(value: dict[str, Any], *_: object) -> Any:
        return wait(value) if waits else said if value is DOG else "Cat"

    root = {"pet": DOG, "pets": [CAT, DOG, CAT]}

    answer = await both(toy(SDL, {"Pet": resolve}), "{ pet { name } pets { name } }", root=root)

    assert [error.path for error in answer.errors] == [("pet",), ("pets", 1)]


@pytest.mark.parametrize("waits", [False, True])
async def test_finding_the_type_may_raise(*, waits: bool) -> None:
    async def wait() -> str:
        raise ValueError("no idea")

    def resolve(value: dict[str, Any], *_: object) -> Any:
        if value is DOG:
            if waits:
                return wait()
            raise ValueError("no idea")
        return "Cat"

    root = {"pets": [DOG, CAT], "firm": [CAT, DOG], "deep": [[DOG], [CAT]]}

    answer = await both(
        toy(SDL, {"Pet": resolve}), "{ pets { name } firm { name } deep { name } }", root=root, in_order=not waits
    )

    assert answer.data == {"pets": [None, {"name": "Tom"}], "firm": None, "deep": [None, [{"name": "Tom"}]]}


@pytest.mark.parametrize("waits", [False, True])
async def test_an_object_that_its_type_denies(*, waits: bool) -> None:
    schema = toy(SDL, {"Cat.is": of_kind("Cat", waits=waits)})

    answer = await both(
        schema, "{ cat { name } cats { name } }", root={"cat": DOG, "cats": [CAT, DOG]}, in_order=not waits
    )

    assert answer.data == {"cat": None, "cats": None}


@pytest.mark.parametrize("waits", [False, True])
async def test_asking_the_type_may_raise(*, waits: bool) -> None:
    async def wait() -> bool:
        raise ValueError("no idea")

    def ask(*_: object) -> Any:
        if waits:
            return wait()
        raise ValueError("no idea")

    answer = await both(toy(SDL, {"Cat.is": ask}), "{ cat { name } }", root={"cat": CAT})

    assert answer.said == [("no idea", ("cat",))]


async def test_when_all_objects_are_denied_nothing_is_asked_of_them() -> None:
    asked: list[object] = []

    async def batch(objects: list[object], _: object) -> list[object]:
        asked.append(objects)
        return objects

    schema = guarded(
        SDL,
        {"Query.cats": {"resolve": lambda *_: [DOG, DOG]}, "Cat.name": {"batch": batch}},
        rights={"Cat": lambda objects, _: asked.append(objects)},
    )
    cast("GraphQLObjectType", schema.type_map["Cat"]).is_type_of = lambda *_: False

    answer = await both(schema, "{ cats { name } }")

    assert answer.data == {"cats": None}
    assert asked == []


async def test_errors_below_objects_of_which_some_are_denied() -> None:
    schema = toy(SDL.replace("cats: [Cat!]", "cats: [Cat]"), {"Cat.is": of_kind("Cat", waits=False)})
    failing = {**CAT, "lives": ValueError("none left")}

    answer = await both(schema, "{ cats { name lives } }", root={"cats": [DOG, CAT, DOG, failing]})

    assert answer.said[-1] == ("none left", ("cats", 3, "lives"))


async def test_nulls_climb_through_abstract_types() -> None:
    root = {
        "pets": [CAT, {**CAT, "hard": None}, DOG],
        "firm": [CAT, {**CAT, "hard": None}],
        "any": [{**DOG, "friends": [{**CAT, "hard": None}]}, OTHER],
    }
    schema = toy(SDL, {"Pet": by_kind, "Any": by_kind})

    answer = await both(
        schema,
        "{ pets { ...H } firm { ...H } any { ... on Dog { friends { ...H } name } } }"
        " fragment H on Pet { name ... on Cat { hard } }",
        root=root,
    )

    assert answer.data["firm"] is None
    assert answer.data["any"] == [{"friends": None, "name": "Rex"}, {}]


async def test_dropped_questions_leave_no_task() -> None:
    schema = toy(SDL, {"Cat.is": of_kind("Cat", waits=True), "Dog.is": of_kind("Dog", waits=False)})

    await compiled(schema, "{ pets { name } }", root={"pets": [DOG]})

    assert asyncio.all_tasks() == {asyncio.current_task()}
