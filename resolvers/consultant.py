"""Mutations that assign consultants. The payload has one outcome per client, under the id from the input."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from auth.policy import Permission
from models.access.access import GrantRow
from models.access.operation import declares_permission
from models.base.caller import Caller
from models.base.errors import Problem
from models.bureaus import consultant
from models.bureaus.bulk import BulkOutcome, Outcome
from resolvers import grant, ids
from resolvers.context import Context
from resolvers.mutation_resolver import mutation_resolver


@dataclass(frozen=True, slots=True)
class ConsultantOutcome:
    """The outcome of an assignment at one client. `grant` is None if the assignment failed."""

    client_account_id: str
    grant: GrantRow | None
    errors: tuple[Problem, ...]


@dataclass(frozen=True, slots=True)
class NamedOutcomes:
    """The outcomes of a mutation, with the id of each client as the input or a response has it."""

    bulk: BulkOutcome
    texts: list[tuple[str, Outcome]]


def _by_text(outcome: BulkOutcome, keys: Mapping[str, UUID]) -> NamedOutcomes:
    """The outcomes under the ids of the input, or without any under their own ids."""
    if not keys:
        return NamedOutcomes(outcome, [(ids.encode("Account", each.client_id), each) for each in outcome.outcomes])
    by_client = {each.client_id: each for each in outcome.outcomes}
    return NamedOutcomes(outcome, [(text, by_client[key]) for text, key in keys.items() if key in by_client])


def _keys(texts: Sequence[str]) -> dict[str, UUID]:
    return {text: ids.decode("Account", text) for text in texts}


@declares_permission(
    consultant.assign.permission,
    consultant.assign.event_type,
    reauthentication=consultant.assign.reauthentication,
)
async def _assign(
    caller: Caller,
    bureau_account_id: UUID,
    *,
    user_id: UUID,
    client_account_ids: list[str],
    all_clients: bool | None = None,
    permissions: list[Permission] | None = None,
    valid_until: datetime | None = None,
    idempotency_key: str | None = None,
) -> NamedOutcomes:
    keys = _keys(client_account_ids)
    outcome = await consultant.assign(
        caller,
        bureau_account_id,
        user_id=user_id,
        client_account_ids=list(keys.values()),
        all_clients=all_clients,
        permissions=permissions,
        valid_until=valid_until,
        idempotency_key=idempotency_key,
    )
    return _by_text(outcome, keys)


@declares_permission(consultant.unassign.permission, consultant.unassign.event_type)
async def _unassign(
    caller: Caller,
    bureau_account_id: UUID,
    *,
    user_id: UUID,
    client_account_ids: list[str],
    all_clients: bool | None = None,
    idempotency_key: str | None = None,
) -> NamedOutcomes:
    keys = _keys(client_account_ids)
    outcome = await consultant.unassign(
        caller,
        bureau_account_id,
        user_id=user_id,
        client_account_ids=list(keys.values()),
        all_clients=all_clients,
        idempotency_key=idempotency_key,
    )
    return _by_text(outcome, keys)


@declares_permission(
    consultant.replace.permission,
    consultant.replace.event_type,
    reauthentication=consultant.replace.reauthentication,
)
async def _replace(
    caller: Caller,
    bureau_account_id: UUID,
    *,
    from_user_id: UUID,
    to_user_id: UUID,
    idempotency_key: str | None = None,
) -> NamedOutcomes:
    outcome = await consultant.replace(
        caller,
        bureau_account_id,
        from_user_id=from_user_id,
        to_user_id=to_user_id,
        idempotency_key=idempotency_key,
    )
    return _by_text(outcome, {})


async def _load_payload(context: Context, named: NamedOutcomes) -> dict[str, Any]:
    rows = await grant.by_ids([outcome.grant_id for _, outcome in named.texts], context)
    return {
        "progress": named.bulk,
        "outcomes": [
            ConsultantOutcome(text, row, outcome.problems)
            for (text, outcome), row in zip(named.texts, rows, strict=True)
        ],
    }


assign_consultant = mutation_resolver(_assign, _load_payload, outcomes=())
unassign_consultant = mutation_resolver(_unassign, _load_payload, outcomes=())
replace_consultant = mutation_resolver(_replace, _load_payload, outcomes=())
