"""The door: validated documents in, results out, plans kept in between."""

from collections import OrderedDict
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
from executor.plan import Plan
from executor.run import Run

MOST_PLANS: Final = 1000
MOST_BYTES: Final = 512 * 1024
_BYTES_OF_FIELD: Final = 4
"""What a compiled field weighs, in bytes of text: one of those holds about 100 bytes of syntax tree."""


class Engine:
    """Executes operations of one schema; plans are kept by document text, operation and shape.

    At most `most_plans` of them, and at most `most_bytes` of text in all, a plan weighing as much as
    its document's text and a little for each of its fields. What a byte of text stands for takes
    about 130 bytes of memory. The document used longest ago makes room.
    """

    def __init__(self, schema: GraphQLSchema, *, most_plans: int = MOST_PLANS, most_bytes: int = MOST_BYTES) -> None:
        self.schema = schema
        self._known: OrderedDict[str, _Document] = OrderedDict()
        self._plans = 0
        self._bytes = 0
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
        hide_suggestions: bool = False,
        renew: Callable[[], Awaitable[Any]] | None = None,
    ) -> AsyncGenerator[ExecutionResult]:
        """The answers to a subscription: its source under the field's rule, then each event through the plan.

        `renew` gives the context of each event, so that its guards look at what is true by then.
        """
        started = self._start(document, source, operation_name, variables, hide_suggestions=hide_suggestions)
        if isinstance(started, list):
            yield ExecutionResult(None, started)
            return
        plan, values = started
        events = await source_of.start(plan, root_value=root_value, context=context, variables=values)
        if isinstance(events, ExecutionResult):
            yield events
            return
        try:
            async for event in events:
                seen = context if renew is None else await renew()
                yield await Run(plan, root_value=event, context=seen, variables=values).result()
        finally:
            close = getattr(events, "aclose", None)
            if close is not None:
                await close()

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
        """The plan of an operation, compiled on first sight. Raises GraphQLError."""
        known = self._known.get(source) or _Document(condition_variables(document))
        # What is no truth value belongs to another operation's variable of the same name.
        decided = {
            name: variables.get(name) if variables.get(name).__class__ is bool else None for name in known.conditions
        }
        shape = (operation.name and operation.name.value, *decided.values())
        found = known.plans.get(shape)
        if found is None:
            found = known.plans[shape] = compile_plan(self.schema, document, operation, decided)
            self._known[source] = known
            self._plans += 1
            self._bytes += _weight(source, found)
        self._known.move_to_end(source)
        self._make_room()
        return found

    def _make_room(self) -> None:
        while self._plans > self._most_plans or self._bytes > self._most_bytes:
            source, gone = self._known.popitem(last=False)
            self._plans -= len(gone.plans)
            self._bytes -= sum(_weight(source, plan) for plan in gone.plans.values())


@dataclass(slots=True)
class _Document:
    """The variables that decide about its shapes, and the plans of its operations by name and shape."""

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
