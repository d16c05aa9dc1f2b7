"""The permission table and its effect on every field, as text. All of it is derived."""

from collections.abc import Iterator

from graphql import GraphQLObjectType

from auth import policy
from auth.policy import Permission
from auth.rules import SELF_BIT, Rule
from schema.build import build


def fields() -> Iterator[tuple[str, str, Rule]]:
    """The type, name and rule of every field."""
    for name, type_ in sorted(build().type_map.items()):
        if isinstance(type_, GraphQLObjectType) and not name.startswith("__"):
            for field_name, field in type_.fields.items():
                yield name, field_name, field.extensions["rule"]


def matrix() -> str:
    """Two tables: permissions by role, and fields by role."""
    legend = ", ".join(f"{letter} {role.value.lower()}" for role, letter in policy.ROLE_LETTERS.items())
    lines = [
        "Permissions and fields by role. Written by: .venv/bin/fullmakt matrix > docs/matrix.txt",
        "",
        legend,
        "x: always, o: if the grant lists it, s: only on the user's own data",
        "",
        _row("Permission", " ".join(policy.ROLE_LETTERS.values())),
    ]
    lines += [_row(permission, _cells_of_permission(permission)) for permission in Permission]
    lines += ["", _row("Field", " ".join(policy.ROLE_LETTERS.values()), "Rule")]
    lines += [_row(f"{type_}.{name}", _cells_of_rule(rule), str(rule)) for type_, name, rule in fields()]
    return "\n".join(lines)


def _row(name: str, cells: str, rule: str = "") -> str:
    return f"{name:<48} {cells}  {rule}".rstrip()


def _cells_of_rule(rule: Rule) -> str:
    if rule.permission is None:
        return " ".join(("s" if rule.bits == SELF_BIT else "x") * len(policy.ROLE_LETTERS))
    return _cells_of_permission(rule.permission).replace(".", "s" if rule.or_self else ".")


def _cells_of_permission(permission: Permission) -> str:
    always, where_given = policy.holders(permission)
    return " ".join("x" if role in always else "o" if role in where_given else "." for role in policy.ROLE_LETTERS)
