"""What the caller may do with one object, as a bit set: the counterpart of a field's rule.

Each type of the graph has one function here, from its rows to the caller's rights on them. It only
looks: whoever lets rows into the graph has loaded the access that they need.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from auth import policy
from auth.policy import Permission
from auth.rules import AUTHENTICATED, PUBLIC, SELF, Rule
from models.access import Access
from models.account import AccountRow
from models.errors import Forbidden, Refused, Unauthenticated
from models.grant import GrantRow
from models.invitation import InvitationRow
from models.subscription import SubscriptionEntryRow
from resolvers.context import Context

Rights = Callable[[Sequence[Any], Context], Sequence[int]]
_USERS_READ = policy.mask([Permission.USERS_READ])


def _base(context: Context) -> int:
    return PUBLIC | AUTHENTICATED if context.viewer_id else PUBLIC


def of_anything(rows: Sequence[object], context: Context) -> Sequence[int]:
    """Objects that belong to nobody in particular: roots, payloads, pages, previews."""
    return [_base(context)] * len(rows)


def of_viewer(rows: Sequence[object], context: Context) -> Sequence[int]:
    """Objects that are only ever the caller's own."""
    return [_base(context) | (SELF if context.viewer_id else 0)] * len(rows)


def of_sessions(rows: Sequence[Any], context: Context) -> Sequence[int]:
    """Sessions are their user's."""
    base = _base(context)
    return [base | (SELF if row.user_id == context.viewer_id else 0) for row in rows]


def of_users(rows: Sequence[Any], context: Context) -> Sequence[int]:
    """A user sees all of himself; whoever may read the users of a shared account, all of him."""
    base, me, readable = _base(context), context.viewer_id, context.readable_users
    return [base | (SELF if row.id == me else 0) | (_USERS_READ if row.id in readable else 0) for row in rows]


def of_linked_accounts(rows: Sequence[Any], context: Context) -> Sequence[int]:
    """What a linked account shows of its owner is what the caller may see of that user."""
    base, me, readable = _base(context), context.viewer_id, context.readable_users
    return [
        base | (SELF if row.owner_id == me else 0) | (_USERS_READ if row.owner_id in readable else 0) for row in rows
    ]


@dataclass(frozen=True, slots=True)
class OfAccount:
    """Objects of an account: the caller's permissions there, and SELF where `own` says so."""

    account_id: Callable[[Any], UUID | None]
    own: Callable[[Any, Context], bool] | None = None

    def __call__(self, rows: Sequence[Any], context: Context) -> Sequence[int]:
        """The caller's rights on each row."""
        base = _base(context)
        return [base | self._bits(row, context) | self._self(row, context) for row in rows]

    def exists(self, row: object, context: Context) -> bool:
        """Whether the row exists for the caller: he can enter its account, or it is his own."""
        return self.access(row, context) is not None or bool(self._self(row, context))

    def access(self, row: object, context: Context) -> Access | None:
        """The caller's access to the account of a row."""
        key = self.account_id(row)
        return None if key is None else context.access.get(key)

    def _bits(self, row: object, context: Context) -> int:
        key = self.account_id(row)
        return 0 if key is None else context.access.bits(key)

    def _self(self, row: object, context: Context) -> int:
        return SELF if self.own and context.viewer_id and self.own(row, context) else 0


of_accounts = OfAccount(lambda row: row.id)
of_account_parts = OfAccount(lambda row: row.account_id)
of_grants = OfAccount(lambda row: row.account_id, own=lambda row, context: row.user_id == context.viewer_id)
of_invitations = OfAccount(lambda row: row.account_id, own=lambda row, context: row.invitee_id == context.viewer_id)
of_events = OfAccount(lambda row: row.account_id, own=lambda row, context: row.actor_id == context.viewer_id)

_OF_ROWS: Final[dict[type, OfAccount]] = {
    AccountRow: of_accounts,
    GrantRow: of_grants,
    InvitationRow: of_invitations,
    SubscriptionEntryRow: of_account_parts,
}


def existing(entities: Mapping[str, object], context: Context) -> dict[str, object]:
    """What a mutation changed, None in the place of what does not exist for the caller."""
    return {name: entity if _exists(entity, context) else None for name, entity in entities.items()}


def _exists(entity: object, context: Context) -> bool:
    found = _OF_ROWS.get(type(entity))
    return found is None or found.exists(entity, context)


def refusal(rights: Rights, rule: Rule, row: object, context: Context) -> Refused:
    """Why the caller is refused a field of `row`: what his rights lack."""
    if context.viewer_id is None:
        return Unauthenticated()
    found = rights.access(row, context) if isinstance(rights, OfAccount) else None
    standing = found.standing if found else None
    decision = policy.decide(rule.permission or Permission.ACCOUNT_READ, standing)
    return Forbidden(decision, standing.role if standing else None)
