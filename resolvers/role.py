"""What each role and permission means, from the one table, in the caller's language."""

from dataclasses import dataclass

import i18n
from auth import labels, policy
from auth.policy import Permission, Role
from resolvers.context import Info


@dataclass(frozen=True, slots=True)
class PermissionDefinition:
    """A permission explained."""

    permission: Permission
    description: str
    restrictable: bool


@dataclass(frozen=True, slots=True)
class RoleDefinition:
    """A role explained."""

    role: Role
    name: str
    description: str
    permissions: list[PermissionDefinition]


def roles(_: object, info: Info) -> list[RoleDefinition]:
    """All roles, with what they can hold at most."""
    locale = info.context.caller.locale
    return [
        RoleDefinition(
            role=role,
            name=i18n.translate(locale, labels.ROLE_NAMES[role]),
            description=i18n.translate(locale, labels.ROLES[role]),
            permissions=[_definition(p, locale) for p in policy.permissions(held)],
        )
        for role, held in policy.ROLES.items()
    ]


def _definition(permission: Permission, locale: str) -> PermissionDefinition:
    return PermissionDefinition(
        permission=permission,
        description=i18n.translate(locale, labels.PERMISSIONS[permission]),
        restrictable=bool(policy.mask([permission]) & policy.RESTRICTABLE),
    )
