"""Accounts that a bureau opened for its clients, as tests make and read them."""

from typing import Any

from resolvers import ids
from tests.api import Api, Person

EMAIL = "kim@example.com"


def client_input(bureau: Person, **fields: object) -> dict[str, object]:
    """The input of `createClientAccount`; `fields` replace the defaults."""
    defaults = {"bureauAccountId": bureau.account_id, "name": "Kunde AS", "ownerName": "Kim Kunde", "ownerEmail": EMAIL}
    return defaults | fields


async def open_client_account(api: Api, bureau: Person, **fields: object) -> str:
    """Open an account for a client. Returns the account's id."""
    payload = await api.do("createClientAccount", client_input(bureau, **fields), "account { id }", by=bureau)
    assert payload["errors"] == []
    account_id: str = payload["account"]["id"]
    return account_id


async def account_status(api: Api, by: Person | str, account_id: str) -> Any:
    """An account's status and the viewer's role in it; None if the viewer has no access."""
    query = "query ($id: ID!) { account(id: $id) { status viewerGrant { role } } }"
    return (await api.ask(query, {"id": account_id}, by=by)).data["account"]


def account_key(account_id: str) -> Any:
    """The database id of an account."""
    return ids.decode("Account", account_id)
