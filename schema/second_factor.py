"""Setting up a second factor: inputs and payloads."""

import strawberry

from schema.declare import field
from schema.payload import Payload, payload
from schema.viewer import Viewer

RECOVERY_CODES = "Ten codes to write down, each for one sign-in without the app; shown this once."


@strawberry.input(description="The viewer's password, again.")
class EnrollSecondFactorInput:
    """What enrollSecondFactor takes."""

    password: str


@strawberry.input(description="A code of the authenticator app, to show that it has the secret.")
class ConfirmSecondFactorInput:
    """What confirmSecondFactor takes."""

    code: str


@strawberry.input(description="The viewer's password, again.")
class DisableSecondFactorInput:
    """What disableSecondFactor takes."""

    password: str


@strawberry.input(description="The viewer's password, again.")
class RegenerateRecoveryCodesInput:
    """What regenerateRecoveryCodes takes."""

    password: str


@payload
class EnrollSecondFactorPayload(Payload):
    """A secret that waits for its confirmation."""

    secret: str | None = field(description="For an authenticator app, in base32, to be typed; shown this once.")
    uri: str | None = field(description="The same as otpauth://..., the content of a QR code; shown this once.")
    viewer: Viewer | None = field(description="The viewer, whose second factor is not active yet.")


@payload
class ConfirmSecondFactorPayload(Payload):
    """Signing in needs a code from now on."""

    recovery_codes: list[str] | None = field(description=RECOVERY_CODES)
    viewer: Viewer | None = field(description="The viewer, still signed in here and nowhere else.")


@payload
class DisableSecondFactorPayload(Payload):
    """Signing in needs the password alone."""

    viewer: Viewer | None = field(description="The viewer, without a second factor.")


@payload
class RegenerateRecoveryCodesPayload(Payload):
    """The former recovery codes are worth nothing."""

    recovery_codes: list[str] | None = field(description=RECOVERY_CODES)
    viewer: Viewer | None = field(description="The viewer.")
