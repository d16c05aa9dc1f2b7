"""The connections of the graph: their rows, filters and orders.

The SQL of a connection decides everything that it shows. Counts, cursors and `hasNextPage` therefore reveal nothing
about rows that the caller may not see.
"""

from models.lists.accounts import AccountFilter, AccountOrder, accounts
from models.lists.grants import (
    GrantFilter,
    GrantOrder,
    grants_of_accounts,
    grants_of_user,
    grants_visible_to,
    grants_without_factor,
)
from models.lists.partners import (
    EngagementFilter,
    EngagementOrder,
    EngagementSide,
    InvitationFilter,
    access_requests_of_accounts,
    access_requests_of_user,
    engagement_requests_of_accounts,
    engagements_of_accounts,
    invitations_for_user,
    invitations_of_accounts,
    links_of_accounts,
)
from models.lists.records import (
    EventFilter,
    EventReader,
    entries,
    events_of_accounts,
    events_of_user,
    messages,
    sessions,
)

__all__ = [
    "AccountFilter",
    "AccountOrder",
    "EngagementFilter",
    "EngagementOrder",
    "EngagementSide",
    "EventFilter",
    "EventReader",
    "GrantFilter",
    "GrantOrder",
    "InvitationFilter",
    "access_requests_of_accounts",
    "access_requests_of_user",
    "accounts",
    "engagement_requests_of_accounts",
    "engagements_of_accounts",
    "entries",
    "events_of_accounts",
    "events_of_user",
    "grants_of_accounts",
    "grants_of_user",
    "grants_visible_to",
    "grants_without_factor",
    "invitations_for_user",
    "invitations_of_accounts",
    "links_of_accounts",
    "messages",
    "sessions",
]
