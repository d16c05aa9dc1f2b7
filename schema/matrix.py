"""The permission table, and what it means for every field: derived, never written down."""

from collections.abc import Iterator

from graphql import GraphQLObjectType

from auth import policy
from auth.policy import Permission, Role
from auth.rules import SELF, Rule
from schema.build import build

_SHORT = {
    Role.OWNER: "O",
    Role.ADMINISTRATOR: "A",
    Role.COLLABORATOR: "C",
    Role.ACCOUNTANT: "K",
    Role.CONSULTANT: "N",
    Role.SIMPLE_USER: "S",
}


def fields() -> Iterator[tuple[str, str, Rule]]:
    """Every field of the graph with its rule: type, field, rule."""
    for name, type_ in sorted(build().type_map.items()):
        if isinstance(type_, GraphQLObjectType) and not name.startswith("__"):
            for field_name, field in type_.fields.items():
                yield name, field_name, field.extensions["rule"]


def matrix() -> str:
    """Role x permission, then role x field; `x` has it, `o` up to what his grant lists."""
    legend = ", ".join(f"{short} {role.value.lower()}" for role, short in _SHORT.items())
    lines = [
        "Who may what. Written by: .venv/bin/fullmakt matrix > docs/matrix.txt",
        "",
        legend,
        "x: has it, o: where his grant lists it, s: his own only",
        "",
        _row("Permission", " ".join(_SHORT.values())),
    ]
    lines += [_row(permission, _marks(permission)) for permission in Permission]
    lines += ["", _row("Field", " ".join(_SHORT.values()), "Rule")]
    lines += [_row(f"{type_}.{name}", _allowed(rule), str(rule)) for type_, name, rule in fields()]
    return "\n".join(lines)


def _row(name: str, marks: str, rule: str = "") -> str:
    return f"{name:<48} {marks}  {rule}".rstrip()


def _allowed(rule: Rule) -> str:
    if rule.permission is None:
        return " ".join(("s" if rule.bits == SELF else "x") * len(_SHORT))
    return _marks(rule.permission).replace(".", "s" if rule.or_self else ".")


def _marks(permission: Permission) -> str:
    always, where_given = policy.holders(permission)
    return " ".join("x" if role in always else "o" if role in where_given else "." for role in _SHORT)
