"""Links between accounts: how another account is related to this one, computed from grants and not stored.

    X HAS_ACCESS to Y     the owner of X holds an active grant on Y         Y GIVES_ACCESS to X
    X, Y MUTUAL           the owner of X holds an active grant on Y, and the owner of Y holds one on X

Only active, unexpired grants count, so a link ends at the same second as its grant. Two accounts of the same owner are
not linked. Closed accounts have no links. Grants of users who are not owners create no link.
"""

from datetime import datetime
from enum import StrEnum
from typing import Final
from uuid import UUID

from auth.policy import Permission
from database import db
from models.access import access


class AccountRelation(StrEnum):
    """The relation of another account to this one."""

    HAS_ACCESS = "HAS_ACCESS"
    MUTUAL = "MUTUAL"
    GIVES_ACCESS = "GIVES_ACCESS"


class AccountLinkRow(db.Row):
    """The other account of a link, seen from the account `account_id`.

    `subscription_until` is null if the owner of `account_id` may not read it.
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
COLUMNS: Final = db.columns_of(
    "y",
    AccountLinkRow,
    {
        "account_id": "x.id",
        "relation": RELATION,
        "subscription_until": f"CASE WHEN {access.holder_condition(Permission.SUBSCRIPTION_READ, alias='o')}"
        " THEN y.subscription_until END",
        "outgoing_id": "o.id",
        "incoming_id": "i.id",
    },
)
_IS_ACTIVE: Final = "{0}.status = 'ACTIVE' AND ({0}.valid_until IS NULL OR {0}.valid_until > {{now}})"
_OUT, _IN = (_IS_ACTIVE.format(alias) for alias in "oi")
SOURCE: Final = f"""accounts x CROSS JOIN LATERAL (
    SELECT o.account_id AS id FROM grants o WHERE o.user_id = x.owner_id AND o.role <> 'OWNER' AND {_OUT}
    UNION SELECT a.id FROM grants i JOIN accounts a ON a.owner_id = i.user_id
    WHERE i.account_id = x.id AND i.role <> 'OWNER' AND {_IN}) linked
JOIN accounts y ON y.id = linked.id AND y.owner_id <> x.owner_id AND y.closed_at IS NULL
LEFT JOIN grants o ON o.account_id = y.id AND o.user_id = x.owner_id AND {_OUT}
LEFT JOIN grants i ON i.account_id = x.id AND i.user_id = y.owner_id AND {_IN}"""
"""The account `x` and each account `y` that is linked to it at the instant `now`. The query reads only the grants of
the owner of `x` and the grants on `x`, so its cost does not depend on the number of all grants."""
