"""The schema keeps the contract with clients: contract.graphql beside this file.

Every element that is in both agrees in name, type, arguments and nullability. The schema may have further optional
arguments, fields, values and types. NOT_YET names the elements of the contract that the schema lacks.
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
    SchemaDefinitionNode,
    parse,
    print_ast,
)

import schema

CONTRACT = (Path(__file__).parent / "contract.graphql").read_text()

NOT_YET = set[str]()

Elements = dict[str, str]


def elements_of(sdl: str) -> Elements:
    """The kind or type of every type, field, argument, enum value and directive, by its coordinate."""
    elements: Elements = {}
    for node in parse(sdl, no_location=True).definitions:
        match node:
            case DirectiveDefinitionNode():
                locations = sorted(location.value for location in node.locations)
                elements[f"@{node.name.value}"] = " ".join(locations)
                elements |= inputs(f"@{node.name.value}", node.arguments)
            case ObjectTypeDefinitionNode() | InterfaceTypeDefinitionNode():
                name = node.name.value
                elements[name] = " & ".join(sorted(interface.name.value for interface in node.interfaces or ()))
                elements |= rule(name, node)
                for field in node.fields or ():
                    elements[f"{name}.{field.name.value}"] = print_ast(field.type)
                    elements |= rule(f"{name}.{field.name.value}", field)
                    elements |= inputs(f"{name}.{field.name.value}", field.arguments)
            case InputObjectTypeDefinitionNode():
                elements[node.name.value] = "input"
                elements |= inputs(node.name.value, node.fields)
            case EnumTypeDefinitionNode():
                elements[node.name.value] = "enum"
                elements |= {f"{node.name.value}.{value.name.value}": "member" for value in node.values or ()}
            case ScalarTypeDefinitionNode():
                elements[node.name.value] = "scalar"
            case SchemaDefinitionNode():
                pass
            case _:
                raise AssertionError(node.kind)
    return elements


def inputs(owner: str, nodes: tuple[InputValueDefinitionNode, ...] | None) -> Elements:
    return {
        f"{owner}({node.name.value})" if "." in owner or "@" in owner else f"{owner}.{node.name.value}": print_ast(
            node.type
        )
        for node in nodes or ()
    }


def rule(owner: str, node: ObjectTypeDefinitionNode | InterfaceTypeDefinitionNode | FieldDefinitionNode) -> Elements:
    """The permission, or the plain directive. The contract does not say if users may read their fields data besides."""
    return {
        f"{owner} @{directive.name.value}": " ".join(
            print_ast(argument.value) for argument in directive.arguments or () if argument.name.value == "permission"
        )
        for directive in node.directives or ()
    }


CONTRACT_ELEMENTS = elements_of(CONTRACT)
SCHEMA_ELEMENTS = elements_of(schema.sdl())


def test_common_elements_agree_with_the_contract() -> None:
    differences = {
        coordinate: (contract_type, SCHEMA_ELEMENTS[coordinate])
        for coordinate, contract_type in CONTRACT_ELEMENTS.items()
        if coordinate in SCHEMA_ELEMENTS and SCHEMA_ELEMENTS[coordinate] != contract_type
    }

    assert differences == {}


def test_only_known_elements_of_the_contract_are_missing() -> None:
    missing_elements = {coordinate for coordinate in CONTRACT_ELEMENTS if coordinate not in SCHEMA_ELEMENTS}
    without_parents = {
        coordinate
        for coordinate in missing_elements
        if not any(coordinate.startswith((f"{parent}.", f"{parent}(", f"{parent} @")) for parent in missing_elements)
    }

    assert without_parents == NOT_YET


def test_added_inputs_are_optional() -> None:
    new_elements = {
        coordinate
        for coordinate in SCHEMA_ELEMENTS
        if coordinate not in CONTRACT_ELEMENTS and _parent(coordinate) in CONTRACT_ELEMENTS
    }
    is_input = {
        coordinate
        for coordinate in new_elements
        if "(" in coordinate or SCHEMA_ELEMENTS[_parent(coordinate)] == "input"
    }

    assert {coordinate for coordinate in is_input if SCHEMA_ELEMENTS[coordinate].endswith("!")} == set()


def _parent(coordinate: str) -> str:
    return coordinate.rpartition("(")[0] or coordinate.rpartition(".")[0]


def test_connections_and_payloads_have_one_shape() -> None:
    type_names = {name for name in SCHEMA_ELEMENTS if name.isalnum()}
    connections = [name for name in type_names if name.endswith("Connection")]
    payloads = [name for name in type_names if name.endswith("Payload")]

    assert connections
    assert payloads
    for name in connections:
        node = name.removesuffix("Connection")
        shape = {"edges": f"[{node}Edge!]!", "nodes": f"[{node}!]!", "pageInfo": "PageInfo!", "totalCount": "Int!"}
        assert {field: SCHEMA_ELEMENTS[f"{name}.{field}"] for field in shape} == shape
    for name in payloads:
        fields = {
            coordinate.partition(".")[2]: type_
            for coordinate, type_ in SCHEMA_ELEMENTS.items()
            if coordinate.startswith(f"{name}.")
        }
        assert fields.pop("errors") == "[UserError!]!"
        assert fields.pop("outcomes", "[ConsultantOutcome!]!") == "[ConsultantOutcome!]!"
        assert [field for field, type_ in fields.items() if type_.endswith("!")] == []
