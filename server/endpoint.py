"""The one endpoint over HTTP: a GraphQL request in, its answer out."""

from typing import Final

from graphql import OperationType
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from server import errors, graphiql, journal, origin, refusal
from server.errors import Rejected
from server.graph import Answer, Graph
from server.journal import Entry
from server.request import Asking, read

GRAPHQL_JSON: Final = "application/graphql-response+json"
JSON: Final = "application/json"


class Endpoint:
    """Answers /graphql for one graph."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """POST is a request, and GET with a query too; GET from a browser is GraphiQL."""
        request = Asking(scope, receive)
        response = graphiql.page() if request.method != "POST" and _is_browser(request) else await self._handle(request)
        await response(scope, receive, send)

    async def _handle(self, request: Asking) -> Response:
        entry = journal.of(request.scope)
        try:
            answer = await self._answer(request, entry)
        except Exception as error:  # noqa: BLE001 - the last line of defence: coded, masked, logged
            rejected = errors.rejected(error, entry.request_id)
            answer = rejected.answer(entry.request_id)
            entry.errors = answer["errors"]
            return _response(request, rejected.status, answer, rejected.headers)
        entry.errors = answer.get("errors", ())
        return _response(request, 503 if _is_outage(answer) else 200, answer)

    async def _answer(self, request: Asking, entry: Entry) -> Answer:
        asked = await read(request)
        entry.operation = operation = self._graph.operation(asked)
        if asked.is_get and operation.kind is not OperationType.QUERY:
            raise Rejected(405, "GET is for queries; send this by POST.", headers={"Allow": "POST"})
        entry.context = context = await self._graph.context(operation, origin.of(request, entry.request_id))
        return await self._graph.run(operation, context, entry.request_id)


def _is_browser(request: Asking) -> bool:
    """Whether a person looks: a program that takes JSON says so first, or takes anything."""
    accepts = request.header("accept") or ""
    return "text/html" in accepts.partition("json")[0]


def _is_outage(answer: Answer) -> bool:
    """Whether nothing at all could be answered because the database is away: infrastructure should know."""
    if "errors" not in answer:
        return False
    codes = {error["extensions"]["code"] for error in answer["errors"]}
    return errors.SERVICE_UNAVAILABLE in codes and not any((answer["data"] or {}).values())


def _response(request: Asking, status: int, answer: Answer, headers: dict[str, str] | None = None) -> Response:
    accepts = request.header("accept") or ""
    media_type = GRAPHQL_JSON if GRAPHQL_JSON in accepts else JSON
    return refusal.as_json(status, answer, headers, media_type=media_type)
