"""What happens because time passes: each job does what is due and remembers it with the deed.

Any number of processes may run them, at any time: a job finds its work by what the rows say, locks
what it changes, and looks again. So nothing is done twice, and nothing is lost while none runs.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from models.access import expiry
from models.accounts import registered_number
from models.base.caller import Caller
from models.scheduled import reminder, retention
from models.sharing import ownership

Job = Callable[[Caller], Awaitable[int]]

JOBS: Final[Mapping[str, Job]] = {
    "grants expired": expiry.run,
    "offers of ownership expired": ownership.run,
    "subscriptions announced to end": reminder.of_subscriptions,
    "grants announced to end": reminder.of_grants,
    "abandoned numbers given free": registered_number.release_abandoned,
    "old rows deleted": retention.run,
}
"""Each job by what it has done when it is done; it tells how many."""


async def run(caller: Caller) -> dict[str, int]:
    """Do everything that is due at the caller's `now`, once. Returns how much of each."""
    return {done: await job(caller) for done, job in JOBS.items()}
