"""Which executor runs the operations: our own, or graphql-core as the reference."""

from collections.abc import Awaitable, Callable
from inspect import isawaitable

from graphql import DocumentNode, ExecutionResult, GraphQLSchema, execute

import executor
from resolvers.context import Context
from server.request import Asked

Execute = Callable[[DocumentNode, Asked, Context], Awaitable[ExecutionResult]]


def compiled(schema: GraphQLSchema, *, hide_suggestions: bool) -> Execute:
    """Plans, kept, and run level by level."""
    engine = executor.Engine(schema)

    async def run(document: DocumentNode, asked: Asked, context: Context) -> ExecutionResult:
        return await engine.execute(
            document,
            asked.query,
            operation_name=asked.operation_name,
            variables=asked.variables,
            context=context,
            hide_suggestions=hide_suggestions,
        )

    return run


def reference(schema: GraphQLSchema, *, hide_suggestions: bool) -> Execute:
    """graphql-core, field by field."""

    async def run(document: DocumentNode, asked: Asked, context: Context) -> ExecutionResult:
        result = execute(
            schema,
            document,
            context_value=context,
            variable_values=asked.variables,
            operation_name=asked.operation_name,
            hide_suggestions=hide_suggestions,
        )
        return await result if isawaitable(result) else result

    return run
