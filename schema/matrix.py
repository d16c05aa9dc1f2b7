"""The permission table and its effect on every field, as text. All of it is derived."""

from collections.abc import Iterator

from graphql import GraphQLObjectType

from auth import policy
from auth.policy import Permission
from auth.rules import SELF_BIT, Rule
from models.access.reauthentication import ReauthenticationCase
from schema.build import build


def fields() -> Iterator[tuple[str, str, Rule]]:
    """The type, name and rule of every field."""
    for name, type_ in sorted(build().type_map.items()):
        if isinstance(type_, GraphQLObjectType) and not name.startswith("__"):
            for field_name, field in type_.fields.items():
                yield name, field_name, field.extensions["rule"]


def reauthenticated_mutations() -> Iterator[tuple[str, ReauthenticationCase]]:
    """The name of each mutation that needs a recent proof, and the case in which it does."""
    mutation_type = build().mutation_type
    for name, field in sorted(mutation_type.fields.items()) if mutation_type else ():
        case = field.extensions["mutation_resolver"].reauthentication
        if case is not None:
            yield name, case


def matrix() -> str:
    """Three tables: permissions by role, fields by role, and the mutations that need reauthentication."""
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
    lines += ["", "Mutations that need reauthentication: a proof of the last ten minutes that it is the user", ""]
    lines += [
        f"{f'Mutation.{name}':<48} {case}{case.condition and ':'}{case.condition}"
        for name, case in reauthenticated_mutations()
    ]
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
