"""The executors of GraphQL operations: this repository's own, and graphql-core as the reference."""

from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Callable
from contextlib import aclosing
from inspect import isawaitable
from typing import Any, NamedTuple

from graphql import DocumentNode, ExecutionResult, GraphQLSchema, execute
from graphql.execution import Executor as Core
from graphql.execution import create_source_event_stream, execute_subscription_event

import executor
from resolvers.context import Context
from server.request import GraphQLRequest

Execute = Callable[[DocumentNode, GraphQLRequest, Context], Awaitable[ExecutionResult]]
Renew = Callable[[], Awaitable[Context]]
Subscribe = Callable[[DocumentNode, GraphQLRequest, Context, Renew], AsyncGenerator[ExecutionResult]]


class Executor(NamedTuple):
    """A function for queries and mutations, and one for subscriptions, which renews the context for each event."""

    execute: Execute
    subscribe: Subscribe


def compiled_executor(schema: GraphQLSchema, *, hide_suggestions: bool) -> Executor:
    """The batching executor: cached plans that run level by level."""
    engine = executor.Engine(schema)

    def subscribe(
        document: DocumentNode, request: GraphQLRequest, context: Context, renew: Renew
    ) -> AsyncGenerator[ExecutionResult]:
        return engine.subscribe(
            document,
            request.query,
            operation_name=request.operation_name,
            variables=request.variables,
            context=context,
            hide_suggestions=hide_suggestions,
            renew=renew,
        )

    async def run(document: DocumentNode, request: GraphQLRequest, context: Context) -> ExecutionResult:
        return await engine.execute(
            document,
            request.query,
            operation_name=request.operation_name,
            variables=request.variables,
            context=context,
            hide_suggestions=hide_suggestions,
        )

    return Executor(run, subscribe)


def reference_executor(schema: GraphQLSchema, *, hide_suggestions: bool) -> Executor:
    """The executor of graphql-core, which runs field by field. Used to check the batching executor."""

    async def subscribe(
        document: DocumentNode, request: GraphQLRequest, context: Context, renew: Renew
    ) -> AsyncGenerator[ExecutionResult]:
        def build(root: object, event_context: Context) -> Any:
            return Core.build(
                schema,
                document,
                root,
                event_context,
                request.variables,
                request.operation_name,
                hide_suggestions=hide_suggestions,
            )

        core = build(None, context)
        if isinstance(core, list):
            yield ExecutionResult(None, core)
            return
        stream = create_source_event_stream(core)
        events = await stream if isawaitable(stream) else stream
        if isinstance(events, ExecutionResult):
            yield events
            return
        async with aclosing(_closable(events)):
            async for event in events:
                result = execute_subscription_event(build(event, await renew()).build_per_event_executor(event))
                yield await result if isawaitable(result) else result

    async def run(document: DocumentNode, request: GraphQLRequest, context: Context) -> ExecutionResult:
        result = execute(
            schema,
            document,
            context_value=context,
            variable_values=request.variables,
            operation_name=request.operation_name,
            hide_suggestions=hide_suggestions,
        )
        return await result if isawaitable(result) else result

    return Executor(run, subscribe)


def _closable(events: AsyncIterable[Any]) -> Any:
    return events  # A Stream has `aclose` like a generator, which its type does not say.
