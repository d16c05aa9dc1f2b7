"""A generator of random valid documents of a schema, with their variables.

A response key means the same field, type and arguments in the whole document. Fields with the same key can therefore
always be merged.
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
"""A function from the name of an argument or input field and the name of a scalar to a value."""

SCALARS: Final[Mapping[str, list[object]]] = {
    "Int": [0, 1, 2, 7, -5, 2**31 - 1],
    "Float": [0, 1.5, -2, 1e10],
    "String": ["", "x", "ø", 'a"b\\c\n'],
    "Boolean": [True, False],
    "ID": ["1", 5, "x"],
}
MAX_FIELDS: Final = 40  # of one document


@dataclass(frozen=True)
class Document:
    """A document, the values of its variables, and the name of the operation to run. The name may be None."""

    text: str
    variables: dict[str, Any]
    name: str | None

    def __repr__(self) -> str:
        return f"{self.text}\n{self.variables!r} {self.name!r}"


def seeded_random(seed: int | str) -> Random:
    """A random generator. The same seed gives the same choices."""
    return Random(seed)  # noqa: S311 - no secret depends on it


def examples(number: int) -> settings:
    """Settings of hypothesis for this number of examples. They are the same in each run."""
    return settings(
        max_examples=max(1, number),
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate],  # a smaller seed gives no smaller document
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
    )


def random_scalar(random: Random, _: str, type_name: str) -> object:
    """A random value of a scalar."""
    return random.choice(SCALARS.get(type_name, ["x"]))


def generate_document(
    schema: GraphQLSchema,
    random: Random,
    *,
    root: str = "Query",
    depth: int = 5,
    size: int = MAX_FIELDS,
    value: Value = random_scalar,
) -> Document:
    """A random document of the schema."""
    type_ = schema.type_map[root]
    assert isinstance(type_, GraphQLObjectType)
    return _Generator(schema, random, size, value).document(type_, depth)


def generate_selection(
    schema: GraphQLSchema, type_: Any, random: Random, *, depth: int, value: Value = random_scalar
) -> str:
    """A random selection set on one type, without named fragments, variables and optional arguments."""
    return _Generator(schema, random, MAX_FIELDS, value, plain=True).selection(type_, depth)


class _Generator:
    """The state of one document. With `plain`, it has no named fragments, variables and optional arguments."""

    def __init__(self, schema: GraphQLSchema, random: Random, size: int, value: Value, *, plain: bool = False) -> None:
        self.schema = schema
        self.random = random
        self.fields_left = size
        self.plain = plain
        self.value = value
        self.keys: dict[str, tuple[str, str, str]] = {}
        self.fragments: list[tuple[str, Composite, str]] = []
        self.variables: dict[str, Any] = {}
        self.variable_definitions: list[str] = []

    def is_drawn(self, likelihood: float) -> bool:
        return self.random.random() < likelihood

    def document(self, root: GraphQLObjectType, depth: int) -> Document:
        selection = self.selection(root, depth)
        kind = "mutation" if root is self.schema.mutation_type else "query"
        name = "Q" if self.is_drawn(0.5) else ""
        definitions = f"({', '.join(self.variable_definitions)})" if self.variable_definitions else ""
        parts = [f"{kind} {name}{definitions} {selection}" if name or definitions or kind != "query" else selection]
        parts += [f"fragment {fragment} on {type_} {text}" for fragment, type_, text in self.fragments]
        has_second_operation = name and self.is_drawn(0.2)
        if has_second_operation:
            parts.append("query Other { __typename }")
        self.random.shuffle(parts)
        operation_name = name if has_second_operation or (name and self.is_drawn(0.5)) else None
        return Document("\n".join(parts), self.variables, operation_name)

    # ---- Selections ----------------------------------------------------------------------------

    def selection(self, type_: Composite, depth: int) -> str:
        parts = [self.random_selection(type_, depth) for _ in range(self.random.choice([1, 2, 2, 3, 4]))]
        return f"{{ {' '.join(filter(None, parts)) or '__typename'} }}"

    def random_selection(self, type_: Composite, depth: int) -> str:
        draw = self.random.random()
        if draw < 0.12 and depth > 0:
            return self.inline_fragment(type_, depth)
        if draw < 0.22 and depth > 0 and not self.plain:
            return self.fragment_spread(type_, depth)
        if draw < 0.28 or isinstance(type_, GraphQLUnionType):
            return (
                self.inline_fragment(type_, depth)
                if self.is_drawn(0.7) and depth > 0
                else f"__typename{self.condition()}"
            )
        return self.field(type_, depth)

    def inline_fragment(self, type_: Composite, depth: int) -> str:
        if self.is_drawn(0.3):
            return f"...{self.condition()} {self.selection(type_, depth - 1)}"
        on = self.overlapping_type(type_)
        return f"... on {on.name}{self.condition()} {self.selection(on, depth - 1)}"

    def fragment_spread(self, type_: Composite, depth: int) -> str:
        names = [name for name, on, _ in self.fragments if self.overlaps(on, type_)]
        if names and self.is_drawn(0.4):
            return f"...{self.random.choice(names)}{self.condition()}"
        on = self.overlapping_type(type_)
        text = self.selection(on, depth - 1)
        name = f"F{len(self.fragments)}"
        self.fragments.append((name, on, text))
        return f"...{name}{self.condition()}"

    def overlapping_type(self, type_: Composite) -> Composite:
        """A random type that has object types in common with this type."""
        overlapping_types = [
            candidate
            for candidate in self.schema.type_map.values()
            if isinstance(candidate, Composite) and self.overlaps(candidate, type_)
        ]
        return self.random.choice([type_, *overlapping_types])

    def overlaps(self, first: Composite, second: Composite) -> bool:
        return not first.name.startswith("__") and bool(self.possible_types(first) & self.possible_types(second))

    def possible_types(self, type_: Composite) -> set[str]:
        if is_abstract_type(type_):
            return {object_type.name for object_type in self.schema.get_possible_types(type_)}
        return {type_.name}

    def condition(self) -> str:
        if self.is_drawn(0.8):
            return ""
        names = self.random.choice([["skip"], ["include"], ["skip", "include"], ["include", "skip"]])
        return "".join(f" @{name}(if: {self.boolean()})" for name in names)

    def boolean(self) -> str:
        if self.plain or self.is_drawn(0.4):
            return self.random.choice(["true", "false"])
        name = f"b{self.random.randrange(3)}"
        if name not in self.variables and not any(text.startswith(f"${name}:") for text in self.variable_definitions):
            kind = self.random.choice(["Boolean!", "Boolean! = true", "Boolean = false", "Boolean! = false"])
            self.variable_definitions.append(f"${name}: {kind}")
            if "=" not in kind or self.is_drawn(0.5):
                self.variables[name] = self.is_drawn(0.5)
            if kind == "Boolean = false" and self.is_drawn(0.1):
                self.variables[name] = None
        return f"${name}"

    # ---- Fields --------------------------------------------------------------------------------

    def field(self, type_: GraphQLObjectType | GraphQLInterfaceType, depth: int) -> str:
        self.fields_left -= 1
        leaves_only = depth <= 0 or self.fields_left < 0
        fields = [
            (name, field)
            for name, field in type_.fields.items()
            if not leaves_only or is_leaf_type(get_named_type(field.type))
        ]
        if not fields:
            return "__typename"
        name, field = self.random.choice(fields)
        arguments = self.arguments(field)
        key = self.key(name, field, arguments)
        subselection = "" if is_leaf_type(get_named_type(field.type)) else f" {self.subselection(field, depth)}"
        return f"{'' if key == name else f'{key}: '}{name}{arguments}{self.condition()}{subselection}"

    def subselection(self, field: GraphQLField, depth: int) -> str:
        field_type: Any = get_named_type(field.type)
        return self.selection(field_type, depth - 1)

    def key(self, name: str, field: GraphQLField, arguments: str) -> str:
        meaning = (name, str(field.type), arguments)
        key = name if self.is_drawn(0.8) else f"{name}_{self.random.randrange(2)}"
        number = 0
        while self.keys.setdefault(key, meaning) != meaning:
            number += 1
            key = f"{name}__{number}"
        return key

    def arguments(self, field: GraphQLField) -> str:
        parts = [
            f"{name}: {self.argument(name, argument)}"
            for name, argument in field.args.items()
            if is_required_argument(argument) or (not self.plain and self.is_drawn(0.4))
        ]
        return f"({', '.join(parts)})" if parts else ""

    def argument(self, name: str, argument: GraphQLArgument) -> str:
        if not self.plain and self.is_drawn(0.35):
            return self.variable(name, argument.type)
        return self.literal(name, argument.type)

    def variable(self, name: str, type_: Any) -> str:
        variable = f"v{len(self.variable_definitions)}"
        definition = f"${variable}: {type_}"
        index = len(self.variable_definitions)
        self.variable_definitions.append(definition)
        needs_value = isinstance(type_, GraphQLNonNull)
        if self.is_drawn(0.25):
            self.variable_definitions[index] += f" = {self.literal(name, type_, constant=True)}"
            needs_value = False
        if needs_value or self.is_drawn(0.7):
            self.variables[variable] = self.variable_value(name, type_)
        return f"${variable}"

    # ---- Values --------------------------------------------------------------------------------

    def variable_value(self, name: str, type_: Any) -> Any:
        """A random value of a variable."""
        if isinstance(type_, GraphQLNonNull):
            type_ = type_.of_type
        elif self.is_drawn(0.15):
            return None
        if isinstance(type_, GraphQLList):
            items = [self.variable_value(name, type_.of_type) for _ in range(self.random.randrange(3))]
            return items[0] if len(items) == 1 and self.is_drawn(0.3) else items
        if isinstance(type_, GraphQLInputObjectType):
            return {
                key: self.variable_value(key, field.type) for key, field in type_.fields.items() if self.includes(field)
            }
        if isinstance(type_, GraphQLEnumType):
            return self.random.choice(list(type_.values))
        return self.value(self.random, name, type_.name)

    def literal(self, name: str, type_: Any, *, constant: bool = False) -> str:
        """A random literal."""
        if isinstance(type_, GraphQLNonNull):
            type_ = type_.of_type
        elif self.is_drawn(0.15):
            return "null"
        if isinstance(type_, GraphQLList):
            items = [self.item_literal(name, type_.of_type, constant=constant) for _ in range(self.random.randrange(3))]
            return f"[{', '.join(items)}]"
        if isinstance(type_, GraphQLInputObjectType):
            parts = [
                f"{key}: {self.item_literal(key, field.type, constant=constant)}"
                for key, field in type_.fields.items()
                if self.includes(field)
            ]
            return f"{{ {', '.join(parts)} }}"
        if isinstance(type_, GraphQLEnumType):
            return str(self.random.choice(list(type_.values)))
        return _print_literal(self.value(self.random, name, type_.name))

    def item_literal(self, name: str, type_: Any, *, constant: bool) -> str:
        if not constant and not self.plain and self.is_drawn(0.15):
            return self.variable(name, type_)
        return self.literal(name, type_, constant=constant)

    def includes(self, field: GraphQLInputField) -> bool:
        return is_required_input_field(field) or self.is_drawn(0.3)


def _print_literal(value: object) -> str:
    if isinstance(value, str):
        text = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
        return f'"{text}"'
    return str(value).lower() if isinstance(value, bool) else str(value)
