"""Signing up, in and out: inputs and payloads."""

import strawberry

from schema.account import Account
from schema.declare import field
from schema.payload import Payload, payload
from schema.user import User
from schema.viewer import Viewer

SHOWN_ONCE = (
    "For the header `Authorization: Bearer ...`; shown this once. Null where a browser asks with `X-Session: cookie`: "
    "its cookie has it, and no script."
)


@strawberry.input(description="A new login with an account of its own.")
class RegisterInput:
    """What register takes."""

    name: str
    email: str
    password: str
    account_name: str | None = strawberry.UNSET
    organization_number: str | None = strawberry.UNSET
    country: str | None = strawberry.UNSET
    locale: str | None = strawberry.UNSET


@strawberry.input(description="The token of the mailed link, and a password where there is none.")
class ActivateInput:
    """What activate takes."""

    token: str
    password: str | None = strawberry.UNSET


@strawberry.input(description="The address that waits for activation.")
class ResendActivationInput:
    """What resendActivation takes."""

    email: str


@strawberry.input(
    description="A login's address and password, and where it has a second factor, a code of the authenticator app "
    "or a recovery code. Without it the answer is ONE_TIME_CODE_REQUIRED."
)
class SignInInput:
    """What signIn takes."""

    email: str
    password: str
    one_time_code: str | None = strawberry.UNSET


@strawberry.input(description="The address of a login.")
class RequestPasswordResetInput:
    """What requestPasswordReset takes."""

    email: str


@strawberry.input(description="The token of the mailed link, and the new password.")
class ResetPasswordInput:
    """What resetPassword takes."""

    token: str
    password: str


@strawberry.input(description="The password that was, and the one that will be.")
class ChangePasswordInput:
    """What changePassword takes."""

    current_password: str
    new_password: str


@strawberry.input(description="What is left out stays.")
class UpdateProfileInput:
    """What updateProfile takes."""

    name: str | None = strawberry.UNSET
    locale: str | None = strawberry.UNSET


@strawberry.input(description="One of the viewer's sessions.")
class RevokeSessionInput:
    """What revokeSession takes."""

    session_id: strawberry.ID


@strawberry.input(description="The account to go on in.")
class SwitchAccountInput:
    """What switchAccount takes."""

    account_id: strawberry.ID


@payload
class RegisterPayload(Payload):
    """Says nothing else, so that a taken address answers like a fresh one."""


@payload
class ResendActivationPayload(Payload):
    """Says nothing else."""


@payload
class RequestPasswordResetPayload(Payload):
    """Says nothing else."""


@payload
class ResetPasswordPayload(Payload):
    """Sign in with the new password now."""


@payload
class SignOutPayload(Payload):
    """Nobody is signed in any more."""


@payload
class ActivatePayload(Payload):
    """Activating signs in."""

    access_token: str | None = field(description=SHOWN_ONCE)
    viewer: Viewer | None = field(description="The viewer that one is now.")


@payload
class SignInPayload(Payload):
    """A session was started."""

    access_token: str | None = field(description=SHOWN_ONCE)
    viewer: Viewer | None = field(description="The viewer that one is now.")


@payload
class ChangePasswordPayload(Payload):
    """All other sessions have ended."""

    viewer: Viewer | None = field(description="The viewer, still signed in here.")


@payload
class UpdateProfilePayload(Payload):
    """The user was changed."""

    user: User | None = field(description="The user as he is now.")
    viewer: Viewer | None = field(description="The viewer.")


@payload
class RevokeSessionPayload(Payload):
    """A session was ended."""

    session_id: strawberry.ID | None = field(description="The session that is no more.")
    viewer: Viewer | None = field(description="The viewer; null if it was his own session.")


@payload
class RevokeOtherSessionsPayload(Payload):
    """All sessions but one were ended."""

    ended: int | None = field(description="How many.")
    viewer: Viewer | None = field(description="The viewer, still signed in here.")


@payload
class SwitchAccountPayload(Payload):
    """The session's default account was changed."""

    account: Account | None = field(description="The account that one is in now.")
    viewer: Viewer | None = field(description="The viewer, in that account.")
