"""Mutations that assign consultants. The payload has one outcome per client, under the id from the input."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from auth.policy import Permission
from models.access.access import GrantRow
from models.access.operation import declares_permission
from models.base.caller import Caller
from models.base.errors import Problem
from models.bureaus import consultant
from models.bureaus.consultant import Outcome
from resolvers import grant, ids
from resolvers.context import Context
from resolvers.mutation_resolver import mutation_resolver


@dataclass(frozen=True, slots=True)
class ConsultantOutcome:
    """The outcome of an assignment at one client. `grant` is None if the assignment failed."""

    client_account_id: str
    grant: GrantRow | None
    errors: tuple[Problem, ...]


OutcomesByText = list[tuple[str, Outcome]]


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
    permissions: list[Permission] | None = None,
    idempotency_key: str | None = None,
) -> OutcomesByText:
    keys = _keys(client_account_ids)
    outcomes = await consultant.assign(
        caller,
        bureau_account_id,
        user_id=user_id,
        client_account_ids=list(keys.values()),
        permissions=permissions,
        idempotency_key=idempotency_key,
    )
    return list(zip(keys, outcomes, strict=True))


@declares_permission(consultant.unassign.permission, consultant.unassign.event_type)
async def _unassign(
    caller: Caller, bureau_account_id: UUID, *, user_id: UUID, client_account_ids: list[str]
) -> OutcomesByText:
    keys = _keys(client_account_ids)
    outcomes = await consultant.unassign(
        caller, bureau_account_id, user_id=user_id, client_account_ids=list(keys.values())
    )
    return list(zip(keys, outcomes, strict=True))


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
) -> OutcomesByText:
    outcomes = await consultant.replace(
        caller,
        bureau_account_id,
        from_user_id=from_user_id,
        to_user_id=to_user_id,
        idempotency_key=idempotency_key,
    )
    return [(ids.encode("Account", outcome.client_id), outcome) for outcome in outcomes]


async def _load_payload(context: Context, outcomes: OutcomesByText) -> dict[str, Any]:
    rows = await grant.by_ids([outcome.grant_id for _, outcome in outcomes], context)
    return {
        "outcomes": [
            ConsultantOutcome(text, row, outcome.problems) for (text, outcome), row in zip(outcomes, rows, strict=True)
        ]
    }


assign_consultant = mutation_resolver(_assign, _load_payload, outcomes=())
unassign_consultant = mutation_resolver(_unassign, _load_payload, outcomes=())
replace_consultant = mutation_resolver(_replace, _load_payload, outcomes=())
