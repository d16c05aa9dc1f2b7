"""The rows of the reference model, and its constants."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from auth.policy import GrantStatus, Role

SUCCESS: Final = "done"
BUREAU: Final = 1
"""The number of the account that is a bureau."""
TRIAL_PERIOD: Final = timedelta(days=30)
OFFER_LIFETIME: Final = timedelta(days=7)
LIVE_STATUSES: Final = (GrantStatus.ACTIVE, GrantStatus.AWAITING_PERMISSIONS)


@dataclass
class Grant:
    """A grant of a user on an account."""

    user: int
    account: int
    role: Role
    allowlist: int | None
    until: datetime | None
    status: GrantStatus = GrantStatus.ACTIVE
    engagement: int | None = None
    """The engagement that it is derived from. None for other grants."""
    own_until: datetime | None = None
    """The own end of a derived grant."""

    @property
    def end(self) -> datetime | None:
        """The end that was set on the grant itself."""
        return self.until if self.engagement is None else self.own_until


@dataclass
class Engagement:
    """An engagement of the bureau by a client."""

    client: int
    requester: int
    is_blind: bool
    expires_at: datetime
    status: str = "PENDING"

    @property
    def sides(self) -> tuple[int, int]:
        """The bureau and the client, in this order."""
        return BUREAU, self.client

    @property
    def answering_account(self) -> int:
        """The side that has to answer the request."""
        return self.client if self.requester == BUREAU else BUREAU

    @property
    def is_open(self) -> bool:
        """True if it is pending or active."""
        return self.status in {"PENDING", "ACTIVE"}


@dataclass
class Account:
    """An account. `until` is the end of its subscription, `trial_until` that of its trial days."""

    owner: int
    until: datetime
    seats: int
    trial_until: datetime
    restrictions: int = 0
    locks: int = 0


@dataclass
class Invitation:
    """An invitation of a user."""

    account: int
    user: int
    role: Role
    allowlist: int | None
    inviter: int
    expires_at: datetime
    until: datetime | None
    status: str = "PENDING"
    grant: Grant | None = None
    """The grant of an accepted invitation."""


@dataclass
class Offer:
    """An offer of ownership to the holder of a grant."""

    receiver: int
    grant: int
    expires_at: datetime
