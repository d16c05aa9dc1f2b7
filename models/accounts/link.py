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
_IS_OPEN: Final = access.IS_OPEN.format("{0}", "{{now}}")
_OUT, _IN = (_IS_ACTIVE.format(alias) for alias in "oi")
SQL: Final = f"""SELECT {db.select_list(COLUMNS)}, y.name_key FROM accounts x CROSS JOIN LATERAL (
    (SELECT o.account_id AS id FROM grants o WHERE o.user_id = x.owner_id AND o.role <> 'OWNER' AND {_OUT}
        LIMIT {{limit}})
    UNION (SELECT a.id FROM (
        SELECT i.user_id FROM grants i WHERE i.account_id = x.id AND i.role <> 'OWNER' AND {_IN} LIMIT {{limit}}) i
        CROSS JOIN LATERAL (SELECT a.id FROM accounts a WHERE a.owner_id = i.user_id OFFSET 0) a LIMIT {{limit}})
    ) linked
CROSS JOIN LATERAL (SELECT y.* FROM accounts y WHERE y.id = linked.id OFFSET 0) y
LEFT JOIN LATERAL (
    SELECT o.* FROM grants o WHERE o.account_id = y.id AND o.user_id = x.owner_id AND {_OUT} OFFSET 0) o ON TRUE
LEFT JOIN LATERAL (
    SELECT i.* FROM grants i WHERE i.account_id = x.id AND i.user_id = y.owner_id AND {_IN} OFFSET 0) i ON TRUE
WHERE x.id = {{key}} AND y.owner_id <> x.owner_id AND {_IS_OPEN.format("y")}"""
"""Each account `y` that is linked to the account `x` with the id `key` at the instant `now`. The query reads `limit`
grants of the owner of `x`, and as many grants on `x`. OFFSET keeps PostgreSQL from reading whole tables for a join."""

LINKED_OWNERS: Final = f"""
SELECT y.owner_id, x.id AS account_id FROM accounts y
JOIN grants o ON o.account_id = y.id AND o.role <> 'OWNER' AND {_OUT}
JOIN accounts x ON x.owner_id = o.user_id AND x.owner_id <> y.owner_id AND {_IS_OPEN.format("x")}
WHERE {_IS_OPEN.format("y")}"""
"""The owner of each account `y` to which the owner of the account `account_id` has access at the instant `now`.

With the members of an account, they are the owners that its links show."""
