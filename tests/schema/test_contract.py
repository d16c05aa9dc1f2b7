"""The schema keeps what clients were promised: contract.graphql beside this file is the promise.

Whatever exists agrees with it in name, type, arguments and nullability. More optional arguments,
fields, members and types are fine; what the contract has and the schema lacks stands in NOT_YET.
"""

from pathlib import Path

from graphql import (
    DirectiveDefinitionNode,
    EnumTypeDefinitionNode,
    FieldDefinitionNode,
    InputObjectTypeDefinitionNode,
    InputValueDefinitionNode,
    InterfaceTypeDefinitionNode,
    ObjectTypeDefinitionNode,
    ScalarTypeDefinitionNode,
    parse,
    print_ast,
)

import schema

CONTRACT = (Path(__file__).parent / "contract.graphql").read_text()

NOT_YET = {
    # Scalars that nothing needs so far
    "Date",
    "Decimal",
}

Described = dict[str, str]


def described(sdl: str) -> Described:
    """Every type, field, argument, member and directive by its coordinate, with what it is."""
    found: Described = {}
    for node in parse(sdl, no_location=True).definitions:
        match node:
            case DirectiveDefinitionNode():
                places = sorted(place.value for place in node.locations)
                found[f"@{node.name.value}"] = " ".join(places)
                found |= inputs(f"@{node.name.value}", node.arguments)
            case ObjectTypeDefinitionNode() | InterfaceTypeDefinitionNode():
                name = node.name.value
                found[name] = " & ".join(sorted(one.name.value for one in node.interfaces or ()))
                found |= rule(name, node)
                for field in node.fields or ():
                    found[f"{name}.{field.name.value}"] = print_ast(field.type)
                    found |= rule(f"{name}.{field.name.value}", field)
                    found |= inputs(f"{name}.{field.name.value}", field.arguments)
            case InputObjectTypeDefinitionNode():
                found[node.name.value] = "input"
                found |= inputs(node.name.value, node.fields)
            case EnumTypeDefinitionNode():
                found[node.name.value] = "enum"
                found |= {f"{node.name.value}.{value.name.value}": "member" for value in node.values or ()}
            case ScalarTypeDefinitionNode():
                found[node.name.value] = "scalar"
            case _:
                raise AssertionError(node.kind)
    return found


def inputs(owner: str, nodes: tuple[InputValueDefinitionNode, ...] | None) -> Described:
    return {
        f"{owner}({node.name.value})" if "." in owner or "@" in owner else f"{owner}.{node.name.value}": print_ast(
            node.type
        )
        for node in nodes or ()
    }


def rule(owner: str, node: ObjectTypeDefinitionNode | InterfaceTypeDefinitionNode | FieldDefinitionNode) -> Described:
    """Which permission, or which plain directive; whether one's own is free too is ours to add."""
    return {
        f"{owner} @{directive.name.value}": " ".join(
            print_ast(argument.value) for argument in directive.arguments or () if argument.name.value == "permission"
        )
        for directive in node.directives or ()
    }


PROMISED = described(CONTRACT)
OURS = described(schema.sdl())


def test_what_exists_agrees_with_the_contract() -> None:
    differing = {
        place: (promised, OURS[place])
        for place, promised in PROMISED.items()
        if place in OURS and OURS[place] != promised
    }

    assert differing == {}


def test_what_is_missing_is_known_and_nothing_else() -> None:
    missing = {place for place in PROMISED if place not in OURS}
    without_parents = {
        place
        for place in missing
        if not any(place.startswith((f"{other}.", f"{other}(", f"{other} @")) for other in missing)
    }

    assert without_parents == NOT_YET


def test_nothing_is_demanded_that_the_contract_does_not_know() -> None:
    added = {place for place in OURS if place not in PROMISED and _parent(place) in PROMISED}
    is_input = {place for place in added if "(" in place or OURS[_parent(place)] == "input"}

    assert {place for place in is_input if OURS[place].endswith("!")} == set()


def _parent(place: str) -> str:
    return place.rpartition("(")[0] or place.rpartition(".")[0]


def test_every_connection_and_payload_is_shaped_alike() -> None:
    ours = {name for name in OURS if name.isalnum()}
    connections = [name for name in ours if name.endswith("Connection")]
    payloads = [name for name in ours if name.endswith("Payload")]

    assert connections
    assert payloads
    for name in connections:
        node = name.removesuffix("Connection")
        shape = {"edges": f"[{node}Edge!]!", "nodes": f"[{node}!]!", "pageInfo": "PageInfo!", "totalCount": "Int!"}
        assert {field: OURS[f"{name}.{field}"] for field in shape} == shape
    for name in payloads:
        own = {place.partition(".")[2]: type_ for place, type_ in OURS.items() if place.startswith(f"{name}.")}
        assert own.pop("errors") == "[UserError!]!"
        assert own.pop("outcomes", "[ConsultantOutcome!]!") == "[ConsultantOutcome!]!"
        assert [field for field, type_ in own.items() if type_.endswith("!")] == []
