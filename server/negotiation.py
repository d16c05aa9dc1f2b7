"""What a client accepts, and with which media type and status it is answered.

    Accept                            what was executed                       what was not
    application/graphql-response+json its type; 200, 294 beside errors        its type, its status
    application/json                  its type; 200                           its type; 200 where the request was
                                                                              well-formed, else its status
    */*, application/*, none          application/json; 200                   graphql-response+json, its status
    text/html, by GET                 GraphiQL                                GraphiQL

docs/decisions/0022-graphql-over-http.md says where this comes from.
"""

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, NamedTuple

from server.errors import Rejected, Unfit

GRAPHQL_JSON: Final = "application/graphql-response+json"
JSON: Final = "application/json"
HTML: Final = "text/html"
PARTIAL_SUCCESS: Final = 294
"""Data beside errors: for infrastructure that looks at statuses; clients take it for 200."""

LONGEST: Final = 500
"""An Accept header that is longer is worked out each time, so that what is remembered stays small."""


@dataclass(frozen=True, slots=True)
class Style:
    """How a client is answered: media types of what was executed and of what was not, and two statuses.

    `partial` is for data beside errors; `unfit` is for a well-formed request whose document, operation or
    variables are not what the graph takes, None where it has the refusal's own.
    """

    executed: str
    refused: str
    partial: int = 200
    unfit: int | None = None

    def status(self, rejected: Rejected) -> int:
        """The status of a request that ended before anything of it was executed."""
        return rejected.status if self.unfit is None or not isinstance(rejected, Unfit) else self.unfit


GRAPHQL: Final = Style(GRAPHQL_JSON, GRAPHQL_JSON, partial=PARTIAL_SUCCESS)
LEGACY: Final = Style(JSON, JSON, unfit=200)
EITHER: Final = Style(JSON, GRAPHQL_JSON)
PAGE: Final = Style(HTML, HTML)
"""A person looks: GraphiQL, whatever the address says."""
NOTHING: Final = Style(JSON, JSON)
"""Nothing that we have is accepted: 406."""

_STYLES: Final = {GRAPHQL_JSON: GRAPHQL, JSON: LEGACY, HTML: PAGE}


class _Match(NamedTuple):
    """How well a header names a media type: the weight that it gives, by a range that is exact, or is not."""

    weight: float
    is_named: bool


def style(accept: str | None, *, is_page_offered: bool = False) -> Style:
    """How a client with this Accept header is answered; NOTHING where nothing that we have fits.

    Of types that weigh the same, one that is named goes before one that a wildcard lets in. A page is
    given only to who would rather have it than JSON.
    """
    if not accept:
        return EITHER
    return _known(accept, is_page_offered) if len(accept) <= LONGEST else _worked_out(accept, is_page_offered)


def _worked_out(accept: str, is_page_offered: bool) -> Style:  # noqa: FBT001 - behind the cache
    offered = (GRAPHQL_JSON, JSON, HTML) if is_page_offered else (GRAPHQL_JSON, JSON)
    ranges = _ranges(accept)
    matches = {media_type: found for media_type in offered if (found := _match(media_type, ranges)).weight > 0}
    if not matches:
        return NOTHING
    # The first of the best: the order of what is offered decides where the client does not.
    best = max(matches, key=matches.__getitem__)
    if best == GRAPHQL_JSON and not matches[best].is_named and matches.get(JSON) == matches[best]:
        return EITHER
    return _STYLES[best]


_known = lru_cache(maxsize=256)(_worked_out)


def _match(media_type: str, ranges: dict[str, float]) -> _Match:
    """What the most specific range says that fits."""
    if media_type in ranges:
        return _Match(ranges[media_type], is_named=True)
    group = f"{media_type.partition('/')[0]}/*"
    return _Match(ranges.get(group, ranges.get("*/*", 0)), is_named=False)


def _ranges(accept: str) -> dict[str, float]:
    """The weight of each media range, the highest where one is given twice; without those of another charset."""
    found: dict[str, float] = {}
    for part in accept.lower().split(","):
        name, *parameters = (piece.strip() for piece in part.split(";"))
        given = {key.strip(): value.strip(' "') for key, _, value in (entry.partition("=") for entry in parameters)}
        if given.get("charset", "utf-8") in {"utf-8", "utf8", "*"}:
            found[name] = max(found.get(name, 0), _weight(given.get("q", "1")))
    return found


def _weight(text: str) -> float:
    """A weight from 0 to 1; one that cannot be read is none."""
    try:
        weight = float(text)
    except ValueError:
        return 1
    return min(max(weight, 0), 1) if math.isfinite(weight) else 1
