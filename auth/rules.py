"""Access rules of GraphQL fields, as bit sets.

A rule is a set of rights; the caller needs at least one of them. The caller's rights on an object are
also a bit set: the caller's permissions in the object's account, and the four bits below.
"""

from dataclasses import dataclass
from typing import Final

from auth import policy
from auth.policy import Permission

PUBLIC_BIT: Final = 1 << 60
AUTHENTICATED_BIT: Final = 1 << 61
SELF_BIT: Final = 1 << 62
AS_SELF_BIT: Final = 1 << 59
"""Replaces SELF_BIT in a view-as request on rows of the impersonated user.

It satisfies a rule with SELF and a permission that every role with view-as has. Fields with SELF
alone stay hidden."""


@dataclass(frozen=True, slots=True)
class Rule:
    """The access rule of a field. The caller needs one of the rights in `bits`.

    `permission` is the permission among them. None if no permission satisfies the rule.
    """

    bits: int
    permission: Permission | None = None

    @property
    def or_self(self) -> bool:
        """True if users may read their own data without the permission."""
        return self.permission is not None and bool(self.bits & SELF_BIT)

    def __str__(self) -> str:
        """The rule in words: `SETTINGS_READ`, `USERS_READ or self`, `self`, `public`."""
        if self.permission:
            return f"{self.permission}{' or self' if self.or_self else ''}"
        return {PUBLIC_BIT: "public", AUTHENTICATED_BIT: "authenticated", SELF_BIT: "self"}[self.bits]


PUBLIC: Final = Rule(PUBLIC_BIT)
AUTHENTICATED: Final = Rule(AUTHENTICATED_BIT)
SELF: Final = Rule(SELF_BIT)


def needs(permission: Permission, *, or_self: bool = False) -> Rule:
    """The rule of a field that requires `permission` in the account of its object."""
    bit = policy.mask([permission])
    self_bits = SELF_BIT | (AS_SELF_BIT if bit & policy.COMMON_TO_VIEWERS else 0)
    return Rule(bit | (self_bits if or_self else 0), permission)


def explain(rule: Rule) -> str:
    """The last sentence of a guarded field's description. Names the roles that may read it."""
    if rule.permission is None:
        return ""
    always, if_granted = policy.holders(rule.permission)
    always_names = ", ".join(_role_words(role) for role in always)
    if_granted_names = " and ".join(_role_words(role) for role in if_granted)
    own_data = " Users always see their own." if rule.or_self else ""
    conditional = f"; {if_granted_names} if granted" if if_granted_names else ""
    return f"Needs {rule.permission}: {always_names}{conditional}.{own_data}"


def _role_words(role: policy.Role) -> str:
    return role.value.lower().replace("_", " ")
