"""The engine: executes validated documents and caches their plans."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Final

from graphql import (
    DocumentNode,
    ExecutionResult,
    GraphQLError,
    GraphQLSchema,
    OperationDefinitionNode,
    get_operation_ast,
    get_variable_values,
)
from graphql.execution.values import VariableValues

from executor import source as source_of
from executor.compile import compile_plan, condition_variables
from executor.lru_cache import LRUCache
from executor.plan import Plan
from executor.run import Run

MAX_PLANS: Final = 1000
MAX_BYTES: Final = 512 * 1024
_BYTES_OF_FIELD: Final = 4
"""The size of a compiled field, in bytes of document text. Such a byte takes about 100 bytes as a syntax tree."""


class Engine:
    """Executes operations of one schema. Plans are cached by document text, operation and shape.

    The cache holds at most `max_plans` plans and `max_bytes` bytes of text. A plan counts as the text of its document
    plus a few bytes for each of its fields. A byte of text stands for about 130 bytes of memory. The plans of the least
    recently used document are evicted first.
    """

    def __init__(self, schema: GraphQLSchema, *, max_plans: int = MAX_PLANS, max_bytes: int = MAX_BYTES) -> None:
        self.schema = schema
        self._documents = LRUCache[str, _Document](max_bytes, max_count=max_plans)

    async def execute(
        self,
        document: DocumentNode,
        source: str,
        *,
        operation_name: str | None = None,
        variables: dict[str, Any] | None = None,
        context: Any = None,
        root_value: object = None,
        hide_suggestions: bool = False,
    ) -> ExecutionResult:
        """Run one operation of a validated document. `source` is the text of the document."""
        prepared_operation = self._prepare(
            document, source, operation_name, variables, hide_suggestions=hide_suggestions
        )
        if isinstance(prepared_operation, list):
            return ExecutionResult(None, prepared_operation)
        plan, values = prepared_operation
        return await Run(plan, root_value=root_value, context=context, variables=values).result()

    async def subscribe(
        self,
        document: DocumentNode,
        source: str,
        *,
        operation_name: str | None = None,
        variables: dict[str, Any] | None = None,
        context: Any = None,
        root_value: object = None,
        hide_suggestions: bool = False,
        renew: Callable[[], Awaitable[Any]] | None = None,
    ) -> AsyncGenerator[ExecutionResult]:
        """The results of a subscription.

        The source is guarded by the field's rule, and each event runs through the plan. `renew` returns the context of
        each event, so that guards use the current state.
        """
        prepared_operation = self._prepare(
            document, source, operation_name, variables, hide_suggestions=hide_suggestions
        )
        if isinstance(prepared_operation, list):
            yield ExecutionResult(None, prepared_operation)
            return
        plan, values = prepared_operation
        events = await source_of.start(plan, root_value=root_value, context=context, variables=values)
        if isinstance(events, ExecutionResult):
            yield events
            return
        try:
            async for event in events:
                event_context = context if renew is None else await renew()
                yield await Run(plan, root_value=event, context=event_context, variables=values).result()
        finally:
            close = getattr(events, "aclose", None)
            if close is not None:
                await close()

    def _prepare(
        self,
        document: DocumentNode,
        source: str,
        operation_name: str | None,
        variables: dict[str, Any] | None,
        *,
        hide_suggestions: bool,
    ) -> tuple[Plan, VariableValues] | list[GraphQLError]:
        """The plan and the coerced variables, or the errors that prevent the operation."""
        operation = get_operation_ast(document, operation_name)
        if operation is None:
            return [GraphQLError(_no_operation(document, operation_name))]
        definitions = operation.variable_definitions or ()
        values = get_variable_values(
            self.schema, definitions, variables or {}, max_errors=50, hide_suggestions=hide_suggestions
        )
        if isinstance(values, list):
            return values
        try:
            return self.plan(document, source, operation, values.coerced), values
        except GraphQLError as error:
            return [error]

    # ---- Plans -------------------------------------------------------------------------------

    def plan(
        self, document: DocumentNode, source: str, operation: OperationDefinitionNode, variables: dict[str, Any]
    ) -> Plan:
        """The plan of an operation, compiled at first use. Raises GraphQLError."""
        entry = self._documents.get(source) or _Document(condition_variables(document))
        # A value that is not a Boolean belongs to a variable of the same name in another operation.
        conditions = {
            name: variables.get(name) if variables.get(name).__class__ is bool else None for name in entry.conditions
        }
        shape = (operation.name and operation.name.value, *conditions.values())
        plan = entry.plans.get(shape)
        if plan is None:
            plan = entry.plans[shape] = compile_plan(self.schema, document, operation, conditions)
            size = sum(_weight(source, other_plan) for other_plan in entry.plans.values())
            self._documents.store(source, entry, size=size, count=len(entry.plans))
        return plan


@dataclass(slots=True)
class _Document:
    """A document's `@skip` and `@include` variables, and the plans of its operations by name and shape."""

    conditions: tuple[str, ...]
    plans: dict[tuple[object, ...], Plan] = field(default_factory=dict[tuple[object, ...], Plan])


def _no_operation(document: DocumentNode, operation_name: str | None) -> str:
    if operation_name is not None:
        return f"Unknown operation named '{operation_name}'."
    if any(isinstance(definition, OperationDefinitionNode) for definition in document.definitions):
        return "Must provide operation name if query contains multiple operations."
    return "Must provide an operation."


def _weight(source: str, plan: Plan) -> int:
    return len(source) + plan.size * _BYTES_OF_FIELD
