"""GraphQL operations from request to response, for all transports: HTTP, event streams and WebSockets.

    request --resolve_persisted--> request with a document --prepare--> Operation
            --authorize--> Context --run--> response
                                  `--subscribe--> responses

A step that rejects the request raises an exception, before execution usually a RequestError.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from graphql import (
    DocumentNode,
    ExecutionResult,
    GraphQLSchema,
    OperationDefinitionNode,
    OperationType,
)

from database.pool import DEFAULT_PER_CALLER, WAIT_SECONDS, current_caller, on_behalf_of
from database.slots import QueueFull, Slots
from models import persisted_operation
from models.base import deadline
from models.base.caller import OperationConfig
from models.base.errors import RateLimited
from models.base.limit_name import LimitName
from models.live.hub import Hub
from resolvers import view_as
from resolvers.context import Context, open_context, refresh
from server import budget, caching, errors, limits
from server.budget import Budget
from server.client_info import ClientInfo
from server.document_cache import CheckedDocument, DocumentCache, InvalidDocument
from server.document_validation import document_checker, limit_error
from server.errors import InvalidOperation, RequestError
from server.execution import Executor, compiled_executor
from server.limits import Limits, LimitViolation
from server.persisted_operations import PersistedOperations, Trust
from server.request import GraphQLRequest
from server.request_slots import MAX_OPERATIONS, RequestSlots

NO_BUDGET: Final = Budget(0, 1)
SESSION_ENDED: Final = "SESSION_ENDED"
"""The code in the `extensions` of a response to an anonymous request whose token opens no session."""
MAX_WAITING: Final = 100
"""Operations of one caller that wait for earlier ones. More are refused."""
Clock = Callable[[], datetime]
GraphQLResponse = dict[str, Any]


def utc_now() -> datetime:
    """The current time in UTC."""
    return datetime.now(UTC)


def ignore_mail() -> None:
    """The `on_mail` of a Graph without a mailer."""


@dataclass(frozen=True, slots=True)
class Operation:
    """A valid document, its operation to execute, the request and the cost."""

    document: DocumentNode
    definition: OperationDefinitionNode
    request: GraphQLRequest
    cost: int

    @property
    def kind(self) -> OperationType:
        """Query, mutation or subscription."""
        return self.definition.operation


class Graph:
    """Executes operations of one schema."""

    def __init__(
        self,
        schema: GraphQLSchema,
        config: OperationConfig,
        *,
        development: bool,
        clock: Clock = utc_now,
        on_mail: Callable[[], None] = ignore_mail,
        executor: Callable[..., Executor] = compiled_executor,
        operation_limits: Limits = limits.DEFAULT,
        hub: Hub | None = None,
        trust: Trust = Trust.OPEN,
        caller_budget: Budget = NO_BUDGET,
        operations_per_caller: int = DEFAULT_PER_CALLER,
    ) -> None:
        """`on_mail` is called when an operation has queued mail. Without a `hub`, subscriptions fail."""
        self._schema = schema
        self._config = config
        self._development = development
        self._clock = clock
        self._on_mail = on_mail
        self._hub = hub
        self._execute, self._subscribe = executor(schema, hide_suggestions=not development)
        self._limits = operation_limits
        self._budget = caller_budget
        self.operations = Slots(operations_per_caller, MAX_WAITING)
        self._network_operations = RequestSlots(MAX_OPERATIONS)
        self._documents = DocumentCache(document_checker(schema, operation_limits, development=development))
        self._persisted_operations = PersistedOperations(trust, persisted_operation.load_text)

    async def resolve_persisted(self, request: GraphQLRequest, client: ClientInfo) -> GraphQLRequest:
        """The request with the text of its persisted operation. Raises RequestError if the operation is unknown."""
        return await self._persisted_operations.resolve(request, is_anonymous=client.credential.token is None)

    def cache_bytes(self) -> dict[str, int]:
        """The bytes of text in each cache, by its name."""
        return {"documents": self._documents.bytes}

    async def prepare(self, request: GraphQLRequest, address: str | None) -> Operation:
        """Check the document and select the operation.

        The budget of `address` is charged for a document that is not cached, and more for one that is rejected.

        Raises:
            RequestError: the document does not parse, exceeds a limit or is not valid, or has no such operation.
            RateLimited: the budget is spent, or too many documents wait for their check.
        """
        caller = budget.address_key(address)
        if not self._documents.contains(request.query):
            self._budget.check(caller, budget.REJECTION_COST)
            self._budget.charge(caller, budget.CHECK_COST)
        try:
            return self._prepare(request, await self._documents.load(request.query, caller))
        except RequestError:
            self._budget.charge(caller, budget.REJECTION_COST)
            raise

    def _prepare(self, request: GraphQLRequest, checked_document: CheckedDocument) -> Operation:
        if isinstance(checked_document, InvalidDocument):
            raise InvalidOperation(400, checked_document.errors, checked_document.code, **checked_document.extensions)
        if request.variables and (violation := limits.check_variables(request.variables, self._limits)):
            raise limit_error(violation)
        entry = checked_document.operation(request.operation_name)
        if entry is None:
            raise InvalidOperation(400, "The document does not have this operationName, or operationName is missing.")
        definition, compute_cost = entry
        cost = compute_cost(request.variables or {})
        if cost > self._limits.cost:
            raise limit_error(LimitViolation("cost", self._limits.cost, cost))
        return Operation(checked_document.document, definition, request, cost)

    async def authorize(self, operation: Operation, client: ClientInfo) -> Context:
        """Authenticate the caller, charge the cost of the operation and apply X-View-As.

        Raises:
            RequestError: X-View-As without a query, or an operation that the trust policy does not allow.
            RateLimited: the budget is spent.
        """
        if client.view_as and operation.kind is not OperationType.QUERY:
            raise RequestError(400, "X-View-As is for queries.")
        context = await self.authenticate(client)
        await self._persisted_operations.admit(operation.request, is_signed_in=context.viewer_id is not None)
        self._budget.charge(_payer(context), 1 + operation.cost)
        if client.view_as:
            with on_behalf_of(_payer(context)):
                await view_as.apply_header(context, client.view_as)
        return context

    async def authenticate(self, client: ClientInfo) -> Context:
        """The context of a client: its user and current account, read from the database now."""
        return await open_context(
            config=self._config,
            now=self._clock(),
            token=client.credential.token,
            in_cookie=client.credential.in_cookie,
            account_key=client.account_key,
            locale=client.locale,
            ip_address=client.ip_address,
            user_agent=client.user_agent,
            request_id=client.request_id,
            hub=self._hub,
        )

    async def run(self, operation: Operation, context: Context, request_id: str) -> GraphQLResponse:
        """Execute a query or a mutation, after earlier ones of the same caller if too many run.

        Raises:
            RequestError: it cannot start, or takes too long.
            RateLimited: too many operations of the caller wait, or this one waited too long.
        """
        if operation.kind is OperationType.SUBSCRIPTION:
            raise RequestError(406, "A subscription needs text/event-stream or graphql-transport-ws.")
        caller = _payer(context)
        await self._enter(caller)
        try:
            async with self._network_operations.slot(context.caller.ip_address):
                result = await self._execute_in_time(operation, context, caller)
        finally:
            self.operations.leave(caller)
            if context.caller.queued_kinds:
                self._on_mail()
        if result.data is None and all(error.path is None for error in result.errors or []):
            raise InvalidOperation(400, result.errors or [])
        response = _to_response(result, request_id, context.caller.locale)
        extensions: dict[str, Any] = {}
        # A public response is the same for all callers, because caches share it.
        if context.has_ended_token and context.session is None and not self.is_public(operation):
            extensions["code"] = SESSION_ENDED
        if operation.request.shows_cost:
            extensions["cost"] = self._cost_report(operation, _payer(context))
        if extensions:
            response["extensions"] = extensions
        return response

    async def _execute_in_time(self, operation: Operation, context: Context, caller: UUID | str) -> ExecutionResult:
        timeout = asyncio.timeout(self._limits.seconds)
        try:
            with on_behalf_of(caller), deadline.within(self._limits.seconds):
                async with timeout:
                    result = await self._execute(operation.document, operation.request, context)
                    await context.record_uses()
                    return result
        except TimeoutError:
            if not timeout.expired():
                raise
            raise _timeout_error(self._limits.seconds) from None

    async def _enter(self, caller: UUID | str) -> None:
        try:
            await self.operations.enter(caller, WAIT_SECONDS)
        except (QueueFull, TimeoutError):
            raise RateLimited(LimitName.OPERATIONS_AT_ONCE, retry_after_seconds=1) from None

    async def subscribe(
        self, operation: Operation, context: Context, request_id: str
    ) -> AsyncGenerator[GraphQLResponse]:
        """Execute a subscription until the client closes it. Yields a response per event.

        Raises:
            RequestError: the subscription cannot start.
            OperationError: the caller has lost the permission that the subscription needs.
            ShuttingDown: this process ends.
        """

        async def renew() -> Context:
            return await refresh(context, self._clock())

        _ = current_caller.set(_payer(context))  # for the task of the stream
        async with aclosing(self._subscribe(operation.document, operation.request, context, renew)) as results:
            async for result in results:
                if result.data is None and all(error.path is None for error in result.errors or []):
                    raise InvalidOperation(400, result.errors or [])
                yield _to_response(result, request_id, context.caller.locale)

    def is_public(self, operation: Operation) -> bool:
        """True if all callers get the same response to this persisted operation. Computed once per operation."""
        cached_operation = operation.request.cached_operation
        if cached_operation is None or operation.request.shows_cost:
            return False
        if cached_operation.is_public is None:
            cached_operation.is_public = caching.is_public(self._schema, operation.document)
        return cached_operation.is_public

    def _cost_report(self, operation: Operation, payer: UUID | str) -> dict[str, Any]:
        """The `cost` extension of a response: the cost, the balance and the limits."""
        size = self._budget.size
        state = {"left": int(self._budget.balance(payer)), "size": size, "perSecond": self._budget.per_second}
        return {"spent": 1 + operation.cost, "budget": state if size else None, "limits": asdict(self._limits)}


def _to_response(result: ExecutionResult, request_id: str, locale: str) -> GraphQLResponse:
    response: GraphQLResponse = {"data": result.data}
    if result.errors:
        response["errors"] = errors.format_errors(result.errors, request_id, locale)
    return response


def _payer(context: Context) -> UUID | str:
    return context.viewer_id or budget.address_key(context.caller.ip_address)


def _timeout_error(seconds: float) -> RequestError:
    message = f"The operation was stopped after {seconds:g} seconds. Changes made before that are kept."
    return RequestError(503, message, errors.SERVICE_UNAVAILABLE, limit="seconds", most=seconds, found=seconds)
