"""Everything that an operation can say no with.

Refused                    -> top of the tree, never raised itself
|-- Refusal                -> `errors` of the payload: the caller can act on it
|-- Forbidden              -> FORBIDDEN: the caller sees the account, but may not do this
|-- Unauthenticated        -> UNAUTHENTICATED: nobody is signed in
|-- AccountRequired        -> ACCOUNT_REQUIRED: the X-Account header names no account to enter
|-- RateLimited            -> RATE_LIMITED: too many tries; it says when to try again
`-- BadInput               -> BAD_USER_INPUT: a request that no front end of ours would send
"""

import dataclasses
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from auth.policy import Decision, DecisionReason, Role
from i18n import mark


class UserErrorCode(StrEnum):
    """What went wrong, for programs; the text beside it is for people."""

    INVALID = "INVALID"
    REQUIRED = "REQUIRED"
    TOO_SHORT = "TOO_SHORT"
    TOO_LONG = "TOO_LONG"
    TOO_WEAK = "TOO_WEAK"
    OUT_OF_RANGE = "OUT_OF_RANGE"
    ALREADY_EXISTS = "ALREADY_EXISTS"
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
    SAME_ACCOUNT = "SAME_ACCOUNT"
    ORGANIZATION_NUMBER_TAKEN = "ORGANIZATION_NUMBER_TAKEN"
    BANK_ACCOUNT_TAKEN = "BANK_ACCOUNT_TAKEN"
    INVALID_STATE = "INVALID_STATE"
    CONFLICT = "CONFLICT"
    TWO_FACTOR_REQUIRED = "TWO_FACTOR_REQUIRED"
    VOUCHER_INVALID = "VOUCHER_INVALID"
    IDEMPOTENCY_KEY_REUSED = "IDEMPOTENCY_KEY_REUSED"


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that the caller can mend.

    `field` is the input field, in snake case, or None where the whole input is meant; `text` is
    English, translated when shown, with `params` filled in.
    """

    code: UserErrorCode
    field: str | None
    text: str
    params: dict[str, object] = dataclasses.field(default_factory=dict[str, object])

    def __str__(self) -> str:
        """The English sentence."""
        return self.text % self.params if self.params else self.text


class Refused(Exception):
    """An operation said no, and changed nothing.

    `text` is English, translated when shown, with `params` filled in.
    """

    def __init__(self, text: str = "", **params: object) -> None:
        super().__init__(text % params if params else text)
        self.text = text
        self.params = params


class Refusal(Refused):
    """One or more problems that the caller can act on."""

    def __init__(self, *problems: Problem) -> None:
        super().__init__("; ".join(str(problem) for problem in problems))
        self.problems = problems


class Forbidden(Refused):
    """The caller's role or its restrictions do not allow it; `decision` says which and why.

    `account_id` is the account of an operation that was refused, None for a field.
    """

    def __init__(self, decision: Decision, role: Role | None, account_id: UUID | None = None) -> None:
        super().__init__(mark("Needs %(permission)s."), permission=decision.permission)
        self.decision = decision
        self.role = role
        self.account_id = account_id


class Unauthenticated(Refused):
    """Nobody is signed in."""


class AccountRequired(Refused):
    """The request names an account that its caller cannot enter; or could, if he had a second factor."""

    def __init__(self, *, lacks_factor: bool = False) -> None:
        super().__init__(
            mark("X-Account names an account that is entered with a second factor only.")
            if lacks_factor
            else mark("X-Account names no account that you can enter.")
        )
        self.reason = DecisionReason.TWO_FACTOR_REQUIRED if lacks_factor else None


class RateLimited(Refused):
    """Too many tries; the next one counts again in `retry_after_seconds`."""

    def __init__(self, *, retry_after_seconds: int) -> None:
        super().__init__(mark("Too many tries. Try again in %(seconds)s seconds."), seconds=retry_after_seconds)
        self.retry_after_seconds = retry_after_seconds


class BadInput(Refused):
    """Input that no front end of ours would send; the text is English, for developers."""


def refuse(code: UserErrorCode, field: str | None, text: str, **params: object) -> Refusal:
    """A refusal with a single problem."""
    return Refusal(Problem(code, field, text, params))


def not_found(field: str) -> Refusal:
    """The one answer to foreign, unknown and malformed ids alike."""
    return refuse(UserErrorCode.NOT_FOUND, field, mark("Not found."))
