"""Inputs and payloads of the second factor."""

import strawberry

from schema.declare import field, input_field
from schema.payload import Payload, payload
from schema.viewer import Viewer

RECOVERY_CODES = (
    "Ten recovery codes, each for one sign-in without the app. They are returned only here. Null if refused."
)


@strawberry.input(description="The viewer's password.")
class EnrollSecondFactorInput:
    """The input of enrollSecondFactor."""

    password: str = input_field("The viewer's password.")


@strawberry.input(description="A code of the authenticator app.")
class ConfirmSecondFactorInput:
    """The input of confirmSecondFactor."""

    code: str = input_field("The current code of the authenticator app, six digits.")


@strawberry.input(description="The viewer's password.")
class DisableSecondFactorInput:
    """The input of disableSecondFactor."""

    password: str = input_field("The viewer's password.")


@strawberry.input(description="The viewer's password.")
class RegenerateRecoveryCodesInput:
    """The input of regenerateRecoveryCodes."""

    password: str = input_field("The viewer's password.")


@payload
class EnrollSecondFactorPayload(Payload):
    """The payload of enrollSecondFactor."""

    secret: str | None = field(
        description="The secret for an authenticator app, in base32, for typing. It is returned only here. Null if "
        "refused."
    )
    uri: str | None = field(
        description="The same secret as an otpauth:// URI, for a QR code. It is returned only here. Null if refused."
    )
    viewer: Viewer | None = field(description="The viewer. The second factor is not active yet.")


@payload
class ConfirmSecondFactorPayload(Payload):
    """The payload of confirmSecondFactor."""

    recovery_codes: list[str] | None = field(description=RECOVERY_CODES)
    viewer: Viewer | None = field(description="The viewer. All other sessions have ended.")


@payload
class DisableSecondFactorPayload(Payload):
    """The payload of disableSecondFactor."""

    viewer: Viewer | None = field(description="The viewer, without a second factor.")


@payload
class RegenerateRecoveryCodesPayload(Payload):
    """The payload of regenerateRecoveryCodes."""

    recovery_codes: list[str] | None = field(description=RECOVERY_CODES)
    viewer: Viewer | None = field(description="The viewer after the mutation.")
