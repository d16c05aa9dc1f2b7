"""Helpers that make and count attempts at a throttled secret."""

from database import db
from models.throttle import Limit
from tests.api import PASSWORD, Api, Response
from tests.models.refusals import attempt

WRONG = "a wrong guess"
NEW_PASSWORD = "marble thicket cobalt"
RATE_LIMITED = "RATE_LIMITED"
ABROAD = "203.0.113.7"


async def sign_in(api: Api, email: str = "anna@example.com", password: str = PASSWORD) -> str:
    """Sign in. Returns the error code, or "done"."""
    return outcome(await attempt(api, "signIn", {"email": email, "password": password}), "signIn")


def outcome(answer: Response, mutation: str) -> str:
    """The error code of a response, or "done"."""
    if answer.errors:
        return answer.codes[0]
    return str(([error["code"] for error in answer.data[mutation]["errors"]] or ["done"])[0])


async def fail(api: Api, times: int, email: str = "anna@example.com") -> list[str]:
    """Sign in with a wrong password, `times` times. Returns the outcomes."""
    return [await sign_in(api, email, WRONG) for _ in range(times)]


async def fill(limit: Limit, count: int) -> None:
    """Set the counters of a limit to a number of attempts. Each has at least one attempt before."""
    sql = "UPDATE guesses SET tried = array_fill(tried[1], ARRAY[$2::int]) WHERE kind = $1"
    await db.execute(sql, limit.kind, count)


async def count_attempts(kind: str) -> int:
    """The number of attempts of a kind that are counted."""
    sql = "SELECT COALESCE(sum(cardinality(tried)), 0)::int AS count FROM guesses WHERE kind = $1"
    (row,) = await db.fetch(sql, kind, row=db.Row)
    count: int = row.count
    return count
