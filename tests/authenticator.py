"""An authenticator app for tests of the second factor."""

from base64 import b32decode
from dataclasses import dataclass, field

from auth import totp
from tests.api import PASSWORD, Api, Clock, Person


@dataclass
class Authenticator:
    """An authenticator app with one secret. It uses the application's clock."""

    clock: Clock
    secret: bytes
    recovery_codes: list[str] = field(default_factory=list[str])

    def code(self, *, steps: int = 0) -> str:
        """The current code, or the code `steps` time steps later."""
        return totp.code(self.secret, totp.step_at(self.clock.now) + steps)

    def wrong_code(self) -> str:
        """Six digits that are not a valid code at this time."""
        near = {self.code(steps=steps) for steps in range(-2, 3)}
        return next(code for number in range(10) if (code := f"{number:06}") not in near)


async def enroll(api: Api, person: Person) -> Authenticator:
    """Enroll a second factor that is not confirmed yet."""
    payload = await api.do("enrollSecondFactor", {"password": PASSWORD}, "secret", by=person)
    assert payload["errors"] == []
    return Authenticator(api.clock, b32decode(payload["secret"]))


async def enable_second_factor(api: Api, person: Person) -> Authenticator:
    """Enroll and confirm a second factor. The clock moves on, so the app's current code is unused."""
    app = await enroll(api, person)
    payload = await api.do("confirmSecondFactor", {"code": app.code()}, "recoveryCodes", by=person)
    assert payload["errors"] == []
    app.recovery_codes = payload["recoveryCodes"]
    api.clock.forward(seconds=totp.STEP_SECONDS)
    return app
