"""Mutations for accounts that a bureau opens for its clients."""

from uuid import UUID

from models.bureaus import client, pending_client
from models.bureaus.client import ClientAccount
from resolvers import account, engagement, grant
from resolvers.context import Context
from resolvers.mutation_resolver import mutation_resolver


async def _load_creation_payload(context: Context, outcome: ClientAccount) -> dict[str, object]:
    return {
        "account": await account.by_id(outcome.account_id, context),
        "grant": await grant.by_id(outcome.grant_id, context),
    }


async def _load_payload(context: Context, key: UUID) -> dict[str, object]:
    return {"account": await account.by_id(key, context)}


create_client_account = mutation_resolver(client.create, _load_creation_payload)
resend_client_activation = mutation_resolver(pending_client.resend, _load_payload)
correct_client_owner = mutation_resolver(pending_client.correct, _load_payload)
withdraw_client_account = mutation_resolver(pending_client.withdraw, engagement.load_payload)
