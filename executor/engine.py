"""The door: validated documents in, results out, plans kept in between."""

from collections import OrderedDict
from collections.abc import AsyncIterator
from functools import lru_cache
from inspect import isawaitable
from typing import Any, Final

from graphql import (
    DocumentNode,
    ExecutionResult,
    GraphQLError,
    GraphQLSchema,
    OperationDefinitionNode,
    create_source_event_stream,
    get_operation_ast,
    get_variable_values,
)
from graphql.execution.executor import Executor
from graphql.execution.values import VariableValues

from executor.plan import Plan, compile_plan, condition_variables
from executor.run import Run

MOST_PLANS: Final = 1000
MOST_BYTES: Final = 4 * 1024 * 1024


class Engine:
    """Executes operations of one schema; plans are kept by document text, operation and shape.

    The caches hold at most `most_plans` plans of documents of at most `most_bytes` in all; the one
    used longest ago makes room.
    """

    def __init__(self, schema: GraphQLSchema, *, most_plans: int = MOST_PLANS, most_bytes: int = MOST_BYTES) -> None:
        self.schema = schema
        self._plans: OrderedDict[tuple[object, ...], Plan] = OrderedDict()
        self._conditions = lru_cache(maxsize=most_plans)(_condition_variables)
        self._sizes = 0
        self._most_plans = most_plans
        self._most_bytes = most_bytes

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
        """Run one operation of a document that parsed and validated; `source` is its text."""
        started = self._start(document, source, operation_name, variables, hide_suggestions=hide_suggestions)
        if isinstance(started, list):
            return ExecutionResult(None, started)
        plan, values = started
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
    ) -> AsyncIterator[ExecutionResult]:
        """The answers to a subscription: graphql-core's source stream, each event through the plan."""
        started = self._start(document, source, operation_name, variables, hide_suggestions=False)
        if isinstance(started, list):
            yield ExecutionResult(None, started)
            return
        plan, values = started
        built = Executor.build(self.schema, document, root_value, context, variables, operation_name)
        if isinstance(built, list):
            yield ExecutionResult(None, built)
            return
        stream = create_source_event_stream(built)
        events = await stream if isawaitable(stream) else stream
        if isinstance(events, ExecutionResult):
            yield events
            return
        async for event in events:
            yield await Run(plan, root_value=event, context=context, variables=values).result()

    def _start(
        self,
        document: DocumentNode,
        source: str,
        operation_name: str | None,
        variables: dict[str, Any] | None,
        *,
        hide_suggestions: bool,
    ) -> tuple[Plan, VariableValues] | list[GraphQLError]:
        """The plan and the coerced variables, or why the operation cannot start."""
        operation = get_operation_ast(document, operation_name)
        if operation is None:
            said = f"Unknown operation named '{operation_name}'." if operation_name else "Must provide an operation."
            return [GraphQLError(said)]
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
        """The plan of an operation, compiled on first sight."""
        name = operation.name.value if operation.name else None
        names = self._conditions(_ByIdentity(document))
        key = (source, name, *(variables.get(condition) for condition in names))
        found = self._plans.get(key)
        if found is not None:
            self._plans.move_to_end(key)
            return found
        conditions = {condition: variables.get(condition) for condition in names}
        made = self._plans[key] = compile_plan(self.schema, document, operation, conditions)
        self._sizes += len(source)
        while self._plans and (len(self._plans) > self._most_plans or self._sizes > self._most_bytes):
            gone, _ = self._plans.popitem(last=False)
            self._sizes -= len(str(gone[0]))
        return made


class _ByIdentity:
    """A document as a key: the same tree, not an equal one, which would take long to find out."""

    __slots__ = ("document",)

    def __init__(self, document: DocumentNode) -> None:
        self.document = document

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _ByIdentity) and other.document is self.document

    def __hash__(self) -> int:
        return id(self.document)


def _condition_variables(key: _ByIdentity) -> tuple[str, ...]:
    return condition_variables(key.document)
