"""The tags in cursors: cursors that clients hold stay valid when Python names change."""

from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest

from models.lists import grants, partners, records

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("make_query", "tag"),
    [
        (partial(grants.grants_of_accounts, NOW), 1359760532),
        (partial(grants.grants_of_user, NOW), 1359760532),
        (partners.access_requests_of_accounts, 3019255860),
        (partial(partners.engagements_of_accounts, NOW), 1014673351),
        (partial(partners.invitations_of_accounts, NOW), 328871983),
        (partial(partners.links_of_accounts, NOW), 644824645),
        (records.entries, 1784153057),
        (records.events_of_accounts, 2085704325),
        (records.messages, 922930329),
    ],
)
def test_tag_of_a_connection_never_changes(make_query: Callable[[], Any], tag: int) -> None:
    assert make_query()._tag == tag
