"""The scheduled jobs. Each stores its result in the transaction that does the work.

Any number of processes may run the jobs at any time. A job selects its work from the rows, locks the rows that it
changes, and checks them again. So no work is done twice, and a missed run only delays it.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Final

import modules
from models.access import expiry
from models.accounts import number_claim, registered_number
from models.base.caller import Caller
from models.closing import closure
from models.privacy import erasure
from models.scheduled import anchoring, reminder, retention
from models.sharing import ownership

Job = Callable[[Caller], Awaitable[int]]

JOBS: Final[Mapping[str, Job]] = {
    # First, so that the grants that end with a bureau are not announced one by one as expired.
    "accounts closed": closure.run,
    "grants expired": expiry.run,
    "offers of ownership expired": ownership.expire_all,
    "subscriptions announced to end": reminder.announce_subscriptions,
    "grants announced to end": reminder.announce_grants,
    "abandoned numbers given free": registered_number.release_abandoned,
    "claimed numbers decided": number_claim.settle_all,
    "erasures continued": erasure.run,
    "heads of chains anchored": anchoring.run,
    "old rows deleted": retention.run,
}
"""Each job by its public name, a metric label. A job returns the number of rows it changed or mails it sent."""


def all_jobs() -> dict[str, Job]:
    """The jobs of the product, then those of each module."""
    return modules.join("jobs", JOBS, *modules.table_parts("JOBS"))


def steps() -> dict[str, Job]:
    """The steps of modules: jobs that do one part of the work that waits, and return 0 if none waits."""
    return modules.join("steps", *modules.table_parts("STEPS"))


async def run(caller: Caller) -> dict[str, int]:
    """Run every job once for the caller's `now`, and each step until no work waits. Returns the counts by name."""
    counts = {name: await job(caller) for name, job in all_jobs().items()}
    for name, step in steps().items():
        counts[name] = 0
        while count := await step(caller):
            counts[name] += count
    return counts
