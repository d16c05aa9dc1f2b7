"""Content negotiation: the media type and status of a response, by the Accept header.

    Accept                            executed                                request error
    application/graphql-response+json the same; 200, or 294 with errors       the same; the status of the error
    application/json                  the same; 200                           the same; 200 if the request was
                                                                              well-formed, else the status of the error
    */*, application/*, none          application/json; 200                   graphql-response+json; its status
    text/html, by GET                 GraphiQL                                GraphiQL

The reasons are in docs/decisions/0022-statuses-follow-graphql-over-http.md.
"""

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, NamedTuple

from server.errors import InvalidOperation, RequestError

GRAPHQL_JSON: Final = "application/graphql-response+json"
JSON: Final = "application/json"
HTML: Final = "text/html"
PARTIAL_SUCCESS: Final = 294
"""Data with errors. Tells monitoring of the errors, while clients treat it like 200."""

MAX_CACHED_LENGTH: Final = 500
"""A longer Accept header is not cached, so that the cache stays small."""
MAX_LENGTH: Final = 2000
"""Only the beginning of a longer Accept header is read. Browsers send about 150 characters."""


@dataclass(frozen=True, slots=True)
class ResponseFormat:
    """Media types and statuses of responses to one client.

    `partial_status` is for data with errors. `invalid_status` is for an InvalidOperation. If it is None, an
    InvalidOperation has its own status.
    """

    media_type: str
    error_media_type: str
    partial_status: int = 200
    invalid_status: int | None = None

    def status(self, error: RequestError) -> int:
        """The HTTP status of a request error."""
        if self.invalid_status is not None and isinstance(error, InvalidOperation):
            return self.invalid_status
        return error.status


GRAPHQL_FORMAT: Final = ResponseFormat(GRAPHQL_JSON, GRAPHQL_JSON, partial_status=PARTIAL_SUCCESS)
JSON_FORMAT: Final = ResponseFormat(JSON, JSON, invalid_status=200)
DEFAULT_FORMAT: Final = ResponseFormat(JSON, GRAPHQL_JSON)
HTML_FORMAT: Final = ResponseFormat(HTML, HTML)
"""The GraphiQL page, for a person with a browser."""
NO_FORMAT: Final = ResponseFormat(JSON, JSON)
"""The client accepts none of the media types: status 406."""

_FORMATS: Final = {GRAPHQL_JSON: GRAPHQL_FORMAT, JSON: JSON_FORMAT, HTML: HTML_FORMAT}


class _Match(NamedTuple):
    """The weight of a media type, and whether the header names it exactly rather than by a wildcard."""

    weight: float
    is_exact: bool


def negotiate(accept: str | None, *, is_page_offered: bool = False) -> ResponseFormat:
    """The response format for an Accept header. NO_FORMAT if no media type of it is available.

    Of media types with equal weight, one named exactly is preferred to one matched by a wildcard. The page is chosen
    only if it has the highest weight, as browsers send it.
    """
    if not accept:
        return DEFAULT_FORMAT
    if len(accept) > MAX_CACHED_LENGTH:
        return _negotiate(accept[:MAX_LENGTH], is_page_offered)
    return _negotiate_cached(accept, is_page_offered)


def _negotiate(accept: str, is_page_offered: bool) -> ResponseFormat:  # noqa: FBT001 - behind the cache
    media_types = (GRAPHQL_JSON, JSON, HTML) if is_page_offered else (GRAPHQL_JSON, JSON)
    ranges = _ranges(accept)
    matches = {media_type: match for media_type in media_types if (match := _match(media_type, ranges)).weight > 0}
    if not matches:
        return NO_FORMAT
    # `max` returns the first of equals, so the order of `media_types` breaks ties.
    best = max(matches, key=matches.__getitem__)
    if best == GRAPHQL_JSON and not matches[best].is_exact and matches.get(JSON) == matches[best]:
        return DEFAULT_FORMAT
    return _FORMATS[best]


_negotiate_cached = lru_cache(maxsize=256)(_negotiate)


def _match(media_type: str, ranges: dict[str, float]) -> _Match:
    """The match of the most specific media range."""
    if media_type in ranges:
        return _Match(ranges[media_type], is_exact=True)
    group = f"{media_type.partition('/')[0]}/*"
    return _Match(ranges.get(group, ranges.get("*/*", 0)), is_exact=False)


def _ranges(accept: str) -> dict[str, float]:
    """The weight of each media range, or the highest one of a repeated range. Ranges of other charsets are left out."""
    weights: dict[str, float] = {}
    for part in accept.lower().split(","):
        name, *parameters = (piece.strip() for piece in part.split(";"))
        parameters_by_name = {
            key.strip(): value.strip(' "') for key, _, value in (entry.partition("=") for entry in parameters)
        }
        if parameters_by_name.get("charset", "utf-8") in {"utf-8", "utf8", "*"}:
            weights[name] = max(weights.get(name, 0), _weight(parameters_by_name.get("q", "1")))
    return weights


def _weight(text: str) -> float:
    """A weight from 0 to 1. A weight that is no number counts as 1."""
    try:
        weight = float(text)
    except ValueError:
        return 1
    return min(max(weight, 0), 1) if math.isfinite(weight) else 1
