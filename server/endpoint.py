"""The GraphQL endpoint over HTTP."""

from graphql import OperationType
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

import i18n
from resolvers.context import Context
from server import access_log, caching, client_info, error_response, errors, graphiql, negotiation, stream
from server.access_log import LogEntry
from server.client_info import ClientInfo
from server.credentials import Browsers
from server.errors import RequestError
from server.graph import Graph, GraphQLResponse, Operation
from server.negotiation import GRAPHQL_JSON, HTML_FORMAT, JSON, NO_FORMAT, ResponseFormat
from server.request import GraphQLRequest, HTTPRequest, read_request
from server.request_slots import RequestSlots
from server.stream import EventStreamResponse
from server.stream_slots import StreamSlots


class Endpoint:
    """ASGI application for /graphql."""

    def __init__(self, graph: Graph, browsers: Browsers, slots: StreamSlots, request_slots: RequestSlots) -> None:
        self._graph = graph
        self._browsers = browsers
        self._slots = slots
        self._request_slots = request_slots

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Respond to a GraphQL request by POST or GET, or with the GraphiQL page to the GET of a browser."""
        request = HTTPRequest(scope, receive)
        response_format = negotiation.negotiate(
            request.combined_header("accept"), is_page_offered=request.method != "POST"
        )
        response = (
            graphiql.page_response() if response_format is HTML_FORMAT else await self._handle(request, response_format)
        )
        await response(scope, receive, send)

    async def _handle(self, request: HTTPRequest, response_format: ResponseFormat) -> Response | EventStreamResponse:
        entry = access_log.entry_of(request.scope)
        try:
            graphql_response, headers = await self._execute(request, response_format, entry)
            if isinstance(graphql_response, EventStreamResponse):
                return graphql_response
        except Exception as error:  # noqa: BLE001 - boundary of the request: logged and masked
            request_error = errors.to_request_error(error, entry.request_id, _locale(request, entry))
            graphql_response = request_error.to_response(entry.request_id)
            entry.errors = graphql_response["errors"]
            return error_response.json_response(
                response_format.status(request_error),
                graphql_response,
                request_error.headers,
                media_type=response_format.error_media_type,
            )
        entry.errors = graphql_response.get("errors", ())
        if entry.errors:
            headers = {**headers, **errors.retry_after_headers(graphql_response)}
        return error_response.json_response(
            response_format.partial_status if entry.errors else 200,
            graphql_response,
            headers,
            media_type=response_format.media_type,
        )

    async def _execute(
        self, request: HTTPRequest, response_format: ResponseFormat, entry: LogEntry
    ) -> tuple[GraphQLResponse | EventStreamResponse, dict[str, str]]:
        accepts_event_stream = stream.is_accepted(request.combined_header("accept"))
        if response_format is NO_FORMAT and not accepts_event_stream:
            raise RequestError(406, f"Accept {GRAPHQL_JSON} or {JSON}. No other media type is available.")
        graphql_request = await read_request(request)
        client = client_info.of_request(request, entry.request_id, self._browsers)
        async with self._request_slots.slot(client.ip_address):
            operation, context = await self._authorize(request, graphql_request, client, response_format, entry)
        if accepts_event_stream and (response_format is NO_FORMAT or operation.kind is OperationType.SUBSCRIPTION):
            slot = None
            if operation.kind is OperationType.SUBSCRIPTION:
                slot = self._slots.take(context.caller.ip_address, context.viewer_id, holds_connection=True)
            return EventStreamResponse(self._graph, operation, context, entry, slot), {}
        graphql_response = await self._graph.run(operation, context, entry.request_id)
        if _is_outage(graphql_response):
            raise errors.database_unavailable(context.caller.locale)
        cookie_headers = client.credential.cookie_header(context.token)
        return graphql_response, cookie_headers or caching.headers(request, self._graph, operation, graphql_response)

    async def _authorize(
        self,
        request: HTTPRequest,
        graphql_request: GraphQLRequest,
        client: ClientInfo,
        response_format: ResponseFormat,
        entry: LogEntry,
    ) -> tuple[Operation, Context]:
        is_foreign_get = graphql_request.is_get and self._browsers.is_foreign(request.header)
        if is_foreign_get and graphql_request.query:
            raise _foreign_get_error()
        graphql_request = await self._graph.resolve_persisted(graphql_request, client)
        if is_foreign_get and not graphql_request.is_registered:
            raise _foreign_get_error()
        entry.operation = operation = await self._graph.prepare(graphql_request, client.ip_address)
        if is_foreign_get and not self._graph.is_public(operation):
            raise _foreign_get_error()
        if graphql_request.is_get and operation.kind is not OperationType.QUERY:
            raise RequestError(405, "GET is only for queries. Send this operation by POST.", headers={"Allow": "POST"})
        if response_format is NO_FORMAT and client.credential.in_cookie and operation.kind is OperationType.MUTATION:
            raise RequestError(406, f"Accept {GRAPHQL_JSON} or {JSON}. An event stream cannot set the session cookie.")
        entry.context = context = await self._graph.authorize(operation, client)
        return operation, context


def _foreign_get_error() -> RequestError:
    """The error of a GET that a page of another site makes a browser send, by an image, a link or a script.

    Such a request has the visitor's address, so it would spend their attempts and their budget. Registered operations
    that all callers may read are allowed.
    """
    message = "A page of another site may send only registered public operations by GET."
    return RequestError(403, message, errors.FORBIDDEN, reason="FOREIGN_ORIGIN")


def _locale(request: HTTPRequest, entry: LogEntry) -> str:
    """The locale of the caller if they are authenticated already, or else of Accept-Language."""
    return entry.context.caller.locale if entry.context else i18n.negotiate(request.header("accept-language"))


def _is_outage(response: GraphQLResponse) -> bool:
    """True if the response has no data because the database is unavailable. Then its status is 503, for monitoring."""
    if "errors" not in response:
        return False
    codes = {error["extensions"]["code"] for error in response["errors"]}
    return errors.SERVICE_UNAVAILABLE in codes and not any((response["data"] or {}).values())
