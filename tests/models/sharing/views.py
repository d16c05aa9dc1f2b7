"""Requests with the header X-View-As, for tests."""

from typing import Any, Final

from tests.api import Api, Person, Response

ACCOUNT_QUERY: Final = "{ viewer { currentAccount { name } } }"


async def ask_in_view(api: Api, query: str, by: Person, target: str, **options: Any) -> Response:
    """Send a query in the person's account with a view of a role or a grant."""
    headers = {"X-View-As": target, **options.pop("headers", {})}
    return await api.ask(query, by=by, account=by.account_id, headers=headers, **options)
