"""The errors of operations.

OperationError             -> base class, never raised itself
|-- Refusal                -> `errors` of the payload: the caller can act on it
|-- Forbidden              -> FORBIDDEN: the caller may see the account, but lacks the permission
|-- Unauthenticated        -> UNAUTHENTICATED: the caller is not signed in
|-- AccountRequired        -> ACCOUNT_REQUIRED: the caller cannot enter the account in the X-Account header
|-- RateLimited            -> RATE_LIMITED: too many attempts; says at which limit, and when to try again
`-- BadInput               -> BAD_USER_INPUT: a mistake of the client's developer
"""

import dataclasses
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from auth.policy import Decision, DecisionReason, Role
from i18n import mark
from models.base.limit_name import LimitName


class UserErrorCode(StrEnum):
    """The code of a user error, for programs. The text is for people."""

    INVALID = "INVALID"
    REQUIRED = "REQUIRED"
    TOO_SHORT = "TOO_SHORT"
    TOO_LONG = "TOO_LONG"
    TOO_WEAK = "TOO_WEAK"
    OUT_OF_RANGE = "OUT_OF_RANGE"
    ALREADY_EXISTS = "ALREADY_EXISTS"
    ALREADY_ACTIVE = "ALREADY_ACTIVE"
    ALREADY_MEMBER = "ALREADY_MEMBER"
    ALREADY_INVITED = "ALREADY_INVITED"
    NOT_FOUND = "NOT_FOUND"
    INVALID_CREDENTIALS = "INVALID_CREDENTIALS"
    NOT_ACTIVATED = "NOT_ACTIVATED"
    ONE_TIME_CODE_REQUIRED = "ONE_TIME_CODE_REQUIRED"
    TOKEN_INVALID = "TOKEN_INVALID"
    TOKEN_EXPIRED = "TOKEN_EXPIRED"
    INVITATION_NOT_PENDING = "INVITATION_NOT_PENDING"
    EMAIL_MISMATCH = "EMAIL_MISMATCH"
    SIGN_IN_REQUIRED = "SIGN_IN_REQUIRED"
    ROLE_TOO_HIGH = "ROLE_TOO_HIGH"
    LAST_OWNER = "LAST_OWNER"
    OWNER_PROTECTED = "OWNER_PROTECTED"
    SEATS_EXHAUSTED = "SEATS_EXHAUSTED"
    INSUFFICIENT_DAYS = "INSUFFICIENT_DAYS"
    SUBSCRIPTION_EXPIRED = "SUBSCRIPTION_EXPIRED"
    ACCOUNT_CLOSING = "ACCOUNT_CLOSING"
    ALREADY_CLOSING = "ALREADY_CLOSING"
    SAME_ACCOUNT = "SAME_ACCOUNT"
    ORGANIZATION_NUMBER_TAKEN = "ORGANIZATION_NUMBER_TAKEN"
    BANK_ACCOUNT_TAKEN = "BANK_ACCOUNT_TAKEN"
    INVALID_STATE = "INVALID_STATE"
    CONFLICT = "CONFLICT"
    TWO_FACTOR_REQUIRED = "TWO_FACTOR_REQUIRED"
    VOUCHER_INVALID = "VOUCHER_INVALID"
    IDEMPOTENCY_KEY_REUSED = "IDEMPOTENCY_KEY_REUSED"
    REAUTHENTICATION_REQUIRED = "REAUTHENTICATION_REQUIRED"


@dataclass(frozen=True, slots=True)
class Problem:
    """One error that the caller can correct.

    `field` is the input field, in snake case, or None for the whole input. Dots separate the parts of its path in a
    nested input: `amounts.0.vat_rate`. `text` is English; it is translated when it
    is shown, with `params` filled in.
    """

    code: UserErrorCode
    field: str | None
    text: str
    params: dict[str, object] = dataclasses.field(default_factory=dict[str, object])

    def __str__(self) -> str:
        """The English text, with `params` filled in."""
        return self.text % self.params if self.params else self.text


class OperationError(Exception):
    """An operation was refused and changed nothing.

    `text` is English; it is translated when it is shown, with `params` filled in.
    """

    def __init__(self, text: str = "", **params: object) -> None:
        super().__init__(text % params if params else text)
        self.text = text
        self.params = params


class Refusal(OperationError):
    """One or more problems that the caller can act on.

    `outcome` is what the operation returned to the same caller before, or None. The payload shows it with the problems.
    """

    def __init__(self, *problems: Problem, outcome: object = None) -> None:
        super().__init__("; ".join(str(problem) for problem in problems))
        self.problems = problems
        self.outcome = outcome


class Forbidden(OperationError):
    """The caller lacks a permission. `decision` has the permission and the reason.

    `account_id` is the account of the refused operation, or None for a field. `creator_id` is the creator of the
    operation's row, if the row has a scope.
    """

    def __init__(self, decision: Decision, role: Role | None, account_id: UUID | None = None) -> None:
        super().__init__(mark("Needs %(permission)s."), permission=decision.permission)
        self.decision = decision
        self.role = role
        self.account_id = account_id
        self.creator_id: UUID | None = None


class Unauthenticated(OperationError):
    """The caller is not signed in."""


class AccountRequired(OperationError):
    """The caller cannot enter the account in the X-Account header, or only with a second factor (`lacks_factor`)."""

    def __init__(self, *, lacks_factor: bool = False) -> None:
        super().__init__(
            mark("X-Account names an account that is entered with a second factor only.")
            if lacks_factor
            else mark("X-Account names no account that you can enter.")
        )
        self.reason = DecisionReason.TWO_FACTOR_REQUIRED if lacks_factor else None


class RateLimited(OperationError):
    """Too many attempts at a limit. The next one is allowed after `retry_after_seconds`, at `retry_at`.

    `retry_at` is None for limits of the server's load, where the wait is a few seconds.
    """

    def __init__(self, limit: LimitName, *, retry_after_seconds: int, retry_at: datetime | None = None) -> None:
        # The text of a log or a command. The server shows the time in the language of the reader.
        super().__init__(limit.text, seconds=retry_after_seconds, time=str(retry_at))
        self.limit = limit
        self.retry_after_seconds = retry_after_seconds
        self.retry_at = retry_at


class BadInput(OperationError):
    """Input that a correct client never sends. The text is English, for developers of clients."""


def refuse(code: UserErrorCode, field: str | None, text: str, **params: object) -> Refusal:
    """Make a refusal with one problem."""
    return Refusal(Problem(code, field, text, params))


def not_found(field: str) -> Refusal:
    """Make the refusal for an id that is unknown, malformed, or of a row that the caller may not see."""
    return refuse(UserErrorCode.NOT_FOUND, field, mark("Not found."))
