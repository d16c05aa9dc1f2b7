"""Who asks for an operation, from where, and when."""

from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from models.base.errors import Unauthenticated


@dataclass(frozen=True, slots=True)
class OperationConfig:
    """What operations need to know of the installation."""

    link_key: str = field(repr=False)
    trial_days: int = 30
    free_seats: int = 5


@dataclass(frozen=True, slots=True)
class Caller:
    """The origin of an operation; `user_id` is None while nobody is signed in."""

    now: datetime
    config: OperationConfig
    locale: str = "en"
    user_id: UUID | None = None
    session_id: UUID | None = None
    in_cookie: bool = False
    """Whether a browser keeps the session's token, or will keep that of one that starts now."""
    ip_address: str | None = None
    user_agent: str | None = None
    request_id: str | None = None
    queued: list[str] = field(default_factory=list[str], compare=False, repr=False)
    """The mails that its operations put into the outbox, by kind: somebody may want to send them."""

    def user(self) -> UUID:
        """The signed-in user. Raises Unauthenticated."""
        if self.user_id is None:
            raise Unauthenticated
        return self.user_id
