"""The caller of an operation."""

from dataclasses import dataclass, field, fields
from datetime import datetime
from uuid import UUID

from models.base.errors import Unauthenticated


@dataclass(frozen=True, slots=True)
class OperationConfig:
    """The configuration that operations read."""

    link_key: str = field(repr=False)
    trial_days: int = 30
    free_seats: int = 5
    trials_per_user: int = 1
    accounts_per_day: int = 20
    anchor_file: str = ""
    """The file to which the heads of the chains of events are appended. Empty: none."""
    anchor_command: str = ""
    """The command that receives these heads. Empty: none."""
    mails_per_hour: int = 1000
    public_url: str = ""
    """The address of the installation, without a slash at the end, for links and passkeys."""
    allowed_origins: tuple[str, ...] = ()
    """The other origins whose pages may use passkeys, if they have the host of the address or one below it."""


def configure(settings: object) -> OperationConfig:
    """Make the configuration of operations from `settings.Settings`, which this room may not import.

    Each field has the setting of its name; the key of links is the secret key.
    """
    settings_of = {field.name: field.name for field in fields(OperationConfig)} | {"link_key": "secret_key"}
    return OperationConfig(**{name: getattr(settings, setting) for name, setting in settings_of.items()})


@dataclass(frozen=True, slots=True)
class Caller:
    """The user, session and client that call an operation, and the time of the call.

    `user_id` is None if the caller is not signed in.
    """

    now: datetime
    config: OperationConfig
    locale: str = "en"
    user_id: UUID | None = None
    session_id: UUID | None = None
    authenticated_at: datetime | None = None
    """The last proof of the user's presence in the session. See `models/access/reauthentication.py`."""
    in_cookie: bool = False
    """True if the token of the session, or of a session that starts now, is in a browser's cookie."""
    ip_address: str | None = None
    user_agent: str | None = None
    request_id: str | None = None
    queued_kinds: list[str] = field(default_factory=list[str], compare=False, repr=False)
    """The kinds of the messages that the operations added to the outbox. The server starts a delivery for them."""

    def user(self) -> UUID:
        """The signed-in user. Raises Unauthenticated."""
        if self.user_id is None:
            raise Unauthenticated
        return self.user_id
