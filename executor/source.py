"""The source of a subscription. It is guarded like any field, and its arguments are converted."""

from collections.abc import AsyncIterable
from inspect import isawaitable
from typing import Any

from graphql import ExecutionResult, GraphQLError, default_field_resolver, located_error
from graphql.execution.values import VariableValues
from graphql.pyutils import inspect

from executor.info import Info
from executor.plan import Field, Plan


async def start(
    plan: Plan, *, root_value: object, context: Any, variables: VariableValues
) -> AsyncIterable[Any] | ExecutionResult:
    """The events of a subscription, or the single result of a subscription that cannot start."""
    field = plan.root.fields[0]
    try:
        _guard(plan, field, root_value, context)
        info = Info(plan, field, context=context, root_value=root_value, variables=variables)
        definition = field.definition
        subscribe: Any = definition.extensions.get("source") or definition.subscribe or default_field_resolver
        stream = subscribe(root_value, info, **field.arguments(variables))
        return _check_source(await stream if isawaitable(stream) else stream)
    except Exception as error:  # noqa: BLE001 - located at the field
        return ExecutionResult(None, [located_error(error, field.nodes, [field.key])])


def _guard(plan: Plan, field: Field, root_value: object, context: Any) -> None:
    """Raise the error of the field's rule if the caller may not read the field."""
    if field.needs is None or plan.root.rights is None:
        return
    (rights,) = plan.root.rights([root_value], context)
    if not rights & field.needs:
        assert field.refuse is not None  # noqa: S101 - a guarded field always has it
        raise field.refuse([root_value], context)[0]


def _check_source(stream: Any) -> AsyncIterable[Any]:
    if isinstance(stream, Exception):
        raise stream
    if not isinstance(stream, AsyncIterable):
        raise GraphQLError(f"Subscription field must return AsyncIterable. Received: {inspect(stream)}.")
    return stream
