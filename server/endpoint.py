"""The one endpoint over HTTP: a GraphQL request in, its answer out."""

from graphql import OperationType
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

import i18n
from server import access_log, caching, client_info, error_response, errors, graphiql, negotiation, stream
from server.access_log import LogEntry
from server.credentials import Browsers
from server.errors import Rejected
from server.graph import Answer, Graph
from server.negotiation import GRAPHQL_JSON, JSON, NOTHING, PAGE, Style
from server.request import HTTPRequest, read
from server.stream import Following


class Endpoint:
    """Answers /graphql for one graph."""

    def __init__(self, graph: Graph, browsers: Browsers) -> None:
        self._graph = graph
        self._browsers = browsers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """POST is a request, and GET with a query too; GET from a browser is GraphiQL."""
        request = HTTPRequest(scope, receive)
        style = negotiation.style(request.every("accept"), is_page_offered=request.method != "POST")
        response = graphiql.page() if style is PAGE else await self._handle(request, style)
        await response(scope, receive, send)

    async def _handle(self, request: HTTPRequest, style: Style) -> Response | Following:
        entry = access_log.of(request.scope)
        try:
            answer, headers = await self._answer(request, style, entry)
            if isinstance(answer, Following):
                return answer
        except Exception as error:  # noqa: BLE001 - the last line of defence: coded, masked, logged
            rejected = errors.rejected(error, entry.request_id, _locale(request, entry))
            answer = rejected.answer(entry.request_id)
            entry.errors = answer["errors"]
            return error_response.as_json(style.status(rejected), answer, rejected.headers, media_type=style.refused)
        entry.errors = answer.get("errors", ())
        if entry.errors:
            headers = {**headers, **errors.waits(answer)}
        return error_response.as_json(
            style.partial if entry.errors else 200, answer, headers, media_type=style.executed
        )

    async def _answer(
        self, request: HTTPRequest, style: Style, entry: LogEntry
    ) -> tuple[Answer | Following, dict[str, str]]:
        takes_events = stream.is_accepted(request.every("accept"))
        if style is NOTHING and not takes_events:
            raise Rejected(406, f"Accept {GRAPHQL_JSON} or {JSON}: there is nothing else here.")
        asked = await read(request)
        asking = client_info.of(request, entry.request_id, self._browsers)
        asked = await self._graph.named(asked, asking)
        entry.operation = operation = self._graph.operation(asked, asking.ip_address)
        if asked.is_get and operation.kind is not OperationType.QUERY:
            raise Rejected(405, "GET is for queries; send this by POST.", headers={"Allow": "POST"})
        if style is NOTHING and asking.credential.in_cookie and operation.kind is OperationType.MUTATION:
            raise Rejected(406, f"Accept {GRAPHQL_JSON} or {JSON}: an event stream sets no cookie.")
        entry.context = context = await self._graph.context(operation, asking)
        if takes_events and (style is NOTHING or operation.kind is OperationType.SUBSCRIPTION):
            return Following(self._graph, operation, context, entry), {}
        answer = await self._graph.run(operation, context, entry.request_id)
        if _is_outage(answer):
            raise errors.unavailable(context.caller.locale)
        kept = asking.credential.to_keep(context.token)
        return answer, kept or caching.headers(request, self._graph, operation, answer)


def _locale(request: HTTPRequest, entry: LogEntry) -> str:
    """The language of whoever asks, as far as that is known."""
    return entry.context.caller.locale if entry.context else i18n.negotiate(request.header("accept-language"))


def _is_outage(answer: Answer) -> bool:
    """Whether nothing at all could be answered because the database is away: infrastructure should know."""
    if "errors" not in answer:
        return False
    codes = {error["extensions"]["code"] for error in answer["errors"]}
    return errors.SERVICE_UNAVAILABLE in codes and not any((answer["data"] or {}).values())
