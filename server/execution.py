"""Which executor runs the operations: our own, or graphql-core as the reference."""

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
    """How queries and mutations are answered, and how subscriptions are, each event in a context of its own."""

    execute: Execute
    subscribe: Subscribe


def compiled(schema: GraphQLSchema, *, hide_suggestions: bool) -> Executor:
    """Plans, kept, and run level by level."""
    engine = executor.Engine(schema)

    def subscribe(
        document: DocumentNode, asked: GraphQLRequest, context: Context, renew: Renew
    ) -> AsyncGenerator[ExecutionResult]:
        return engine.subscribe(
            document,
            asked.query,
            operation_name=asked.operation_name,
            variables=asked.variables,
            context=context,
            hide_suggestions=hide_suggestions,
            renew=renew,
        )

    async def run(document: DocumentNode, asked: GraphQLRequest, context: Context) -> ExecutionResult:
        return await engine.execute(
            document,
            asked.query,
            operation_name=asked.operation_name,
            variables=asked.variables,
            context=context,
            hide_suggestions=hide_suggestions,
        )

    return Executor(run, subscribe)


def reference(schema: GraphQLSchema, *, hide_suggestions: bool) -> Executor:
    """graphql-core, field by field."""

    async def subscribe(
        document: DocumentNode, asked: GraphQLRequest, context: Context, renew: Renew
    ) -> AsyncGenerator[ExecutionResult]:
        def build(root: object, seen: Context) -> Any:
            return Core.build(
                schema,
                document,
                root,
                seen,
                asked.variables,
                asked.operation_name,
                hide_suggestions=hide_suggestions,
            )

        core = build(None, context)
        if isinstance(core, list):
            yield ExecutionResult(None, core)
            return
        started = create_source_event_stream(core)
        events = await started if isawaitable(started) else started
        if isinstance(events, ExecutionResult):
            yield events
            return
        async with aclosing(_closable(events)):
            async for event in events:
                result = execute_subscription_event(build(event, await renew()).build_per_event_executor(event))
                yield await result if isawaitable(result) else result

    async def run(document: DocumentNode, asked: GraphQLRequest, context: Context) -> ExecutionResult:
        result = execute(
            schema,
            document,
            context_value=context,
            variable_values=asked.variables,
            operation_name=asked.operation_name,
            hide_suggestions=hide_suggestions,
        )
        return await result if isawaitable(result) else result

    return Executor(run, subscribe)


def _closable(events: AsyncIterable[Any]) -> Any:
    return events  # a Stream, which is closed like a generator
