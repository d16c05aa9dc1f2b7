"""Top-level errors: one place that says what a client learns of what went wrong.

Expected refusals have their codes; whatever else happens is an INTERNAL_SERVER_ERROR with nothing
in it but the id under which the log knows more.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import structlog
from graphql import GraphQLError

import i18n
from auth.passwords import Busy
from database import db
from database.listing import InvalidPage
from i18n import mark
from models.base.errors import AccountRequired, BadInput, Forbidden, RateLimited, Refusal, Refused, Unauthenticated
from server.log import place
from server.redact import harmless

log = structlog.get_logger()

UNAUTHENTICATED: Final = "UNAUTHENTICATED"
FORBIDDEN: Final = "FORBIDDEN"
NOT_FOUND: Final = "NOT_FOUND"
ACCOUNT_REQUIRED: Final = "ACCOUNT_REQUIRED"
BAD_USER_INPUT: Final = "BAD_USER_INPUT"
PARSE_FAILED: Final = "GRAPHQL_PARSE_FAILED"
VALIDATION_FAILED: Final = "GRAPHQL_VALIDATION_FAILED"
TOO_COMPLEX: Final = "QUERY_TOO_COMPLEX"
RATE_LIMITED: Final = "RATE_LIMITED"
SERVICE_UNAVAILABLE: Final = "SERVICE_UNAVAILABLE"
INTERNAL: Final = "INTERNAL_SERVER_ERROR"

STATUS: Final = {
    UNAUTHENTICATED: 401,
    FORBIDDEN: 403,
    ACCOUNT_REQUIRED: 403,
    BAD_USER_INPUT: 400,
    RATE_LIMITED: 429,
    SERVICE_UNAVAILABLE: 503,
}
"""The HTTP status of a whole answer with that code; 500 for others."""
_HEADERS: Final = {UNAUTHENTICATED: {"WWW-Authenticate": "Bearer"}}

_AWAY: Final = mark("The service is not available right now.")
_OURS: Final = mark("Something went wrong on our side.")
_EXPECTED: Final[list[tuple[tuple[type[BaseException], ...], str, str | None]]] = [
    ((Unauthenticated,), UNAUTHENTICATED, mark("Sign in first.")),
    ((AccountRequired,), ACCOUNT_REQUIRED, None),
    ((Forbidden,), FORBIDDEN, None),
    ((BadInput, InvalidPage, Refusal), BAD_USER_INPUT, None),
    ((RateLimited,), RATE_LIMITED, None),
    ((Busy,), RATE_LIMITED, mark("Too much at once. Try again in a moment.")),
    (db.UNAVAILABLE, SERVICE_UNAVAILABLE, _AWAY),
]
"""Exceptions with their code and message; None for their own text, which is written for clients."""


class Rejected(Exception):
    """A request that ends before anything of it was executed.

    `status` is HTTP's; `more` stands in the extensions beside the code.
    """

    def __init__(
        self,
        status: int,
        problems: str | Sequence[GraphQLError],
        code: str = BAD_USER_INPUT,
        *,
        headers: Mapping[str, str] | None = None,
        **more: object,
    ) -> None:
        self.status = status
        self.code = code
        self.problems = (GraphQLError(problems),) if isinstance(problems, str) else problems
        self.headers = {**(headers or {}), **_retry_after([more])}
        self.more = more
        super().__init__("; ".join(problem.message for problem in self.problems))

    def answer(self, request_id: str) -> dict[str, Any]:
        """The whole answer: no data, for nothing was executed."""
        extensions = {"code": self.code, **self.more}
        return {"errors": [_located(problem, problem.message, extensions, request_id) for problem in self.problems[:5]]}


class Unfit(Rejected):
    """A well-formed request whose document, operation or variables are not what the graph takes."""


def rejected(error: Exception, request_id: str, locale: str = i18n.DEFAULT) -> Rejected:
    """Whatever ended a request, as the answer that it gets: coded, masked, logged."""
    if isinstance(error, Rejected):
        return error
    message, extensions = described(error, request_id, locale)
    code = extensions["code"]
    return Rejected(STATUS.get(code, 500), message, headers=_HEADERS.get(code), **extensions)


def unavailable(locale: str = i18n.DEFAULT) -> Rejected:
    """A request of which nothing could be answered, because the database is away."""
    return Rejected(503, i18n.translate(locale, _AWAY), SERVICE_UNAVAILABLE)


def waits(answer: Mapping[str, Any]) -> dict[str, str]:
    """The header that says when to try again, for an answer that is nothing but RATE_LIMITED."""
    told = [error["extensions"] for error in answer["errors"]]
    is_all = all(one["code"] == RATE_LIMITED for one in told) and not any((answer["data"] or {}).values())
    return _retry_after(told) if is_all else {}


def _retry_after(told: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    seconds = [one["retryAfterSeconds"] for one in told if "retryAfterSeconds" in one]
    return {"Retry-After": str(max(seconds))} if seconds else {}


def described(error: BaseException, request_id: str, locale: str) -> tuple[str, dict[str, Any]]:
    """The message and the extensions for an exception, wherever it came from."""
    for kinds, code, message in _EXPECTED:
        if isinstance(error, kinds):
            if code == SERVICE_UNAVAILABLE:
                log.warning("database unavailable", request_id=request_id, type=type(error).__name__)
            return _worded(error, message, locale), {"code": code, **_more(error)}
    # Where, not what: an exception's text can hold what the client sent, a password included.
    log.error("unexpected", request_id=request_id, **place(error))
    return i18n.translate(locale, _OURS), {"code": INTERNAL}


def _worded(error: BaseException, message: str | None, locale: str) -> str:
    if isinstance(error, Refused) and message is None:
        return i18n.translate(locale, error.text, **error.params)
    return i18n.translate(locale, message or str(error))


def _more(error: BaseException) -> dict[str, Any]:
    """What a client is told beside the code."""
    match error:
        case Forbidden():
            return _decision(error)
        case AccountRequired():
            return {"reason": error.reason} if error.reason else {}
        case RateLimited() | Busy():
            return {"retryAfterSeconds": error.retry_after_seconds}
        case _:
            return {}


def _decision(error: Forbidden) -> dict[str, Any]:
    decision = error.decision
    return {
        "permission": decision.permission,
        "role": error.role,
        "reason": decision.reason,
        "grantableBy": decision.grantable_by,
    }


def of_execution(errors: list[GraphQLError], request_id: str, locale: str = i18n.DEFAULT) -> list[dict[str, Any]]:
    """The errors of an executed operation, each at its path.

    There can be thousands, most of them the same refusal of the same field: it is worded once.
    """
    worded: dict[object, dict[str, Any]] = {}
    found: list[dict[str, Any]] = []
    for error in errors:
        cause = error.original_error
        if type(cause) is not Forbidden or error.path is None:
            found.append(_of_field(error, request_id, locale))
            continue
        same = id(error.locations), id(cause)  # refused for the same reason, they share it
        if same not in worded:
            worded[same] = _of_field(error, request_id, locale)
        found.append(worded[same] | {"path": error.path})
    return found


def _of_field(error: GraphQLError, request_id: str, locale: str) -> dict[str, Any]:
    cause = error.original_error
    while isinstance(cause, GraphQLError) and cause.original_error is not None:
        cause = cause.original_error
    if cause is None or isinstance(cause, GraphQLError):
        # graphql-core itself: an argument that cannot be coerced.
        return _located(error, error.message, {"code": BAD_USER_INPUT}, request_id)
    message, extensions = described(cause, request_id, locale)
    return _located(error, message, extensions, request_id)


def _located(error: GraphQLError, message: str, extensions: dict[str, Any], request_id: str) -> dict[str, Any]:
    shown: dict[str, Any] = {"message": harmless(message)}
    if error.locations:
        shown["locations"] = [place.formatted for place in error.locations[:5]]
    if error.path is not None:
        shown["path"] = error.path
    return shown | {"extensions": extensions | {"requestId": request_id}}
