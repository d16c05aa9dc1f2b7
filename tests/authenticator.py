"""An authenticator app in the hands of a test."""

from base64 import b32decode
from dataclasses import dataclass, field

from auth import totp
from tests.api import PASSWORD, Api, Clock, Person


@dataclass
class Authenticator:
    """The app with one secret in it; its clock is the application's."""

    clock: Clock
    secret: bytes
    recovery_codes: list[str] = field(default_factory=list[str])

    def code(self, *, steps: int = 0) -> str:
        """What it shows now, or so many steps later."""
        return totp.code(self.secret, totp.step_at(self.clock.now) + steps)

    def wrong(self) -> str:
        """Six digits that are no code around now."""
        near = {self.code(steps=steps) for steps in range(-2, 3)}
        return next(code for number in range(10) if (code := f"{number:06}") not in near)


async def enrolled(api: Api, person: Person) -> Authenticator:
    """An app whose secret waits for its confirmation."""
    done = await api.do("enrollSecondFactor", {"password": PASSWORD}, "secret", by=person)
    assert done["errors"] == []
    return Authenticator(api.clock, b32decode(done["secret"]))


async def set_up(api: Api, person: Person) -> Authenticator:
    """The app of somebody whose second factor is active; what it shows now has not been used."""
    app = await enrolled(api, person)
    done = await api.do("confirmSecondFactor", {"code": app.code()}, "recoveryCodes", by=person)
    assert done["errors"] == []
    app.recovery_codes = done["recoveryCodes"]
    api.clock.forward(seconds=totp.STEP_SECONDS)
    return app
