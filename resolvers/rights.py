"""What the caller may do with one object, as a bit set: the counterpart of a field's rule.

Each type of the graph has one function here, from its rows to the caller's rights on them. It only
looks: whoever lets rows into the graph has loaded the access that they need.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial, reduce
from operator import and_, or_
from typing import Any, Final, overload

from auth import policy
from auth.policy import GrantFacts, Permission
from auth.rules import AS_SELF, AUTHENTICATED, PUBLIC, SELF, Rule
from database.rows import distinct_keys, key_hex, mapped, where
from models.access.access import Access, GrantRow
from models.accounts.account import AccountRow
from models.base.errors import Forbidden, Refused, Unauthenticated
from models.billing.subscription import SubscriptionEntryRow
from models.bureaus.engagement import EngagementRow, shown_to
from models.sharing.access_request import AccessRequestRow
from models.sharing.invitation import InvitationRow
from models.sharing.ownership import OwnershipTransferRow
from resolvers.context import Context

RightsOf = Callable[[Sequence[Any], Context], Sequence[int]]
_USERS_READ = policy.mask([Permission.USERS_READ])


@dataclass(slots=True)
class Rights(Sequence[int]):
    """The caller's rights on each of many rows: at least those in `common`; worked out when one is looked at.

    Most rules are met by what the caller may do in all the accounts, so that nobody asks which rows are his own.
    """

    size: int
    common: int
    work_out: Callable[[], list[int]]
    found: list[int] | None = None

    @property
    def each(self) -> list[int]:
        """All of them."""
        if self.found is None:
            self.found = self.work_out()
        return self.found

    def __len__(self) -> int:
        """How many rows."""
        return self.size

    @overload
    def __getitem__(self, number: int, /) -> int: ...
    @overload
    def __getitem__(self, number: slice, /) -> list[int]: ...
    def __getitem__(self, number: int | slice, /) -> int | list[int]:
        """The rights on one row, or some."""
        return self.each[number]

    def __iter__(self) -> Iterator[int]:
        """The rights on one row after the other."""
        return iter(self.each)


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
    found = _with_own([_base(context)] * len(rows), rows, "user_id", context)
    if context.view is not None and context.caller.session_id is not None:
        for number in where(rows, "id", context.caller.session_id):
            found[number] |= SELF
    return found


def of_users(rows: Sequence[Any], context: Context) -> Sequence[int]:
    """A user sees all of himself; whoever may read the users of a shared account, all of him."""
    return _of_users(rows, "id", context)


def of_linked_accounts(rows: Sequence[Any], context: Context) -> Sequence[int]:
    """What a linked account shows of its owner is what the caller may see of that user.

    In the links of an account, whoever may read its users sees the owners on the other side too.
    """
    found = _of_users(rows, "owner_id", context)
    if not rows or "account_id" not in rows[0].keys():  # noqa: SIM118 - a record, not a dict
        return found
    reads = mapped(rows, "account_id", lambda digits: context.access.bits_of(digits) & _USERS_READ)
    return [one | other for one, other in zip(found, reads, strict=True)]


def _of_users(rows: Sequence[Any], column: str, context: Context) -> Rights:
    base, readable, keys = _base(context), context.readable_users, key_hex(rows, column)

    def each() -> list[int]:
        found = [base | _USERS_READ if key in readable else base for key in keys]
        return _with_own(found, rows, column, context)

    return Rights(len(keys), base | _USERS_READ if readable.issuperset(keys) else base, each)


def _with_own(found: list[int], rows: Sequence[Any], column: str, context: Context) -> list[int]:
    """Rights with SELF where the row is the caller's own, or AS_SELF where it is his through whom he looks."""
    me, own = (context.viewer_id, SELF) if context.view is None else (context.view.holder_id, AS_SELF)
    if me is not None:
        for number in where(rows, column, me):
            found[number] |= own
    return found


@dataclass(frozen=True, slots=True)
class OfAccount:
    """Objects of an account: the caller's permissions there, and SELF where the row is his own.

    `account` is the column with the account's id, `own` the one with the id of whose row it is.
    """

    account: str = "account_id"
    own: str | None = None

    def __call__(self, rows: Sequence[Any], context: Context) -> Sequence[int]:
        """The caller's rights on each row."""
        accounts = distinct_keys(rows, self.account)
        in_all = reduce(and_, map(context.access.bits_of, accounts)) if accounts else 0
        return Rights(len(rows), _base(context) | in_all, partial(self._each, rows, context))

    def _each(self, rows: Sequence[Any], context: Context) -> list[int]:
        base, bits = _base(context), context.access.bits_of
        found = mapped(rows, self.account, lambda digits: base | bits(digits))
        if self.own is None:
            return found
        if context.view is None:
            return _with_own(found, rows, self.own, context)
        here = {*where(rows, self.account, context.view.account_id)}
        held = _with_own([0] * len(found), rows, self.own, context)
        return [
            bits | (own if number in here else 0) for number, (bits, own) in enumerate(zip(found, held, strict=True))
        ]

    def exists(self, row: Any, context: Context) -> bool:
        """Whether the row exists for the caller: he can enter its account, or it is his own."""
        return self.access([row], context)[0] is not None or bool(self([row], context)[0] & SELF)

    def access(self, rows: Sequence[Any], context: Context) -> list[Access | None]:
        """The caller's access to the account of each row."""
        return [*map(context.access.of, key_hex(rows, self.account))]


@dataclass(frozen=True, slots=True)
class OfGrant(OfAccount):
    """Grants: besides, who may read a bureau's users sees the grants of its consultants at its clients.

    Only where the row says on which bureau it hangs: lists of an account's grants have been guarded already.
    """

    def __call__(self, rows: Sequence[Any], context: Context) -> Sequence[int]:
        """The caller's rights on each row."""
        found = OfAccount.__call__(self, rows, context)
        if not rows or "bureau_id" not in rows[0].keys():  # noqa: SIM118 - a record, not a dict
            return found
        bits = context.access.bits
        bureaus = [row["bureau_id"] for row in rows]
        return [
            held if bureau is None else held | bits(bureau) & _USERS_READ
            for held, bureau in zip(found, bureaus, strict=True)
        ]

    def exists(self, row: Any, context: Context) -> bool:
        """Whether the row exists for the caller: one of a consultant does for his bureau, too."""
        return OfAccount.exists(self, row, context) or bool(self([row], context)[0] & _USERS_READ)


@dataclass(frozen=True, slots=True)
class OfEngagement(OfAccount):
    """Engagements: the caller's permissions on either side, but not on one that asked blindly."""

    def __call__(self, rows: Sequence[Any], context: Context) -> Sequence[int]:
        """The caller's rights on each row."""
        base, bits = _base(context), context.access.bits
        return [reduce(or_, map(bits, shown_to(row)), base) for row in rows]

    def access(self, rows: Sequence[Any], context: Context) -> list[Access | None]:
        """The caller's access to a side of each row."""
        return [next(filter(None, map(context.access.get, shown_to(row))), None) for row in rows]


of_accounts = OfAccount("id")
of_account_parts = OfAccount()
of_grants = OfGrant(own="user_id")
of_invitations = OfAccount(own="invitee_id")
of_engagements = OfEngagement()
of_ownership_transfers = OfAccount(own="receiver_id")
of_access_requests = OfAccount(own="requester_id")
of_events = OfAccount(own="actor_id")

_OF_ROWS: Final[dict[type, OfAccount]] = {
    AccountRow: of_accounts,
    GrantRow: of_grants,
    InvitationRow: of_invitations,
    EngagementRow: of_engagements,
    AccessRequestRow: of_access_requests,
    SubscriptionEntryRow: of_account_parts,
    OwnershipTransferRow: of_ownership_transfers,
}


def existing(entities: Mapping[str, object], context: Context) -> dict[str, object]:
    """What a mutation changed, None in the place of what does not exist for the caller."""
    return {name: entity if _exists(entity, context) else None for name, entity in entities.items()}


def _exists(entity: object, context: Context) -> bool:
    found = _OF_ROWS.get(type(entity))
    return found is None or found.exists(entity, context)


def refusals(rights: RightsOf, rule: Rule, rows: Sequence[Any], context: Context) -> Sequence[Refused]:
    """Why the caller is refused a field of each row: what his rights lack. Those who lack it alike share one."""
    if context.viewer_id is None:
        return [Unauthenticated()] * len(rows)
    found = rights.access(rows, context) if isinstance(rights, OfAccount) else [None] * len(rows)
    standings = [access.standing if access else None for access in found]
    # By what it is, not by what it says: to compare standings takes as long as to refuse, and most are one.
    reasons = {id(standing): _refusal(rule, standing) for standing in {id(each): each for each in standings}.values()}
    return [reasons[id(standing)] for standing in standings]


def _refusal(rule: Rule, standing: GrantFacts | None) -> Refused:
    decision = policy.decide(rule.permission or Permission.ACCOUNT_READ, standing)
    return Forbidden(decision, standing.role if standing else None)
