"""Walking the graph as one of the world's people, and judging every field by rule and table.

Nothing is said here of any single field: types, fields, rules come from the schema, rights from the
world. What is expected of a field is one of two: an answer without error at its path, or null with
one error there that tells the decision. Anything else, anywhere in the answer, is a difference.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final, cast
from uuid import UUID

from graphql import GraphQLField, GraphQLNonNull, GraphQLObjectType, get_named_type, is_leaf_type

from auth import policy
from auth.rules import Rule
from schema.build import build
from tests.api import Answer
from tests.schema.world import World, key

SCHEMA = build()
STYLES: Final = ("plain", "alias", "fragment", "inline", "node")
Path = tuple[str | int, ...]


def objects() -> dict[str, GraphQLObjectType]:
    """The object types of the schema."""
    return {
        name: type_
        for name, type_ in SCHEMA.type_map.items()
        if isinstance(type_, GraphQLObjectType) and not name.startswith("__")
    }


TYPES = objects()


def target(field_: GraphQLField) -> str:
    """The name of the type that a field leads to."""
    return str(get_named_type(field_.type))


def rule(type_name: str, name: str) -> Rule:
    """The rule of a field."""
    return cast("Rule", TYPES[type_name].fields[name].extensions["rule"])


@dataclass(frozen=True)
class Step:
    """One field on the way: of which type, to which type, with which arguments."""

    parent: str
    name: str
    type: str
    given: str = ""
    abstract: bool = False


@dataclass
class Found:
    """What one walk came by, for the question what no walk ever reached."""

    allowed: set[tuple[str, str]] = field(default_factory=set[tuple[str, str]])
    denied: set[tuple[str, str]] = field(default_factory=set[tuple[str, str]])
    differences: list[str] = field(default_factory=list[str])


# ---- Writing queries -------------------------------------------------------------------------


def given(world: World, type_name: str, name: str) -> str:
    """The arguments of a field: what it demands, and small pages."""
    demanded = {
        "Query.account": f"(number: {world.number})",
        "Query.invitation": f'(token: "{world.invitation_token}")',
        "Account.viewerCan": "(permission: SETTINGS_READ)",
    }
    if found := demanded.get(f"{type_name}.{name}"):
        return found
    return "(first: 10)" if "first" in TYPES[type_name].fields[name].args else ""


def selected(world: World, type_name: str, *, alias: str = "", skip: frozenset[str] = frozenset()) -> str:
    """Every field of a type; of objects only what they are."""
    parts: list[str] = ["_id: id"] if "id" in TYPES[type_name].fields else ["__typename"]
    for name, field_ in TYPES[type_name].fields.items():
        if name not in skip:
            below = "" if is_leaf_type(get_named_type(field_.type)) else " { __typename }"
            parts.append(f"{alias}{name}: {name}{given(world, type_name, name)}{below}")
    return " ".join(parts)


def document(world: World, steps: tuple[Step, ...], type_name: str, style: str) -> str:
    """A query down to all fields of a type, in one of the ways in which the same can be written."""
    skip = frozenset({"node", "nodes"}) if type_name == "Query" else frozenset[str]()
    alias = "" if style in {"plain", "inline"} else "a_"
    text, fragments = selected(world, type_name, alias=alias, skip=skip), ""
    if style == "fragment":
        fragments = f" fragment Down on {type_name} {{ ...Deeper }} fragment Deeper on {type_name} {{ {text} }}"
        text = "...Down"
    elif style == "inline":
        text = f"... {{ ... on {type_name} @include(if: true) {{ {text} }} }}"
    elif style == "node" and "Node" in [one.name for one in TYPES[type_name].interfaces]:
        text = f"... on Node {{ id ... on {type_name} {{ {text} }} }}"
    for step in reversed(steps):
        text = f"_account: id {text}" if step.type == "Account" else text
        text = f"__typename ... on {step.type} {{ {text} }}" if step.abstract else text
        text = f"{step.name}{step.given} {{ {text} }}"
    return f"{{ {text} }}{fragments}"


# ---- Reading answers -------------------------------------------------------------------------


def found_at(
    value: Any,  # JSON
    names: tuple[str, ...],
    path: Path = (),
    account: str | None = None,
) -> Iterator[tuple[Path, dict[str, Any], str | None]]:
    """The objects at a path of names, each with its full path and the account that it is under."""
    if isinstance(value, list):
        for place, entry in enumerate(value):
            yield from found_at(entry, names, (*path, place), account)
    elif isinstance(value, dict):
        account = value.get("_account", account)
        if names:
            yield from found_at(value.get(names[0]), names[1:], (*path, names[0]), account)
        else:
            yield path, value, account


class Judge:
    """Compares an answer with what the rules say of each of its fields."""

    def __init__(self, world: World, name: str, said: Found) -> None:
        self.world = world
        self.name = name
        self.said = said
        self.expected: dict[Path, dict[str, Any]] = {}

    async def judge(self, type_name: str, path: Path, shown: dict[str, Any], account: str | None) -> None:
        """Look at every field of one object."""
        row = self._row(type_name, shown, account)
        held, standing = await self.world.rights(self.name, type_name, row)
        alias = "a_" if any(name.startswith("a_") for name in shown) else ""
        for name, field_ in TYPES[type_name].fields.items():
            if f"{alias}{name}" not in shown:
                continue
            demanded, value = rule(type_name, name), shown[f"{alias}{name}"]
            place = (*path, f"{alias}{name}")
            if held & demanded.bits:
                self.said.allowed.add((type_name, name))
                if value is None and isinstance(field_.type, GraphQLNonNull):
                    self.said.differences.append(f"{self.name}: {place} is null")
                continue
            self.said.denied.add((type_name, name))
            if value is not None:
                self.said.differences.append(f"{self.name}: {place} is shown")
            self.expected[place] = refusal(demanded, standing, signed_in=self.world.people[self.name] is not None)

    async def entered(self, root: str, name: str) -> None:
        """Look at one field of a root by itself: whether it may be asked for at all."""
        held, _ = await self.world.rights(self.name, root, None)
        if held & rule(root, name).bits:
            self.said.allowed.add((root, name))
        else:
            self.said.denied.add((root, name))
            self.expected[name,] = refusal(rule(root, name), None, signed_in=self.world.people[self.name] is not None)

    def _row(self, type_name: str, shown: dict[str, Any], account: str | None) -> UUID | None:
        if type_name in {"AccountSettings", "AccountSubscription", "AccountLink", "Seats"}:
            assert account is not None
            return key(account)
        return key(shown["_id"]) if "_id" in shown else None

    def errors(self, answer: Answer, query: str) -> None:
        """The errors must be those expected, each once, and no other."""
        actual: dict[Path, dict[str, Any]] = {}
        for error in answer.errors:
            place = tuple(error.get("path", ()))
            if place in actual:
                self.said.differences.append(f"{self.name}: {place} is refused twice")
            actual[place] = {name: value for name, value in error["extensions"].items() if name != "requestId"}
        self.said.differences += [
            f"{self.name}: {place}: {actual.get(place)} instead of {self.expected.get(place)} in {query}"
            for place in actual.keys() | self.expected.keys()
            if actual.get(place) != self.expected.get(place)
        ]


def refusal(demanded: Rule, standing: policy.GrantFacts | None, *, signed_in: bool) -> dict[str, Any]:
    """The extensions of a refused field's error."""
    if not signed_in:
        return {"code": "UNAUTHENTICATED"}
    assert demanded.permission is not None
    decision = policy.decide(demanded.permission, standing)
    return {
        "code": "FORBIDDEN",
        "permission": decision.permission.value,
        "role": standing.role.value if standing else None,
        "reason": decision.reason.value,
        "grantableBy": [role.value for role in decision.grantable_by],
    }


# ---- Walking ---------------------------------------------------------------------------------

TRIES: Final = 3
"""By how many ways an edge is tried while it leads to nothing."""


async def walk(world: World, name: str, *, disguised: bool = False) -> Found:
    """Follow every edge of the graph from the root, and judge every field of what it leads to."""
    said, tried, led = Found(), Counter[Step](), set[Step]()
    ways: list[tuple[tuple[Step, ...], str]] = [((), "Query")]
    for number, (steps, type_name) in enumerate(ways):  # grows while it is walked
        edge = steps[-1] if steps else None
        if edge is not None and (edge in led or tried[edge] == TRIES):
            continue
        style = STYLES[number % len(STYLES)] if disguised else "plain"
        shown = await _ask(world, name, said, (steps, type_name), style)
        if edge is not None:
            tried[edge] += 1
            led |= {edge} if shown else set()
        ways += [((*steps, step), step.type) for step in edges(world, type_name, shown)]
    return said


async def _ask(
    world: World, name: str, said: Found, way: tuple[tuple[Step, ...], str], style: str
) -> list[dict[str, Any]]:
    """The objects at the end of a way, once they are judged."""
    steps, type_name = way
    query = document(world, steps, type_name, style)
    answer = await world.api.ask(query, by=world.people[name])
    judge = Judge(world, name, said)
    if steps and steps[0].abstract:
        await judge.entered("Query", steps[0].name)
    shown = list(found_at(answer.partial, tuple(step.name for step in steps)))
    for path, value, account in shown:
        await judge.judge(type_name, path, value, account)
    judge.errors(answer, query)
    return [value for _, value, _ in shown]


def edges(world: World, type_name: str, shown: list[dict[str, Any]]) -> Iterator[Step]:
    """The fields that lead on from objects of a type, where one of them has something there."""
    for name, field_ in TYPES[type_name].fields.items():
        if target(field_) == "Node":
            yield from _nodes(world, type_name, name)
        elif not is_leaf_type(get_named_type(field_.type)):
            values = [value.get(name, value.get(f"a_{name}")) for value in shown]
            if any(values):
                yield Step(type_name, name, target(field_), given(world, type_name, name))


def _nodes(world: World, type_name: str, name: str) -> Iterator[Step]:
    for wanted, found in world.objects.items():
        listed = ", ".join(f'"{one}"' for one in found)
        arguments = f'(id: "{found[0]}")' if name == "node" else f"(ids: [{listed}])"
        yield Step(type_name, name, wanted, arguments, abstract=True)
