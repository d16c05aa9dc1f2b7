"""A walk over the graph as one caller, with a check of every field against its rule and the permission table.

No field is named here: types, fields and rules come from the schema, rights from the world. A field is expected to
have either no error at its path, or the value null and one error with the decision. Anything else in the response
is a difference.
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
from tests.api import Response
from tests.schema.world import ACCOUNT_PARTS, World, key

SCHEMA = build()
STYLES: Final = ("plain", "alias", "fragment", "inline", "node")
Path = tuple[str | int, ...]


def object_types() -> dict[str, GraphQLObjectType]:
    """The object types of the schema."""
    return {
        name: type_
        for name, type_ in SCHEMA.type_map.items()
        if isinstance(type_, GraphQLObjectType) and not name.startswith("__")
    }


TYPES = object_types()


def target_type(field_: GraphQLField) -> str:
    """The name of a field's type."""
    return str(get_named_type(field_.type))


def rule(type_name: str, name: str) -> Rule:
    """The rule of a field."""
    return cast("Rule", TYPES[type_name].fields[name].extensions["rule"])


@dataclass(frozen=True)
class Step:
    """A field of a path: its parent type, its name, its type and its arguments."""

    parent: str
    name: str
    type: str
    arguments: str = ""
    is_abstract: bool = False


@dataclass
class Findings:
    """The fields that were allowed and denied, and the differences from what was expected."""

    allowed_fields: set[tuple[str, str]] = field(default_factory=set[tuple[str, str]])
    denied_fields: set[tuple[str, str]] = field(default_factory=set[tuple[str, str]])
    differences: list[str] = field(default_factory=list[str])


# ---- Writing queries -------------------------------------------------------------------------


def arguments_of(world: World, type_name: str, name: str) -> str:
    """The arguments of a field: the required ones, and small pages."""
    literals = {
        "Query.account": f"(number: {world.account_number})",
        "Query.invitation": f'(token: "{world.invitation_token}")',
        "Account.viewerCan": "(permission: SETTINGS_READ)",
    }
    if arguments := literals.get(f"{type_name}.{name}"):
        return arguments
    return "(first: 10)" if "first" in TYPES[type_name].fields[name].args else ""


def selection(world: World, type_name: str, *, alias: str = "", skip: frozenset[str] = frozenset()) -> str:
    """Every field of a type; of objects only `__typename`."""
    parts: list[str] = ["_id: id"] if "id" in TYPES[type_name].fields else ["__typename"]
    for name, field_ in TYPES[type_name].fields.items():
        if name not in skip:
            below = "" if is_leaf_type(get_named_type(field_.type)) else " { __typename }"
            parts.append(f"{alias}{name}: {name}{arguments_of(world, type_name, name)}{below}")
    return " ".join(parts)


def document(world: World, steps: tuple[Step, ...], type_name: str, style: str) -> str:
    """A query for all fields of a type at the end of a path, in one of several equivalent styles."""
    skip = frozenset({"node", "nodes"}) if type_name == "Query" else frozenset[str]()
    alias = "" if style in {"plain", "inline"} else "a_"
    text, fragments = selection(world, type_name, alias=alias, skip=skip), ""
    if style == "fragment":
        fragments = f" fragment Down on {type_name} {{ ...Deeper }} fragment Deeper on {type_name} {{ {text} }}"
        text = "...Down"
    elif style == "inline":
        text = f"... {{ ... on {type_name} @include(if: true) {{ {text} }} }}"
    elif style == "node" and "Node" in [interface.name for interface in TYPES[type_name].interfaces]:
        text = f"... on Node {{ id ... on {type_name} {{ {text} }} }}"
    for step in reversed(steps):
        text = f"_account: id {text}" if step.type == "Account" else text
        text = f"__typename ... on {step.type} {{ {text} }}" if step.is_abstract else text
        text = f"{step.name}{step.arguments} {{ {text} }}"
    return f"{{ {text} }}{fragments}"


# ---- Reading answers -------------------------------------------------------------------------


def objects_at(
    value: Any,  # JSON
    names: tuple[str, ...],
    path: Path = (),
    account: str | None = None,
) -> Iterator[tuple[Path, dict[str, Any], str | None]]:
    """The objects at a path of names, each with its full path and the id of the nearest account above."""
    if isinstance(value, list):
        for index, entry in enumerate(value):
            yield from objects_at(entry, names, (*path, index), account)
    elif isinstance(value, dict):
        account = value.get("_account", account)
        if names:
            yield from objects_at(value.get(names[0]), names[1:], (*path, names[0]), account)
        else:
            yield path, value, account


class ResponseChecker:
    """Compares a response with the rule of each of its fields."""

    def __init__(self, world: World, name: str, findings: Findings) -> None:
        self.world = world
        self.name = name
        self.findings = findings
        self.expected_errors: dict[Path, dict[str, Any]] = {}

    async def check_object(self, type_name: str, path: Path, object_: dict[str, Any], account: str | None) -> None:
        """Check every field of one object."""
        row = self._row(type_name, object_, account)
        rights, facts = await self.world.rights(self.name, type_name, row)
        alias = "a_" if any(name.startswith("a_") for name in object_) else ""
        for name, field_ in TYPES[type_name].fields.items():
            if f"{alias}{name}" not in object_:
                continue
            field_rule, value = rule(type_name, name), object_[f"{alias}{name}"]
            field_path = (*path, f"{alias}{name}")
            if rights & field_rule.bits:
                self.findings.allowed_fields.add((type_name, name))
                if value is None and isinstance(field_.type, GraphQLNonNull):
                    self.findings.differences.append(f"{self.name}: {field_path} is null")
                continue
            self.findings.denied_fields.add((type_name, name))
            if value is not None:
                self.findings.differences.append(f"{self.name}: {field_path} is not null")
            self.expected_errors[field_path] = refusal_extensions(
                field_rule, facts, signed_in=self.world.people[self.name] is not None
            )

    async def check_root_field(self, root: str, name: str) -> None:
        """Check one field of a root type alone."""
        rights, _ = await self.world.rights(self.name, root, None)
        if rights & rule(root, name).bits:
            self.findings.allowed_fields.add((root, name))
        else:
            self.findings.denied_fields.add((root, name))
            self.expected_errors[name,] = refusal_extensions(
                rule(root, name), None, signed_in=self.world.people[self.name] is not None
            )

    def _row(self, type_name: str, value: dict[str, Any], account: str | None) -> UUID | None:
        if type_name != "Account" and ACCOUNT_PARTS.get(type_name, ("",))[0] == "accounts":
            assert account is not None
            return key(account)
        return key(value["_id"]) if "_id" in value else None

    def check_errors(self, answer: Response, query: str) -> None:
        """Check that the errors are the expected ones, each once."""
        actual: dict[Path, dict[str, Any]] = {}
        for error in answer.errors:
            path = tuple(error.get("path", ()))
            if path in actual:
                self.findings.differences.append(f"{self.name}: {path} has two errors")
            actual[path] = {name: value for name, value in error["extensions"].items() if name != "requestId"}
        self.findings.differences += [
            f"{self.name}: {path}: {actual.get(path)} instead of {self.expected_errors.get(path)} in {query}"
            for path in actual.keys() | self.expected_errors.keys()
            if actual.get(path) != self.expected_errors.get(path)
        ]


def refusal_extensions(field_rule: Rule, facts: policy.GrantFacts | None, *, signed_in: bool) -> dict[str, Any]:
    """The extensions of the error of a denied field."""
    if not signed_in:
        return {"code": "UNAUTHENTICATED"}
    assert field_rule.permission is not None
    decision = policy.decide(field_rule.permission, facts)
    return {
        "code": "FORBIDDEN",
        "permission": decision.permission.value,
        "role": facts.role.value if facts else None,
        "reason": decision.reason.value,
        "grantableBy": [role.value for role in decision.grantable_by],
    }


# ---- Walking ---------------------------------------------------------------------------------

MAX_ATTEMPTS: Final = 3
"""The number of paths to a field that are read while its value is empty."""


async def walk(world: World, name: str, *, vary_styles: bool = False) -> Findings:
    """Read every field of the graph from the root down, and check every object."""
    findings, attempts, filled_steps = Findings(), Counter[Step](), set[Step]()
    paths: list[tuple[tuple[Step, ...], str]] = [((), "Query")]
    for number, (steps, type_name) in enumerate(paths):  # the list grows in the loop
        last_step = steps[-1] if steps else None
        if last_step is not None and (last_step in filled_steps or attempts[last_step] == MAX_ATTEMPTS):
            continue
        style = STYLES[number % len(STYLES)] if vary_styles else "plain"
        objects = await _read(world, name, findings, (steps, type_name), style)
        if last_step is not None:
            attempts[last_step] += 1
            filled_steps |= {last_step} if objects else set()
        paths += [((*steps, step), step.type) for step in next_steps(world, type_name, objects)]
    return findings


async def _read(
    world: World, name: str, findings: Findings, path_and_type: tuple[tuple[Step, ...], str], style: str
) -> list[dict[str, Any]]:
    """The objects at the end of a path, after the check."""
    steps, type_name = path_and_type
    query = document(world, steps, type_name, style)
    answer = await world.api.ask(query, by=world.people[name])
    checker = ResponseChecker(world, name, findings)
    if steps and steps[0].is_abstract:
        await checker.check_root_field("Query", steps[0].name)
    objects = list(objects_at(answer.partial, tuple(step.name for step in steps)))
    for path, value, account in objects:
        await checker.check_object(type_name, path, value, account)
    checker.check_errors(answer, query)
    return [value for _, value, _ in objects]


def next_steps(world: World, type_name: str, objects: list[dict[str, Any]]) -> Iterator[Step]:
    """The fields of a type with objects, if one of the given objects has a value there."""
    for name, field_ in TYPES[type_name].fields.items():
        if target_type(field_) == "Node":
            yield from _node_steps(world, type_name, name)
        elif not is_leaf_type(get_named_type(field_.type)):
            values = [value.get(name, value.get(f"a_{name}")) for value in objects]
            if any(values):
                yield Step(type_name, name, target_type(field_), arguments_of(world, type_name, name))


def _node_steps(world: World, type_name: str, name: str) -> Iterator[Step]:
    for object_type, object_ids in world.objects.items():
        id_list = ", ".join(f'"{object_id}"' for object_id in object_ids)
        arguments = f'(id: "{object_ids[0]}")' if name == "node" else f"(ids: [{id_list}])"
        yield Step(type_name, name, object_type, arguments, is_abstract=True)
