"""A link tells how another account stands to this one: it is computed from grants, and stored nowhere.

    X HAS_ACCESS to Y     the owner of X holds an active grant on Y         Y GIVES_ACCESS to X
    X, Y MUTUAL           both do, each on the other's

Only grants that work now count, so that a link changes with the very grant, and ends with it to the
second. Accounts of one owner are his, not shared; accounts that are closed are linked with none.
Colleagues of an owner make no link: what they hold, they hold for themselves.
"""

from datetime import datetime
from enum import StrEnum
from typing import Final
from uuid import UUID

from auth.policy import Permission
from database import db
from models.access import access


class AccountRelation(StrEnum):
    """How another account stands to this one."""

    HAS_ACCESS = "HAS_ACCESS"
    MUTUAL = "MUTUAL"
    GIVES_ACCESS = "GIVES_ACCESS"


class AccountLinkRow(db.Row):
    """The other account, as it is seen from the account `account_id`.

    `subscription_until` is null where this side could not read it.
    """

    graphql_type = "AccountLink"

    id: UUID
    number: int
    name: str
    owner_id: UUID
    account_id: UUID
    relation: str
    subscription_until: datetime | None
    activated_at: datetime | None
    outgoing_id: UUID | None
    incoming_id: UUID | None


RELATION: Final = """CASE WHEN i.id IS NULL THEN 'HAS_ACCESS' WHEN o.id IS NULL THEN 'GIVES_ACCESS'
    ELSE 'MUTUAL' END"""
COLUMNS: Final = {
    **db.columns("y", "id number name owner_id activated_at"),
    "account_id": "x.id AS account_id",
    "relation": f"{RELATION} AS relation",
    "subscription_until": f"CASE WHEN {access.holding(Permission.SUBSCRIPTION_READ, alias='o')}"
    " THEN y.subscription_until END AS subscription_until",
    "outgoing_id": "o.id AS outgoing_id",
    "incoming_id": "i.id AS incoming_id",
}
_WORKS: Final = "{0}.status = 'ACTIVE' AND ({0}.valid_until IS NULL OR {0}.valid_until > {{now}})"
_OUT, _IN = (_WORKS.format(alias) for alias in "oi")
SOURCE: Final = f"""accounts x CROSS JOIN LATERAL (
    SELECT o.account_id AS id FROM grants o WHERE o.user_id = x.owner_id AND o.role <> 'OWNER' AND {_OUT}
    UNION SELECT a.id FROM grants i JOIN accounts a ON a.owner_id = i.user_id
    WHERE i.account_id = x.id AND i.role <> 'OWNER' AND {_IN}) other
JOIN accounts y ON y.id = other.id AND y.owner_id <> x.owner_id AND y.closed_at IS NULL
LEFT JOIN grants o ON o.account_id = y.id AND o.user_id = x.owner_id AND {_OUT}
LEFT JOIN grants i ON i.account_id = x.id AND i.user_id = y.owner_id AND {_IN}"""
"""The account `x` and each account `y` that is linked with it at the instant `now`: found by the
grants of one owner and on one account, however many there are in all."""
