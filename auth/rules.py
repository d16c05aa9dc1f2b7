"""The four rules that a field can declare, as alternatives in one bit set.

A rule is the set of rights of which the caller needs one; the rights that the caller has on an
object are a bit set too: his permissions in the object's account, and the three flags below.
"""

from dataclasses import dataclass
from typing import Final

from auth import policy
from auth.policy import Permission

PUBLIC: Final = 1 << 60
AUTHENTICATED: Final = 1 << 61
SELF: Final = 1 << 62
AS_SELF: Final = 1 << 59
"""In the place of SELF for who looks through another's eyes at what is that other's: where a rule
has a permission beside SELF that all have who may look, he may see it himself; what is its holder's
alone stays his alone."""


@dataclass(frozen=True, slots=True)
class Rule:
    """What a field demands of its caller.

    `bits` has the rights of which one is enough; `permission` names the one that can be given.
    """

    bits: int
    permission: Permission | None = None

    @property
    def or_self(self) -> bool:
        """Whether the one whose data it is may read it without the permission."""
        return self.permission is not None and bool(self.bits & SELF)

    def __str__(self) -> str:
        """As people read it: `SETTINGS_READ`, `USERS_READ or self`, `self`, `public`."""
        if self.permission:
            return f"{self.permission}{' or self' if self.or_self else ''}"
        return {PUBLIC: "public", AUTHENTICATED: "authenticated", SELF: "self"}[self.bits]


ANYONE: Final = Rule(PUBLIC)
SIGNED_IN: Final = Rule(AUTHENTICATED)
ONESELF: Final = Rule(SELF)


def needs(permission: Permission, *, or_self: bool = False) -> Rule:
    """The rule of a field that wants `permission` in the account its object belongs to."""
    bit = policy.mask([permission])
    own = SELF | (AS_SELF if bit & policy.COMMON_TO_VIEWERS else 0)
    return Rule(bit | (own if or_self else 0), permission)


def explain(rule: Rule) -> str:
    """The sentence that ends a guarded field's description, naming the roles that have it."""
    if rule.permission is None:
        return ""
    always, where_given = policy.holders(rule.permission)
    by_right = ", ".join(_plain(role) for role in always)
    by_list = " and ".join(_plain(role) for role in where_given)
    own = " Everybody sees his own." if rule.or_self else ""
    given = f"; {by_list} where given" if by_list else ""
    return f"Needs {rule.permission}: {by_right}{given}.{own}"


def _plain(role: policy.Role) -> str:
    return role.value.lower().replace("_", " ")
