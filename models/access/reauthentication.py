"""Re-authentication: a recent proof that the user is present, for changes of access and of payment.

    sign-in, activation, new login --> the session has a proof --10 minutes--> it has none
                                                   ^                              |
                                                   '- password, code or passkey ---'

An operation declares beside its permission in which cases it needs the proof. The proof of a user with a second factor
is a one-time code or a passkey, else the password. It belongs to one session. So a stolen token, or a device that was
left open, opens no account to others and moves no money.
"""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from enum import StrEnum
from functools import wraps
from typing import Concatenate, Final, ParamSpec, TypeVar, cast
from uuid import UUID

from i18n import mark
from models.access import one_time_code
from models.base.attribute_enum import AttributeEnum
from models.base.caller import Caller
from models.base.errors import Refusal, UserErrorCode, refuse

MAX_AGE: Final = timedelta(minutes=10)
"""The age at which a proof no longer counts."""
METHOD: Final = "method"
"""The parameter of the refusal that has the ReauthenticationMethod."""


class ReauthenticationCase(AttributeEnum):
    """The cases in which an operation needs a recent proof. `condition` completes the sentence of the description."""

    condition: str

    def __init__(self, _: str, condition: str) -> None:
        self.condition = condition

    ALWAYS = "ALWAYS", ""
    SECOND_FACTOR = "SECOND_FACTOR", " if the viewer has a second factor; else the password in the input is the proof"
    MORE_ACCESS = "MORE_ACCESS", " if the grant gives more permissions than before, or lasts longer"
    SENSITIVE_SETTING = "SENSITIVE_SETTING", " if the bank account or requiresTwoFactor changes"
    FOR_CLIENT = "FOR_CLIENT", " if the viewer acts for the client, and so lets the bureau in"
    OTHER_SESSION = "OTHER_SESSION", " if it is another session than that of the request"


class ReauthenticationMethod(StrEnum):
    """The proof that a user has to give."""

    PASSWORD = "PASSWORD"  # noqa: S105 - a name
    ONE_TIME_CODE = "ONE_TIME_CODE"
    PASSKEY = "PASSKEY"


def is_recent(caller: Caller) -> bool:
    """True if the caller's session has a proof that counts at the time of the request."""
    return caller.authenticated_at is not None and caller.now - caller.authenticated_at < MAX_AGE


async def require(caller: Caller) -> None:
    """Raise Refusal REAUTHENTICATION_REQUIRED unless the session has a recent proof. Reads no row if it has."""
    if not is_recent(caller):
        raise _refusal(await load_method(caller.user()))


async def require_factor(caller: Caller) -> None:
    """The same, for users with a second factor only. For operations whose input has the password."""
    if not is_recent(caller) and await one_time_code.is_required(caller.user()):
        raise _refusal(await load_method(caller.user()))


async def load_method(user_id: UUID) -> ReauthenticationMethod:
    """The proof that a user has to give: a code with an authenticator app, else a passkey if there is one, else the
    password.
    """
    if await one_time_code.has_app(user_id):
        return ReauthenticationMethod.ONE_TIME_CODE
    has_passkey = await one_time_code.is_required(user_id)
    return ReauthenticationMethod.PASSKEY if has_passkey else ReauthenticationMethod.PASSWORD


def _refusal(method: ReauthenticationMethod) -> Refusal:
    text = {
        ReauthenticationMethod.PASSWORD: mark("Enter your password to confirm that it is you, then try again."),
        ReauthenticationMethod.ONE_TIME_CODE: mark(
            "Enter a code of your authenticator app to confirm that it is you, then try again."
        ),
        ReauthenticationMethod.PASSKEY: mark("Use your passkey to confirm that it is you, then try again."),
    }[method]
    return refuse(UserErrorCode.REAUTHENTICATION_REQUIRED, None, text, **{METHOD: method})


# ---- Declaration -----------------------------------------------------------------------------

P = ParamSpec("P")
T = TypeVar("T")


def reauthenticates(
    case: ReauthenticationCase,
) -> Callable[[Callable[Concatenate[Caller, P], Awaitable[T]]], Callable[Concatenate[Caller, P], Awaitable[T]]]:
    """Declare the case in which an operation without a permission needs a recent proof.

    ALWAYS and SECOND_FACTOR are checked before the operation starts. It checks any other case itself, with `require`.
    """

    def declare(
        operation: Callable[Concatenate[Caller, P], Awaitable[T]],
    ) -> Callable[Concatenate[Caller, P], Awaitable[T]]:
        @wraps(operation)
        async def run(caller: Caller, *args: P.args, **kwargs: P.kwargs) -> T:
            await require_declared(caller, case)
            return await operation(caller, *args, **kwargs)

        setattr(run, "reauthentication", case)  # noqa: B010 - a function with one more attribute
        return cast("Callable[Concatenate[Caller, P], Awaitable[T]]", run)

    return declare


async def require_declared(caller: Caller, case: ReauthenticationCase | None) -> None:
    """Check a case that depends on nothing but the caller. Raises Refusal REAUTHENTICATION_REQUIRED."""
    if case is ReauthenticationCase.ALWAYS:
        await require(caller)
    elif case is ReauthenticationCase.SECOND_FACTOR:
        await require_factor(caller)
