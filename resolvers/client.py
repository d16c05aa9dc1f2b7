"""Accounts that a bureau opens for its clients."""

from uuid import UUID

from models.bureaus import client
from models.bureaus.client import Created
from resolvers import account, grant
from resolvers.context import Context
from resolvers.mutation_resolver import mutation_resolver


async def _created(context: Context, made: Created) -> dict[str, object]:
    return {
        "account": await account.one(made.account_id, context),
        "grant": await grant.one(made.grant_id, context),
    }


async def _shown(context: Context, key: UUID) -> dict[str, object]:
    return {"account": await account.one(key, context)}


create_client_account = mutation_resolver(client.create, _created)
resend_client_activation = mutation_resolver(client.resend, _shown)
