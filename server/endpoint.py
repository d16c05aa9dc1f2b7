"""The one endpoint: a GraphQL request in, its answer out."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from graphql import (
    DocumentNode,
    GraphQLError,
    GraphQLSchema,
    OperationType,
    get_operation_ast,
    parse,
    validate,
)
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

import i18n
from models.caller import Site
from resolvers import view
from resolvers.context import Context, open_context
from server import errors, graphiql, limits, refusal
from server.documents import Checked, Documents
from server.execution import Execute, compiled
from server.request import Asked, Asking, NotARequest, read

MAX_TOKENS: Final = 2000
GRAPHQL_JSON: Final = "application/graphql-response+json"
JSON: Final = "application/json"

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """The time of day."""
    return datetime.now(UTC)


def nobody() -> None:
    """Who is told of mail when nobody wants to know."""


@dataclass(frozen=True, slots=True)
class Refused(Exception):
    """A request that ends before it is executed."""

    status: int
    answer: dict[str, Any]


class Endpoint:
    """Answers /graphql for one schema."""

    def __init__(
        self,
        schema: GraphQLSchema,
        site: Site,
        *,
        development: bool,
        clock: Clock = utc_now,
        on_mail: Callable[[], None] = nobody,
        executor: Callable[..., Execute] = compiled,
    ) -> None:
        """`on_mail` is called when an operation has queued mail."""
        self._schema = schema
        self._site = site
        self._development = development
        self._clock = clock
        self._on_mail = on_mail
        self._execute = executor(schema, hide_suggestions=not development)
        self._documents = Documents(self._checked)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """POST is a request, and GET with a query too; GET from a browser is GraphiQL."""
        request = Asking(scope, receive)
        response = graphiql.page() if request.method != "POST" and _is_browser(request) else await self._handle(request)
        await response(scope, receive, send)

    async def _handle(self, request: Asking) -> Response:
        request_id = refusal.request_id(request)
        headers: dict[str, str] = {}
        try:
            status, answer = await self._answer(request, request_id)
        except NotARequest as error:
            status, answer, headers = error.status, errors.answer(str(error), error.code, request_id), error.headers
        except Refused as refused:
            status, answer = refused.status, refused.answer
        except Exception as error:  # noqa: BLE001 - the last line of defence: coded, masked, logged
            message, extensions = errors.described(error, request_id)
            status = errors.STATUS.get(extensions["code"], 500)
            answer = errors.answer(message, request_id=request_id, **extensions)
        return _response(request, status, answer, headers)

    async def _answer(self, request: Asking, request_id: str) -> tuple[int, dict[str, Any]]:
        asked = await read(request)
        document = self._document(asked, request_id)
        through = request.headers.getlist("x-view-as") if request.header("x-view-as") is not None else []
        if through and not _is_query(document, asked):
            raise NotARequest(400, "X-View-As is for queries.")
        context = await self._context(request, request_id)
        if through:
            await view.look(context, through)
        result = await self._execute(document, asked, context)
        if context.caller.queued:
            self._on_mail()
        if result.data is None and all(error.path is None for error in result.errors or []):
            raise Refused(400, errors.of_request(result.errors or [], errors.BAD_USER_INPUT, request_id))
        answer: dict[str, Any] = {"data": result.data}
        if result.errors:
            answer["errors"] = errors.of_execution(result.errors, request_id)
        return (503 if _is_outage(answer) else 200), answer

    def _document(self, asked: Asked, request_id: str) -> DocumentNode:
        found = self._documents(asked.query)
        if isinstance(found, DocumentNode):
            operation = get_operation_ast(found, asked.operation_name)
            if operation is None:
                raise NotARequest(400, "The operationName names no operation, or is missing.")
            if asked.is_get and operation.operation is not OperationType.QUERY:
                raise NotARequest(405, "GET is for queries; send this by POST.", headers={"Allow": "POST"})
            return found
        code, problems = found
        raise Refused(400, errors.of_request(list(problems), code, request_id))

    def _checked(self, query: str) -> Checked:
        try:
            document = parse(query, max_lexical_tokens=MAX_TOKENS)
        except GraphQLError as error:
            return errors.PARSE_FAILED, (error,)
        if too_much := limits.excess(document):
            return errors.TOO_COMPLEX, (GraphQLError(too_much),)
        problems = validate(self._schema, document, max_errors=5, hide_suggestions=not self._development)
        return (errors.VALIDATION_FAILED, tuple(problems)) if problems else document

    async def _context(self, request: Asking, request_id: str) -> Context:
        return await open_context(
            site=self._site,
            now=self._clock(),
            token=_bearer(request),
            account_key=request.header("x-account"),
            locale=i18n.negotiate(request.header("accept-language")),
            ip_address=_address(request.scope),
            user_agent=_plain(request.header("user-agent")),
            request_id=request_id,
        )


def _is_query(document: DocumentNode, asked: Asked) -> bool:
    operation = get_operation_ast(document, asked.operation_name)
    return operation is not None and operation.operation is OperationType.QUERY


def _is_browser(request: Asking) -> bool:
    """Whether a person looks: a program that takes JSON says so first, or takes anything."""
    accepts = request.header("accept") or ""
    return "text/html" in accepts.partition("json")[0]


def _is_outage(answer: dict[str, Any]) -> bool:
    """Whether nothing at all could be answered because the database is away: infrastructure should know."""
    if "errors" not in answer:
        return False
    codes = {error["extensions"]["code"] for error in answer["errors"]}
    return errors.SERVICE_UNAVAILABLE in codes and not any((answer["data"] or {}).values())


def _address(scope: Scope) -> str | None:
    client: tuple[str, int] | None = scope.get("client")
    return client[0] if client else None


def _bearer(request: Asking) -> str | None:
    scheme, _, token = (request.header("authorization") or "").partition(" ")
    return token.strip() or None if scheme.lower() == "bearer" else None


def _plain(text: str | None) -> str | None:
    """A header as it can be stored: printable, and not for ever long."""
    return None if text is None else "".join(c for c in text[:300] if c.isprintable())


def _response(request: Asking, status: int, answer: dict[str, Any], headers: dict[str, str]) -> Response:
    accepts = request.header("accept") or ""
    media_type = GRAPHQL_JSON if GRAPHQL_JSON in accepts else JSON
    return refusal.as_json(status, answer, headers, media_type=media_type)
