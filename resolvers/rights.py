"""The caller's rights on objects, as bit sets: the counterpart of a field's access rule.

For each GraphQL type a function maps rows to the caller's rights on them. It reads only the cache:
the resolver that returned the rows has loaded the access.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial, reduce
from operator import and_, or_
from typing import Any, Final, overload

import modules
from auth import policy
from auth.policy import GrantFacts, Permission
from auth.rules import AS_SELF_BIT, AUTHENTICATED_BIT, PUBLIC_BIT, SELF_BIT, Rule
from database.rows import column, distinct_keys, indexes_of, key_hex, map_keys
from models.access.access import Access, GrantRow
from models.accounts.account import AccountRow
from models.audit import event_scope
from models.base.errors import Forbidden, OperationError, Unauthenticated
from models.billing.subscription import SubscriptionEntryRow
from models.bureaus.blind_request import EngagementRequestRow
from models.bureaus.engagement import EngagementRow, visible_to
from models.outbox import message
from models.sharing.access_request import AccessRequestRow
from models.sharing.invitation import InvitationRow
from models.sharing.ownership import OwnershipTransferRow
from resolvers.context import Context

RightsOf = Callable[[Sequence[Any], Context], Sequence[int]]
_USERS_READ = policy.mask([Permission.USERS_READ])


@dataclass(slots=True)
class Rights(Sequence[int]):
    """The caller's rights on each row. Every row has at least `common`; the rest is computed at first use.

    `common` satisfies most rules, so usually the rows of the caller need not be found.
    """

    size: int
    common: int
    compute: Callable[[], list[int]]
    cache: list[int] | None = None

    @property
    def bits(self) -> list[int]:
        """The rights on each row."""
        if self.cache is None:
            self.cache = self.compute()
        return self.cache

    def __len__(self) -> int:
        """The number of rows."""
        return self.size

    @overload
    def __getitem__(self, number: int, /) -> int: ...
    @overload
    def __getitem__(self, number: slice, /) -> list[int]: ...
    def __getitem__(self, number: int | slice, /) -> int | list[int]:
        """The rights on a row or a slice of rows."""
        return self.bits[number]

    def __iter__(self) -> Iterator[int]:
        """The rights on each row, in order."""
        return iter(self.bits)


def base_rights(context: Context) -> int:
    """The caller's rights on an object that does not exist for them, or that gives no others."""
    return PUBLIC_BIT | AUTHENTICATED_BIT if context.viewer_id else PUBLIC_BIT


def of_unowned(rows: Sequence[object], context: Context) -> Sequence[int]:
    """Rights on objects without an owner: roots, payloads, pages, previews."""
    return [base_rights(context)] * len(rows)


def of_viewer(rows: Sequence[object], context: Context) -> Sequence[int]:
    """Rights on objects that always belong to the caller."""
    return [base_rights(context) | (SELF_BIT if context.viewer_id else 0)] * len(rows)


def of_sessions(rows: Sequence[Any], context: Context) -> Sequence[int]:
    """Rights on sessions, which belong to their user."""
    rights = _add_self_rights([base_rights(context)] * len(rows), rows, "user_id", context)
    if context.view is not None and context.caller.session_id is not None:
        for number in indexes_of(rows, "id", context.caller.session_id):
            rights[number] |= SELF_BIT
    return rights


@dataclass(frozen=True, slots=True)
class OfUsers:
    """Rights on users. Users see all of themselves. USERS_READ in an account that connects them makes a user readable.

    `user_column` has the id of the user, `account_column` that of the account in which the row was found, if any.
    """

    user_column: str
    account_column: str

    def __call__(self, rows: Sequence[Any], context: Context) -> Sequence[int]:
        """The caller's rights on each row."""
        base, readable, keys = base_rights(context), context.readable_users, key_hex(rows, self.user_column)

        def compute() -> list[int]:
            rights = [base | _USERS_READ if key in readable else base for key in keys]
            return _add_self_rights(rights, rows, self.user_column, context)

        return Rights(len(keys), base | _USERS_READ if readable.issuperset(keys) else base, compute)

    def accesses(self, rows: Sequence[Any], context: Context) -> list[Access | None]:
        """The access for which each row is refused: to the row's account, or to one that connects caller and user."""
        users = key_hex(rows, self.user_column)
        fallback_accesses = [context.access.peek(context.user_accounts.get(user)) for user in users]
        if not rows or self.account_column not in rows[0].keys():  # noqa: SIM118 - a record, not a dict
            return fallback_accesses
        accounts = column(rows, self.account_column)
        return [
            context.access.peek(account) or fallback_access
            for account, fallback_access in zip(accounts, fallback_accesses, strict=True)
        ]


@dataclass(frozen=True, slots=True)
class OfLinkedAccounts(OfUsers):
    """Rights on linked accounts: the caller's rights on the owner.

    In the links of an account, USERS_READ in that account makes the owners on the other side readable. The same holds
    for these owners anywhere else: `models/people/visibility.py`.
    """

    def __call__(self, rows: Sequence[Any], context: Context) -> Sequence[int]:
        """The caller's rights on each row."""
        owner_rights = OfUsers.__call__(self, rows, context)
        if not rows or "account_id" not in rows[0].keys():  # noqa: SIM118 - a record, not a dict
            return owner_rights
        bits = context.access.bits_by_hex
        user_reads = map_keys(rows, "account_id", lambda account_hex: bits(account_hex) & _USERS_READ)
        return [right_bits | user_read for right_bits, user_read in zip(owner_rights, user_reads, strict=True)]


def _add_self_rights(rights: list[int], rows: Sequence[Any], column: str, context: Context) -> list[int]:
    """Add SELF_BIT on the caller's own rows, or AS_SELF_BIT on rows of the impersonated user. Changes `rights`."""
    user_id, bit = (context.viewer_id, SELF_BIT) if context.view is None else (context.view.holder_id, AS_SELF_BIT)
    if user_id is not None:
        for number in indexes_of(rows, column, user_id):
            rights[number] |= bit
    return rights


@dataclass(frozen=True, slots=True)
class OfAccount:
    """Rights on objects of an account: the caller's permissions there, and SELF_BIT on the caller's own rows.

    `account_column` has the id of the account, `self_column` the id of the row's user. None if a row
    belongs to no user.
    """

    account_column: str = "account_id"
    self_column: str | None = None

    def __call__(self, rows: Sequence[Any], context: Context) -> Sequence[int]:
        """The caller's rights on each row."""
        accounts = distinct_keys(rows, self.account_column)
        in_all = reduce(and_, map(context.access.bits_by_hex, accounts)) if accounts else 0
        return Rights(len(rows), base_rights(context) | in_all, partial(self._compute, rows, context))

    def _compute(self, rows: Sequence[Any], context: Context) -> list[int]:
        base, bits = base_rights(context), context.access.bits_by_hex
        rights = map_keys(rows, self.account_column, lambda account_hex: base | bits(account_hex))
        if self.self_column is None:
            return rights
        if context.view is None:
            return _add_self_rights(rights, rows, self.self_column, context)
        rows_in_account = {*indexes_of(rows, self.account_column, context.view.account_id)}
        self_rights = _add_self_rights([0] * len(rights), rows, self.self_column, context)
        return [
            bits | (self_bits if number in rows_in_account else 0)
            for number, (bits, self_bits) in enumerate(zip(rights, self_rights, strict=True))
        ]

    def exists(self, row: Any, context: Context) -> bool:
        """True if the row exists for the caller: they have access to its account, or the row is their own."""
        return self.accesses([row], context)[0] is not None or bool(self([row], context)[0] & SELF_BIT)

    def accesses(self, rows: Sequence[Any], context: Context) -> list[Access | None]:
        """The caller's access to the account of each row."""
        return [*map(context.access.get_by_hex, key_hex(rows, self.account_column))]


@dataclass(frozen=True, slots=True)
class OfGrant(OfAccount):
    """Rights on grants. USERS_READ in a bureau also covers its consultants' grants at its clients.

    Only for rows with a `bureau_id` column: the connections of an account's grants are already guarded.
    """

    def __call__(self, rows: Sequence[Any], context: Context) -> Sequence[int]:
        """The caller's rights on each row."""
        account_rights = OfAccount.__call__(self, rows, context)
        if not rows or "bureau_id" not in rows[0].keys():  # noqa: SIM118 - a record, not a dict
            return account_rights
        bits = context.access.bits
        bureaus = [row["bureau_id"] for row in rows]
        return [
            right_bits if bureau is None else right_bits | bits(bureau) & _USERS_READ
            for right_bits, bureau in zip(account_rights, bureaus, strict=True)
        ]

    def exists(self, row: Any, context: Context) -> bool:
        """True if the row exists for the caller. A consultant's grant also exists for the bureau."""
        return OfAccount.exists(self, row, context) or bool(self([row], context)[0] & _USERS_READ)


@dataclass(frozen=True, slots=True)
class OfEngagement(OfAccount):
    """Rights on engagements: the caller's permissions in the accounts that may see the engagement."""

    def __call__(self, rows: Sequence[Any], context: Context) -> Sequence[int]:
        """The caller's rights on each row."""
        base, bits = base_rights(context), context.access.bits
        return [reduce(or_, map(bits, visible_to(row)), base) for row in rows]

    def accesses(self, rows: Sequence[Any], context: Context) -> list[Access | None]:
        """The caller's access to one of the accounts of each engagement."""
        return [next(filter(None, map(context.access.get, visible_to(row))), None) for row in rows]


@dataclass(frozen=True, slots=True)
class OfEvents(OfAccount):
    """Rights on events. An event about a row outside the caller's row scope does not exist for them."""

    def __call__(self, rows: Sequence[Any], context: Context) -> Sequence[int]:
        """The caller's rights on each event."""
        account_rights = OfAccount.__call__(self, rows, context)
        if isinstance(account_rights, Rights) and event_scope.hides_none(account_rights.common):
            return account_rights
        base, creator_id = base_rights(context), context.creator_id
        return [
            bits if event_scope.exists(event_type, row_creator_id, creator_id, bits) else base
            for bits, event_type, row_creator_id in zip(
                account_rights, column(rows, "type"), column(rows, "creator_id"), strict=True
            )
        ]


@dataclass(frozen=True, slots=True)
class OfMessages(OfAccount):
    """Rights on messages. A message of a kind with a `hiding_permission` does not exist without that permission."""

    def __call__(self, rows: Sequence[Any], context: Context) -> Sequence[int]:
        """The caller's rights on each message."""
        account_rights, base, kinds = (
            OfAccount.__call__(self, rows, context),
            base_rights(context),
            column(rows, "kind"),
        )
        hiding_masks = {kind: message.hiding_mask(kind) for kind in {*kinds}}
        if not any(hiding_masks.values()):
            return account_rights
        return [
            bits if bits & hiding_masks[kind] == hiding_masks[kind] else base
            for kind, bits in zip(kinds, account_rights, strict=True)
        ]


of_users = OfUsers("id", "account_id")
of_linked_accounts = OfLinkedAccounts("owner_id", "id")
of_accounts = OfAccount("id")
of_account_parts = OfAccount()
of_messages = OfMessages()
of_grants = OfGrant(self_column="user_id")
of_invitations = OfAccount(self_column="invitee_id")
of_engagements = OfEngagement()
of_ownership_transfers = OfAccount(self_column="receiver_id")
of_access_requests = OfAccount(self_column="requester_id")
of_events = OfEvents(self_column="actor_id")

_OF_ROWS: Final[dict[type, OfAccount]] = {
    AccountRow: of_accounts,
    GrantRow: of_grants,
    InvitationRow: of_invitations,
    EngagementRow: of_engagements,
    AccessRequestRow: of_access_requests,
    EngagementRequestRow: of_account_parts,
    SubscriptionEntryRow: of_account_parts,
    OwnershipTransferRow: of_ownership_transfers,
}


@cache
def _of_rows() -> dict[type, OfAccount]:
    """The rights function of each row class, those of modules included."""
    return modules.join("row rights", _OF_ROWS, *modules.graph_parts("ROW_RIGHTS"))


def hide_invisible(entities: Mapping[str, object], context: Context) -> dict[str, object]:
    """The entities of a payload. None replaces each that does not exist for the caller."""
    return {name: entity if _exists(entity, context) else None for name, entity in entities.items()}


def _exists(entity: object, context: Context) -> bool:
    of_rows = _of_rows().get(type(entity))
    return of_rows is None or of_rows.exists(entity, context)


def field_errors(rights: RightsOf, rule: Rule, rows: Sequence[Any], context: Context) -> Sequence[OperationError]:
    """The error for a denied field of each row. Rows with the same facts share one error."""
    if context.viewer_id is None:
        return [Unauthenticated()] * len(rows)
    accesses: list[Access | None] = [None] * len(rows)
    if isinstance(rights, OfAccount | OfUsers):
        accesses = rights.accesses(rows, context)
    grant_facts = [access.facts if access else None for access in accesses]
    # By identity: comparing facts takes as long as creating the error, and most rows share one object.
    errors = {id(facts): _field_error(rule, facts) for facts in {id(facts): facts for facts in grant_facts}.values()}
    return [errors[id(facts)] for facts in grant_facts]


def _field_error(rule: Rule, facts: GrantFacts | None) -> OperationError:
    decision = policy.decide(rule.permission or Permission.ACCOUNT_READ, facts)
    return Forbidden(decision, facts.role if facts else None)
