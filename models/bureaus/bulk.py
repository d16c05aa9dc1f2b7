"""Operations for many clients: each client in its own transaction, as many as fit into the time of the request.

    first request   --clients 1 to 480--> outcomes, and the number of clients that remain
    the same again  --clients 481 to 960--> ...         with the same idempotency key, until none remains

Each client has its own outcome. A refusal for one client does not undo the changes for the others. With a key, clients
that were refused are tried again after all others, so each request gets further.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from database import db
from models.base import deadline
from models.base.errors import Forbidden, Problem, Refusal, not_found
from models.base.idempotency import Parts

MAX_CLIENTS: Final = 500
"""The maximum number of clients that one request changes, and of outcomes that it returns."""
SHARE: Final = 0.5
"""The part of the time left in which a request starts with another client. The rest is for the response."""
CLIENT_SHARE: Final = 0.25
"""The part of the time left that one client may take, such as by waiting for a lock."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result for one client: a grant, or problems. `grant_id` is None if there are problems."""

    client_id: UUID
    grant_id: UUID | None
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True)
class BulkOutcome:
    """The outcomes of a request, and the numbers of all clients, with those of earlier requests with the key.

    Outcomes of earlier requests are included as far as there is room.
    """

    outcomes: list[Outcome]
    done_count: int
    refused_count: int
    remaining_count: int
    """The number of clients that no request has tried yet."""


async def run(client_ids: Iterable[UUID], operation: Callable[[UUID], Awaitable[UUID]], parts: Parts) -> BulkOutcome:
    """Run `operation` in one transaction per client, until the time is over.

    At least one client is tried.
    """
    all_ids = list(dict.fromkeys(client_ids))
    new_ids = [key for key in all_ids if key not in parts.done and key not in parts.refused]
    refused_ids = [key for key in all_ids if key in parts.refused and key not in parts.done]
    outcomes, stopped_ids = await _try_each([*new_ids, *refused_ids][:MAX_CLIENTS], operation, parts)
    by_client = {outcome.client_id: outcome for outcome in outcomes}
    done_ids = {key for key, outcome in by_client.items() if outcome.grant_id is not None} | parts.done.keys()
    remaining_ids = {*stopped_ids, *(key for key in new_ids if key not in by_client)} - {*refused_ids}
    for key in all_ids:
        if key in parts.done and len(by_client) < MAX_CLIENTS:
            by_client[key] = Outcome(key, parts.done[key])
    return BulkOutcome(
        [by_client[key] for key in all_ids if key in by_client],
        done_count=sum(key in done_ids for key in all_ids),
        refused_count=sum(key not in done_ids and key not in remaining_ids for key in all_ids),
        remaining_count=len(remaining_ids),
    )


async def _try_each(
    client_ids: Sequence[UUID], operation: Callable[[UUID], Awaitable[UUID]], parts: Parts
) -> tuple[list[Outcome], list[UUID]]:
    """The outcomes of the clients that were tried in time, and the clients whose transaction took too long."""
    time, seconds = asyncio.get_running_loop().time, deadline.seconds_left()
    ends_at = time() + seconds * SHARE
    outcomes: list[Outcome] = []
    stopped_ids: list[UUID] = []
    for index, client_id in enumerate(client_ids):
        if index and time() >= ends_at:
            break
        timeout = asyncio.timeout(seconds * CLIENT_SHARE)
        try:
            async with timeout:
                outcomes.append(await _try(client_id, operation, parts))
        except TimeoutError:
            if not timeout.expired():
                raise
            stopped_ids.append(client_id)
    return outcomes, stopped_ids


async def _try(client_id: UUID, operation: Callable[[UUID], Awaitable[UUID]], parts: Parts) -> Outcome:
    try:
        async with db.transaction():
            grant_id = await parts.run(client_id, operation)
    except Refusal as refusal:
        problems = refusal.problems
    except Forbidden:
        # The caller lost the permission after the first clients: their outcomes must still be returned.
        problems = not_found("client_account_ids").problems
    else:
        return Outcome(client_id, grant_id)
    await parts.refuse(client_id)
    return Outcome(client_id, None, problems)
