"""Errors of a GraphQL response: their codes, messages and HTTP statuses.

Exceptions that are meant for clients have a code. All others become INTERNAL_SERVER_ERROR and disclose only the request
id, by which the log entry can be found.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import structlog
from graphql import GraphQLError

import i18n
from auth.passwords import Busy
from database import db
from database.listing import InvalidPage
from i18n import mark
from models.base.errors import (
    AccountRequired,
    BadInput,
    Forbidden,
    OperationError,
    RateLimited,
    Refusal,
    Unauthenticated,
)
from models.base.limit_name import LimitName
from server.log import error_location
from server.redact import redact

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

HTTP_STATUS: Final = {
    UNAUTHENTICATED: 401,
    FORBIDDEN: 403,
    ACCOUNT_REQUIRED: 403,
    BAD_USER_INPUT: 400,
    RATE_LIMITED: 429,
    SERVICE_UNAVAILABLE: 503,
}
"""The HTTP status of a request error with that code. 500 for other codes."""
_RESPONSE_HEADERS: Final = {UNAUTHENTICATED: {"WWW-Authenticate": "Bearer"}}

_UNAVAILABLE_MESSAGE: Final = mark("The service is not available right now.")
_INTERNAL_MESSAGE: Final = mark("Something went wrong on our side.")
_PUBLIC_EXCEPTIONS: Final[list[tuple[tuple[type[BaseException], ...], str, str | None]]] = [
    ((Unauthenticated,), UNAUTHENTICATED, mark("Sign in first.")),
    ((AccountRequired,), ACCOUNT_REQUIRED, None),
    ((Forbidden,), FORBIDDEN, None),
    ((BadInput, InvalidPage, Refusal), BAD_USER_INPUT, None),
    ((RateLimited,), RATE_LIMITED, None),
    ((Busy,), RATE_LIMITED, None),
    (db.UNAVAILABLE, SERVICE_UNAVAILABLE, _UNAVAILABLE_MESSAGE),
]
"""Exceptions with their code and message. None: the text of the exception, which is written for clients."""


class RequestError(Exception):
    """A request ends before execution: a "request error" of the GraphQL specification.

    `status` is the HTTP status. `extensions` are added to the error's `extensions`, beside the code.
    """

    def __init__(
        self,
        status: int,
        errors: str | Sequence[GraphQLError],
        code: str = BAD_USER_INPUT,
        *,
        headers: Mapping[str, str] | None = None,
        **extensions: object,
    ) -> None:
        self.status = status
        self.code = code
        self.errors = (GraphQLError(errors),) if isinstance(errors, str) else errors
        self.headers = {**(headers or {}), **_retry_after([extensions])}
        self.extensions = extensions
        super().__init__("; ".join(error.message for error in self.errors))

    def to_response(self, request_id: str) -> dict[str, Any]:
        """The GraphQL response: at most five errors, and no data because nothing was executed."""
        extensions = {"code": self.code, **self.extensions}
        return {"errors": [_format(error, error.message, extensions, request_id) for error in self.errors[:5]]}


class InvalidOperation(RequestError):
    """The request is well-formed, but its document, operation or variables are not valid for the schema."""


def to_request_error(error: Exception, request_id: str, locale: str = i18n.DEFAULT) -> RequestError:
    """Convert any exception. One that is not meant for clients is logged and masked."""
    if isinstance(error, RequestError):
        return error
    message, extensions = describe(error, request_id, locale)
    code = extensions["code"]
    return RequestError(HTTP_STATUS.get(code, 500), message, headers=_RESPONSE_HEADERS.get(code), **extensions)


def database_unavailable(locale: str = i18n.DEFAULT) -> RequestError:
    """The error of a request that got no data because the database is unavailable."""
    return RequestError(503, i18n.translate(locale, _UNAVAILABLE_MESSAGE), SERVICE_UNAVAILABLE)


def retry_after_headers(response: Mapping[str, Any]) -> dict[str, str]:
    """Retry-After, if the response has no data and only RATE_LIMITED errors. Otherwise empty."""
    extensions = [error["extensions"] for error in response["errors"]]
    has_data = any((response["data"] or {}).values())
    is_rate_limited = all(entry["code"] == RATE_LIMITED for entry in extensions)
    return _retry_after(extensions) if is_rate_limited and not has_data else {}


def _retry_after(extensions: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    seconds = [entry["retryAfterSeconds"] for entry in extensions if "retryAfterSeconds" in entry]
    return {"Retry-After": str(max(seconds))} if seconds else {}


def describe(error: BaseException, request_id: str, locale: str) -> tuple[str, dict[str, Any]]:
    """The message and the extensions that a client gets for an exception. Logs outages and internal errors."""
    for kinds, code, message in _PUBLIC_EXCEPTIONS:
        if isinstance(error, kinds):
            if code == SERVICE_UNAVAILABLE:
                log.warning("database unavailable", request_id=request_id, type=type(error).__name__)
            return _message(error, message, locale), {"code": code, **_extensions(error)}
    # Log the place and not the text: the text of an exception can contain input of the client, such as a password.
    log.error("unexpected", request_id=request_id, **error_location(error))
    return i18n.translate(locale, _INTERNAL_MESSAGE), {"code": INTERNAL}


def _message(error: BaseException, message: str | None, locale: str) -> str:
    if isinstance(error, Busy):
        text = LimitName.PASSWORDS_AT_ONCE.text
        return i18n.translate(locale, text, seconds=error.retry_after_seconds)
    if isinstance(error, RateLimited) and error.retry_at is not None:
        # The text has no seconds, so the next full minute is the first one that is not too early.
        time = i18n.format_instant(locale, error.retry_at + timedelta(seconds=59))
        return i18n.translate(locale, error.text, **{**error.params, "time": time})
    if isinstance(error, OperationError) and message is None:
        return i18n.translate(locale, error.text, **error.params)
    return i18n.translate(locale, message or str(error))


def _extensions(error: BaseException) -> dict[str, Any]:
    """The extensions beside the code."""
    match error:
        case Forbidden():
            return _decision(error)
        case AccountRequired():
            return {"reason": error.reason} if error.reason else {}
        case RateLimited():
            return rate_limit(error.limit, error.retry_after_seconds, error.retry_at)
        case Busy():
            return rate_limit(LimitName.PASSWORDS_AT_ONCE, error.retry_after_seconds)
        case _:
            return {}


def rate_limit(name: str, seconds: int, retry_at: datetime | None = None) -> dict[str, Any]:
    """The extensions of a RATE_LIMITED error: the limit, and when to try again.

    Without `retry_at` it is a limit of the load, where a wait of seconds needs no exact clock.
    """
    retry_at = retry_at or datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=seconds)
    return {
        "limit": name,
        "retryAfterSeconds": seconds,
        "retryAt": retry_at.astimezone(UTC).isoformat().replace("+00:00", "Z"),
    }


def _decision(error: Forbidden) -> dict[str, Any]:
    decision = error.decision
    return {
        "permission": decision.permission,
        "role": error.role,
        "reason": decision.reason,
        "grantableBy": decision.grantable_by,
    }


def format_errors(errors: list[GraphQLError], request_id: str, locale: str = i18n.DEFAULT) -> list[dict[str, Any]]:
    """The errors of an executed operation, with their paths.

    There can be thousands of the same Forbidden on the same field. Its message is built once.
    """
    formatted_errors: dict[object, dict[str, Any]] = {}
    response_errors: list[dict[str, Any]] = []
    for error in errors:
        cause = error.original_error
        if type(cause) is not Forbidden or error.path is None:
            response_errors.append(_format_field_error(error, request_id, locale))
            continue
        key = id(error.locations), id(cause)  # rows forbidden for the same reason share both objects
        if key not in formatted_errors:
            formatted_errors[key] = _format_field_error(error, request_id, locale)
        response_errors.append(formatted_errors[key] | {"path": error.path})
    return response_errors


def _format_field_error(error: GraphQLError, request_id: str, locale: str) -> dict[str, Any]:
    cause = error.original_error
    while isinstance(cause, GraphQLError) and cause.original_error is not None:
        cause = cause.original_error
    if cause is None or isinstance(cause, GraphQLError):
        # Raised by graphql-core: an argument cannot be coerced.
        return _format(error, error.message, {"code": BAD_USER_INPUT}, request_id)
    message, extensions = describe(cause, request_id, locale)
    return _format(error, message, extensions, request_id)


def _format(error: GraphQLError, message: str, extensions: dict[str, Any], request_id: str) -> dict[str, Any]:
    entry: dict[str, Any] = {"message": redact(message)}
    if error.locations:
        entry["locations"] = [location.formatted for location in error.locations[:5]]
    if error.path is not None:
        entry["path"] = error.path
    return entry | {"extensions": extensions | {"requestId": request_id}}
