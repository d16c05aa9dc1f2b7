"""Documents made up from a schema: every one valid, each with the variables that it takes.

A response key stands for one field, type and arguments in all of a document, so that whatever meets
in a selection can be merged.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random
from typing import Any, Final, TypeAlias

from graphql import (
    GraphQLArgument,
    GraphQLEnumType,
    GraphQLField,
    GraphQLInputField,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLSchema,
    GraphQLUnionType,
    get_named_type,
    is_abstract_type,
    is_leaf_type,
    is_required_argument,
    is_required_input_field,
)
from hypothesis import HealthCheck, Phase, settings

Composite: TypeAlias = GraphQLObjectType | GraphQLInterfaceType | GraphQLUnionType
Value: TypeAlias = Callable[[Random, str, str], object]
"""A value of a scalar: by the name of the argument or input field, and of the type."""

SCALARS: Final[Mapping[str, list[object]]] = {
    "Int": [0, 1, 2, 7, -5, 2**31 - 1],
    "Float": [0, 1.5, -2, 1e10],
    "String": ["", "x", "ø", 'a"b\\c\n'],
    "Boolean": [True, False],
    "ID": ["1", 5, "x"],
}
LARGEST: Final = 40  # fields of one document


@dataclass(frozen=True)
class Document:
    """An operation, ready to be asked."""

    text: str
    variables: dict[str, Any]
    name: str | None

    def __repr__(self) -> str:
        return f"{self.text}\n{self.variables!r} {self.name!r}"


def chances(seed: int | str) -> Random:
    """The same choices for the same seed."""
    return Random(seed)  # noqa: S311 - nothing secret is made of it


def examples(number: int) -> settings:
    """So many examples for hypothesis, the same ones in each run."""
    return settings(
        max_examples=max(1, number),
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate],  # a seed has no smaller one
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
    )


def of_scalars(random: Random, _: str, type_name: str) -> object:
    """Any value of a scalar."""
    return random.choice(SCALARS.get(type_name, ["x"]))


def write(
    schema: GraphQLSchema,
    random: Random,
    *,
    root: str = "Query",
    depth: int = 5,
    size: int = LARGEST,
    value: Value = of_scalars,
) -> Document:
    """One document of the schema."""
    type_ = schema.type_map[root]
    assert isinstance(type_, GraphQLObjectType)
    return _Writer(schema, random, size, value).document(type_, depth)


def selection(schema: GraphQLSchema, type_: Any, random: Random, *, depth: int, value: Value = of_scalars) -> str:
    """A selection on one type by itself: no named fragments, no variables, no argument that is not demanded."""
    return _Writer(schema, random, LARGEST, value, plain=True).selection(type_, depth)


class _Writer:
    def __init__(self, schema: GraphQLSchema, random: Random, size: int, value: Value, *, plain: bool = False) -> None:
        self.schema = schema
        self.random = random
        self.left = size
        self.plain = plain
        self.value = value
        self.keys: dict[str, tuple[str, str, str]] = {}
        self.fragments: list[tuple[str, Composite, str]] = []
        self.variables: dict[str, Any] = {}
        self.declared: list[str] = []

    def chance(self, likelihood: float) -> bool:
        return self.random.random() < likelihood

    def document(self, root: GraphQLObjectType, depth: int) -> Document:
        selection = self.selection(root, depth)
        kind = "mutation" if root is self.schema.mutation_type else "query"
        name = "Q" if self.chance(0.5) else ""
        declared = f"({', '.join(self.declared)})" if self.declared else ""
        parts = [f"{kind} {name}{declared} {selection}" if name or declared or kind != "query" else selection]
        parts += [f"fragment {fragment} on {type_} {text}" for fragment, type_, text in self.fragments]
        other = name and self.chance(0.2)
        if other:
            parts.append("query Other { __typename }")
        self.random.shuffle(parts)
        chosen = name if other or (name and self.chance(0.5)) else None
        return Document("\n".join(parts), self.variables, chosen)

    # ---- Selections ----------------------------------------------------------------------------

    def selection(self, type_: Composite, depth: int) -> str:
        parts = [self.part(type_, depth) for _ in range(self.random.choice([1, 2, 2, 3, 4]))]
        return f"{{ {' '.join(filter(None, parts)) or '__typename'} }}"

    def part(self, type_: Composite, depth: int) -> str:
        roll = self.random.random()
        if roll < 0.12 and depth > 0:
            return self.inline(type_, depth)
        if roll < 0.22 and depth > 0 and not self.plain:
            return self.spread(type_, depth)
        if roll < 0.28 or isinstance(type_, GraphQLUnionType):
            return self.inline(type_, depth) if self.chance(0.7) and depth > 0 else f"__typename{self.condition()}"
        return self.field(type_, depth)

    def inline(self, type_: Composite, depth: int) -> str:
        if self.chance(0.3):
            return f"...{self.condition()} {self.selection(type_, depth - 1)}"
        on = self.related(type_)
        return f"... on {on.name}{self.condition()} {self.selection(on, depth - 1)}"

    def spread(self, type_: Composite, depth: int) -> str:
        known = [name for name, on, _ in self.fragments if self.overlaps(on, type_)]
        if known and self.chance(0.4):
            return f"...{self.random.choice(known)}{self.condition()}"
        on = self.related(type_)
        text = self.selection(on, depth - 1)
        name = f"F{len(self.fragments)}"
        self.fragments.append((name, on, text))
        return f"...{name}{self.condition()}"

    def related(self, type_: Composite) -> Composite:
        """A type that objects of this one can be seen as."""
        others = [
            one for one in self.schema.type_map.values() if isinstance(one, Composite) and self.overlaps(one, type_)
        ]
        return self.random.choice([type_, *others])

    def overlaps(self, one: Composite, other: Composite) -> bool:
        return not one.name.startswith("__") and bool(self.possible(one) & self.possible(other))

    def possible(self, type_: Composite) -> set[str]:
        if is_abstract_type(type_):
            return {one.name for one in self.schema.get_possible_types(type_)}
        return {type_.name}

    def condition(self) -> str:
        if self.chance(0.8):
            return ""
        names = self.random.choice([["skip"], ["include"], ["skip", "include"], ["include", "skip"]])
        return "".join(f" @{name}(if: {self.truth()})" for name in names)

    def truth(self) -> str:
        if self.plain or self.chance(0.4):
            return self.random.choice(["true", "false"])
        name = f"b{self.random.randrange(3)}"
        if name not in self.variables and not any(text.startswith(f"${name}:") for text in self.declared):
            kind = self.random.choice(["Boolean!", "Boolean! = true", "Boolean = false", "Boolean! = false"])
            self.declared.append(f"${name}: {kind}")
            if "=" not in kind or self.chance(0.5):
                self.variables[name] = self.chance(0.5)
            if kind == "Boolean = false" and self.chance(0.1):
                self.variables[name] = None
        return f"${name}"

    # ---- Fields --------------------------------------------------------------------------------

    def field(self, type_: GraphQLObjectType | GraphQLInterfaceType, depth: int) -> str:
        self.left -= 1
        leaves_only = depth <= 0 or self.left < 0
        fields = [
            (name, field)
            for name, field in type_.fields.items()
            if not leaves_only or is_leaf_type(get_named_type(field.type))
        ]
        if not fields:
            return "__typename"
        name, field = self.random.choice(fields)
        given = self.arguments(field)
        key = self.key(name, field, given)
        below = "" if is_leaf_type(get_named_type(field.type)) else f" {self.below(field, depth)}"
        return f"{'' if key == name else f'{key}: '}{name}{given}{self.condition()}{below}"

    def below(self, field: GraphQLField, depth: int) -> str:
        named: Any = get_named_type(field.type)
        return self.selection(named, depth - 1)

    def key(self, name: str, field: GraphQLField, given: str) -> str:
        meant = (name, str(field.type), given)
        wished = name if self.chance(0.8) else f"{name}_{self.random.randrange(2)}"
        number = 0
        while self.keys.setdefault(wished, meant) != meant:
            number += 1
            wished = f"{name}__{number}"
        return wished

    def arguments(self, field: GraphQLField) -> str:
        parts = [
            f"{name}: {self.argument(name, argument)}"
            for name, argument in field.args.items()
            if is_required_argument(argument) or (not self.plain and self.chance(0.4))
        ]
        return f"({', '.join(parts)})" if parts else ""

    def argument(self, name: str, argument: GraphQLArgument) -> str:
        if not self.plain and self.chance(0.35):
            return self.variable(name, argument.type)
        return self.literal(name, argument.type)

    def variable(self, name: str, type_: Any) -> str:
        variable = f"v{len(self.declared)}"
        declared = f"${variable}: {type_}"
        place = len(self.declared)
        self.declared.append(declared)
        required = isinstance(type_, GraphQLNonNull)
        if self.chance(0.25):
            self.declared[place] += f" = {self.literal(name, type_, constant=True)}"
            required = False
        if required or self.chance(0.7):
            self.variables[variable] = self.given(name, type_)
        return f"${variable}"

    # ---- Values --------------------------------------------------------------------------------

    def given(self, name: str, type_: Any) -> Any:
        """A value as a variable brings it."""
        if isinstance(type_, GraphQLNonNull):
            type_ = type_.of_type
        elif self.chance(0.15):
            return None
        if isinstance(type_, GraphQLList):
            many = [self.given(name, type_.of_type) for _ in range(self.random.randrange(3))]
            return many[0] if len(many) == 1 and self.chance(0.3) else many
        if isinstance(type_, GraphQLInputObjectType):
            return {key: self.given(key, field.type) for key, field in type_.fields.items() if self.taken(field)}
        if isinstance(type_, GraphQLEnumType):
            return self.random.choice(list(type_.values))
        return self.value(self.random, name, type_.name)

    def literal(self, name: str, type_: Any, *, constant: bool = False) -> str:
        """A value as a document writes it."""
        if isinstance(type_, GraphQLNonNull):
            type_ = type_.of_type
        elif self.chance(0.15):
            return "null"
        if isinstance(type_, GraphQLList):
            many = [self.item(name, type_.of_type, constant=constant) for _ in range(self.random.randrange(3))]
            return f"[{', '.join(many)}]"
        if isinstance(type_, GraphQLInputObjectType):
            parts = [
                f"{key}: {self.item(key, field.type, constant=constant)}"
                for key, field in type_.fields.items()
                if self.taken(field)
            ]
            return f"{{ {', '.join(parts)} }}"
        if isinstance(type_, GraphQLEnumType):
            return str(self.random.choice(list(type_.values)))
        return _printed(self.value(self.random, name, type_.name))

    def item(self, name: str, type_: Any, *, constant: bool) -> str:
        if not constant and not self.plain and self.chance(0.15):
            return self.variable(name, type_)
        return self.literal(name, type_, constant=constant)

    def taken(self, field: GraphQLInputField) -> bool:
        return is_required_input_field(field) or self.chance(0.3)


def _printed(value: object) -> str:
    if isinstance(value, str):
        escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
        return f'"{escaped}"'
    return str(value).lower() if isinstance(value, bool) else str(value)
