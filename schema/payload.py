"""Payloads of mutations: the changed objects, and errors that the caller can act on."""

from typing import Final, TypeVar, dataclass_transform

import i18n
from models.access.reauthentication import METHOD, ReauthenticationMethod
from models.base.errors import Problem, UserErrorCode
from resolvers.context import Info
from schema.declare import PUBLIC, field, graph_enum, graph_type

graph_enum(
    UserErrorCode,
    "The kind of a user error.",
    {
        UserErrorCode.INVALID: "The value breaks a rule that no other code names.",
        UserErrorCode.REQUIRED: "The value is missing or empty.",
        UserErrorCode.TOO_SHORT: "The text is too short.",
        UserErrorCode.TOO_LONG: "The text is too long.",
        UserErrorCode.TOO_WEAK: "The password is easy to guess, or contains the user's name or address.",
        UserErrorCode.OUT_OF_RANGE: "The number or instant is out of range.",
        UserErrorCode.ALREADY_EXISTS: "The same thing exists already.",
        UserErrorCode.ALREADY_ACTIVE: "The login of this link is active already, and the caller has proved to be its "
        "user. All others get TOKEN_INVALID.",
        UserErrorCode.ALREADY_MEMBER: "The user has a grant on the account already.",
        UserErrorCode.ALREADY_INVITED: "The address has a pending invitation to the account.",
        UserErrorCode.NOT_FOUND: "There is no such object, or the caller may not see it.",
        UserErrorCode.INVALID_CREDENTIALS: "The address, password, code or passkey is wrong.",
        UserErrorCode.NOT_ACTIVATED: "The login is not activated yet.",
        UserErrorCode.ONE_TIME_CODE_REQUIRED: (
            "A one-time code is missing: of the second factor, or from the mail that was sent during an attack."
        ),
        UserErrorCode.TOKEN_INVALID: "The link's token is unknown, or was used or replaced.",
        UserErrorCode.TOKEN_EXPIRED: "The link's token has expired.",
        UserErrorCode.INVITATION_NOT_PENDING: "The invitation was accepted, declined or revoked already.",
        UserErrorCode.EMAIL_MISMATCH: "The invitation was sent to another address than that of the signed-in user.",
        UserErrorCode.SIGN_IN_REQUIRED: "The address has a login: sign in first.",
        UserErrorCode.ROLE_TOO_HIGH: "The giver may not give this role, these permissions, or access for this long.",
        UserErrorCode.LAST_OWNER: "An owner cannot give up the account, only transfer it.",
        UserErrorCode.OWNER_PROTECTED: "The owner's grant cannot be changed or revoked.",
        UserErrorCode.SEATS_EXHAUSTED: "The account has no free seat.",
        UserErrorCode.INSUFFICIENT_DAYS: "The payer's subscription has fewer days.",
        UserErrorCode.SUBSCRIPTION_EXPIRED: "The account's subscription has expired: it is read-only.",
        UserErrorCode.ACCOUNT_CLOSING: "The account closes soon, and is read-only until then: see Account.closesAt.",
        UserErrorCode.ALREADY_CLOSING: "The account waits for its closing already: see Account.closesAt.",
        UserErrorCode.SAME_ACCOUNT: "Both accounts are the same.",
        UserErrorCode.ORGANIZATION_NUMBER_TAKEN: "Another account has this organization number.",
        UserErrorCode.BANK_ACCOUNT_TAKEN: "Another account has this bank account number.",
        UserErrorCode.INVALID_STATE: "The object is in a state that does not allow this.",
        UserErrorCode.CONFLICT: "Another request has changed the object at the same time: try again.",
        UserErrorCode.TWO_FACTOR_REQUIRED: "This needs a second factor, and the user has none.",
        UserErrorCode.VOUCHER_INVALID: "The voucher's code is unknown, used or expired.",
        UserErrorCode.IDEMPOTENCY_KEY_REUSED: "The idempotency key was used with another input.",
        UserErrorCode.REAUTHENTICATION_REQUIRED: "The session has no proof of the last ten minutes: call "
        "reauthenticate with the method that the error names, then try again.",
    },
)
graph_enum(
    ReauthenticationMethod,
    "The proof that reauthenticate needs.",
    {
        ReauthenticationMethod.PASSWORD: "The password of the login.",
        ReauthenticationMethod.ONE_TIME_CODE: "A code of the authenticator app, or a recovery code. A passkey, if the "
        "viewer has one, does as well.",
        ReauthenticationMethod.PASSKEY: "A passkey, or a recovery code.",
    },
)


BEARER_DESCRIPTION: Final = (
    "The token for the header `Authorization: Bearer ...`. It is returned only here. "
    "Null for a request with `X-Session: cookie`: the token is then in the cookie alone."
)
"""The description of the field `access_token` of payloads."""


def _message(problem: Problem, info: Info) -> str:
    return i18n.translate(info.context.caller.locale, problem.text, **problem.params)


def _error_path(problem: Problem, _: Info) -> list[str] | None:
    return None if problem.field is None else [camel(part) for part in problem.field.split(".")]


def _method(problem: Problem, _: Info) -> object:
    return problem.params.get(METHOD)


def camel(name: str) -> str:
    """A GraphQL name in camel case, from snake case."""
    first, *words = name.split("_")
    return first + "".join(word.capitalize() for word in words)


@graph_type(
    PUBLIC,
    description="A problem that the caller can act on. All other problems are top-level errors.",
)
class UserError:
    """A problem."""

    code: UserErrorCode = field(description="The kind of the problem, for programs.")
    message: str = field(resolve=_message, description="A sentence for the user, in the caller's language.")
    path: list[str] | None = field(
        name="field", resolve=_error_path, description="The path to the input field. Null: the input as a whole."
    )
    method: ReauthenticationMethod | None = field(
        resolve=_method, description="The proof that is missing. Null for all codes but REAUTHENTICATION_REQUIRED."
    )


T = TypeVar("T")


@graph_type(PUBLIC, description="The fields of every payload.")
class Payload:
    """The base of payloads."""

    errors: list[UserError] = field(cost_size=1, description="Empty if the mutation was done.")


@dataclass_transform(kw_only_default=True)
def payload(cls: type[T]) -> type[T]:
    """The payload of a mutation. Its objects are guarded by the rules of their own types."""
    return graph_type(PUBLIC, description="The result of the mutation.")(cls)
