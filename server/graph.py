"""The graph, ready to answer: what every way to it, HTTP or a socket, has in common.

    asked --named--> with a text --operation--> checked, chosen --context--> whose, where --run--> an answer
                                                                                          `--subscribe--> answers

Each step refuses by raising; a refusal that comes before anything was executed is a Rejected.
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

from models import persisted_operation
from models.base.caller import OperationConfig
from models.live.hub import Hub
from resolvers import view_as
from resolvers.context import Context, open_context, renewed
from server import budget, caching, errors, limits
from server.budget import Budget
from server.client_info import ClientInfo
from server.document_cache import Documents, InvalidDocument
from server.document_validation import checker, too_large
from server.errors import Rejected, Unfit
from server.execution import Executor, compiled
from server.limits import Excess, Limits
from server.persisted_operations import PersistedOperations, Trust
from server.request import GraphQLRequest

NO_BUDGET: Final = Budget(0, 1)
Clock = Callable[[], datetime]
Answer = dict[str, Any]


def utc_now() -> datetime:
    """The time of day."""
    return datetime.now(UTC)


def nobody() -> None:
    """Who is told of mail when nobody wants to know."""


@dataclass(frozen=True, slots=True)
class Operation:
    """A document that was checked, and which of its operations is asked for, with what."""

    document: DocumentNode
    chosen: OperationDefinitionNode
    asked: GraphQLRequest
    cost: int

    @property
    def kind(self) -> OperationType:
        """Query, mutation or subscription."""
        return self.chosen.operation


class Graph:
    """Answers operations of one schema."""

    def __init__(
        self,
        schema: GraphQLSchema,
        site: OperationConfig,
        *,
        development: bool,
        clock: Clock = utc_now,
        on_mail: Callable[[], None] = nobody,
        executor: Callable[..., Executor] = compiled,
        most: Limits = limits.DEFAULT,
        hub: Hub | None = None,
        trust: Trust = Trust.ANY,
        budgets: Budget = NO_BUDGET,
    ) -> None:
        """`on_mail` is called when an operation has queued mail; without a `hub` nothing can be followed;
        `budgets` are what callers may spend.
        """
        self._schema = schema
        self._site = site
        self._development = development
        self._clock = clock
        self._on_mail = on_mail
        self._hub = hub
        self._execute, self._subscribe = executor(schema, hide_suggestions=not development)
        self._limits = most
        self._budget = budgets
        self._documents = Documents(checker(schema, most, development=development))
        self._persisted = PersistedOperations(trust, persisted_operation.text)

    async def named(self, asked: GraphQLRequest, origin: ClientInfo) -> GraphQLRequest:
        """The request with its text, where it only names a document. Raises Rejected for one that is unknown."""
        return await self._persisted.named(asked, is_anonymous=origin.credential.token is None)

    def sizes(self) -> dict[str, int]:
        """How much text is remembered, in bytes, of what."""
        return {"documents": self._documents.bytes}

    def operation(self, asked: GraphQLRequest, address: str | None) -> Operation:
        """The operation that is asked for. Raises Rejected for what does not parse, is too much, or is not valid.

        Whoever sits at `address` pays for looking at a document that was not seen lately, and more for one that is
        refused. Raises RateLimited where he has spent all.
        """
        caller = budget.network(address)
        if not self._documents.knows(asked.query):
            self._budget.check(caller, budget.REFUSED)
            self._budget.take(caller, budget.CHECKED)
        try:
            return self._operation(asked)
        except Rejected:
            self._budget.take(caller, budget.REFUSED)
            raise

    def _operation(self, asked: GraphQLRequest) -> Operation:
        found = self._documents(asked.query)
        if isinstance(found, InvalidDocument):
            raise Unfit(400, found.problems, found.code, **found.more)
        if asked.variables and (too_much := limits.excess_of(asked.variables, self._limits)):
            raise too_large(too_much)
        chosen = found.choose(asked.operation_name)
        if chosen is None:
            raise Unfit(400, "The operationName names no operation, or is missing.")
        node, price = chosen
        cost = price(asked.variables or {})
        if cost > self._limits.cost:
            raise too_large(Excess("cost", self._limits.cost, cost))
        return Operation(found.document, node, asked, cost)

    async def context(self, operation: Operation, origin: ClientInfo) -> Context:
        """Who asks, in which account and through whose eyes, as the database says now; and he pays.

        Raises RateLimited where he has spent all.
        """
        if origin.through and operation.kind is not OperationType.QUERY:
            raise Rejected(400, "X-View-As is for queries.")
        context = await self.enter(origin)
        await self._persisted.admit(operation.asked, is_signed_in=context.viewer_id is not None)
        self._budget.take(_payer(context), 1 + operation.cost)
        if origin.through:
            await view_as.look(context, origin.through)
        return context

    async def enter(self, origin: ClientInfo) -> Context:
        """The same, before anything is asked."""
        return await open_context(
            site=self._site,
            now=self._clock(),
            token=origin.credential.token,
            in_cookie=origin.credential.in_cookie,
            account_key=origin.account_key,
            locale=origin.locale,
            ip_address=origin.ip_address,
            user_agent=origin.user_agent,
            request_id=origin.request_id,
            hub=self._hub,
        )

    async def run(self, operation: Operation, context: Context, request_id: str) -> Answer:
        """The answer to a query or a mutation. Raises Rejected where it cannot start, or takes too long."""
        if operation.kind is OperationType.SUBSCRIPTION:
            raise Rejected(406, "Follow a subscription: accept text/event-stream, or speak graphql-transport-ws.")
        patience = asyncio.timeout(self._limits.seconds)
        try:
            async with patience:
                result = await self._execute(operation.document, operation.asked, context)
        except TimeoutError:
            if not patience.expired():
                raise
            raise _took_too_long(self._limits.seconds) from None
        finally:
            if context.caller.queued:
                self._on_mail()
        if result.data is None and all(error.path is None for error in result.errors or []):
            raise Unfit(400, result.errors or [])
        answer = _answer(result, request_id, context.caller.locale)
        if operation.asked.shows_cost:
            answer["extensions"] = {"cost": self._spent(operation, _payer(context))}
        return answer

    async def subscribe(self, operation: Operation, context: Context, request_id: str) -> AsyncGenerator[Answer]:
        """The answers to a subscription, until whoever asked closes them.

        Raises Rejected where it cannot start; Refused as soon as the right that it lives by is gone;
        Away when this process ends.
        """

        async def renew() -> Context:
            return await renewed(context, self._clock())

        async with aclosing(self._subscribe(operation.document, operation.asked, context, renew)) as results:
            async for result in results:
                if result.data is None and all(error.path is None for error in result.errors or []):
                    raise Unfit(400, result.errors or [])
                yield _answer(result, request_id, context.caller.locale)

    def is_public(self, operation: Operation) -> bool:
        """Whether the document that a request named answers the same to everybody; worked out once for each."""
        named = operation.asked.named
        if named is None or operation.asked.shows_cost:
            return False
        if named.is_public is None:
            named.is_public = caching.is_public(self._schema, operation.document)
        return named.is_public

    def _spent(self, operation: Operation, payer: UUID | str) -> dict[str, Any]:
        """What an answer says of its cost to who wants to know."""
        size = self._budget.size
        left = {"left": int(self._budget.left(payer)), "size": size, "perSecond": self._budget.per_second}
        return {"spent": 1 + operation.cost, "budget": left if size else None, "limits": asdict(self._limits)}


def _answer(result: ExecutionResult, request_id: str, locale: str) -> Answer:
    answer: Answer = {"data": result.data}
    if result.errors:
        answer["errors"] = errors.of_execution(result.errors, request_id, locale)
    return answer


def _payer(context: Context) -> UUID | str:
    return context.viewer_id or budget.network(context.caller.ip_address)


def _took_too_long(seconds: float) -> Rejected:
    message = f"The operation was stopped after {seconds:g} seconds. What it had changed by then stands."
    return Rejected(503, message, errors.SERVICE_UNAVAILABLE, limit="seconds", most=seconds, found=seconds)
