"""The `roles` field: names and descriptions of roles and permissions in the caller's language."""

from dataclasses import dataclass

import i18n
from auth import labels, policy
from auth.policy import Permission, Role
from resolvers.context import Info


@dataclass(frozen=True, slots=True)
class PermissionDefinition:
    """A permission with its description."""

    permission: Permission
    description: str
    restrictable: bool


@dataclass(frozen=True, slots=True)
class RoleDefinition:
    """A role with its name, description and maximum permissions."""

    role: Role
    name: str
    description: str
    permissions: list[PermissionDefinition]


def roles(_: object, info: Info) -> list[RoleDefinition]:
    """All roles, with the permissions that each can have at most."""
    locale = info.context.caller.locale
    return [
        RoleDefinition(
            role=role,
            name=i18n.translate(locale, labels.ROLE_NAMES[role]),
            description=i18n.translate(locale, labels.ROLES[role]),
            permissions=[_definition(p, locale) for p in policy.permissions(bits)],
        )
        for role, bits in policy.ROLES.items()
    ]


def _definition(permission: Permission, locale: str) -> PermissionDefinition:
    return PermissionDefinition(
        permission=permission,
        description=i18n.translate(locale, labels.PERMISSIONS[permission]),
        restrictable=bool(policy.mask([permission]) & policy.RESTRICTABLE),
    )
