"""Running a plan level by level, for all objects of a level at once.

For each selection: one call for the caller's rights on all objects. Then for each field: one guard for all objects,
one call of the batch resolver, one completion of all values. Leaves are columns. Only errors are handled one by one.
"""

from collections.abc import Coroutine, Sequence
from itertools import accumulate, chain
from typing import Any, Final, TypeAlias, cast

from graphql import (
    ExecutionResult,
    GraphQLError,
    GraphQLObjectType,
    Undefined,
    default_type_resolver,
)
from graphql.execution.values import VariableValues

from executor import columnar, leaf
from executor import values as get
from executor.error_locator import ErrorLocator
from executor.info import Info
from executor.plan import Abstract, Field, Items, Leaf, Object, Plan, Selection, Shape
from executor.response_path import FieldPath, ItemPath, Order, ResponsePath, Root, SubsetPath
from executor.row_rights import RowRights

_NULLS: Final = frozenset({type(None), type(Undefined)})
Rights: TypeAlias = RowRights | Exception | None


class NullPropagation:
    """Takes the place of a null that is not allowed, until it reaches a nullable field."""

    __slots__ = ("order",)

    def __init__(self, order: Order) -> None:
        self.order = order  # the sort key of the error that caused it


class Run:
    """One execution of a plan."""

    def __init__(self, plan: Plan, *, root_value: object, context: Any, variables: VariableValues) -> None:
        self.plan = plan
        self.root_value = root_value
        self.context = context
        self.variables = variables
        self._locator = ErrorLocator()
        self._errors: list[tuple[Order, GraphQLError]] = []
        self._null_causes: list[tuple[Order, Order]] = []
        self._has_null_propagation = False

    async def result(self) -> ExecutionResult:
        """The result: data, and errors in the order of the response."""
        serially = self.plan.is_mutation
        column = await self._select(self.plan.root, [self.root_value], Root(), serially=serially)
        data = self._apply_nulls(column, Root(), nullable=True)[0] if self._has_null_propagation else column[0]
        return ExecutionResult(cast("dict[str, Any] | None", data), self._relevant_errors() or None)

    def _info(self, field: Field) -> Info:
        return Info(self.plan, field, context=self.context, root_value=self.root_value, variables=self.variables)

    # ---- Errors ------------------------------------------------------------------------------

    def _error(self, field: Field, path: ResponsePath, number: int, error: Exception) -> Order:
        ((response_path, order),) = path.of([number])
        self._errors.append((order, self._locator.locate(field, list(response_path), error)))
        return order

    def _fail(self, field: Field, path: ResponsePath, number: int, error: Exception) -> NullPropagation:
        self._has_null_propagation = True
        return NullPropagation(self._error(field, path, number, error))

    def _apply_nulls(self, values: list[Any], path: ResponsePath, *, nullable: bool) -> list[Any]:
        """Replace null propagations with nulls if the field is nullable."""
        if not nullable:
            return values
        for number, value in enumerate(values):
            if type(value) is NullPropagation:
                ((_, order),) = path.of([number])
                self._null_causes.append((order, value.order))
                values[number] = None
        return values

    def _relevant_errors(self) -> list[GraphQLError]:
        """The errors, sorted. Errors below a null are left out if another error caused the null."""
        causes = dict(self._null_causes)

        def is_moot(order: Order) -> bool:
            above = (causes.get(order[:length]) for length in range(len(order) + 1))
            return any(cause is not None and order > cause for cause in above)

        entries = [entry for entry in self._errors if not (causes and is_moot(entry[0]))]
        return [error for _, error in sorted(entries, key=lambda entry: entry[0])]

    # ---- One level ---------------------------------------------------------------------------

    async def _select(
        self, selection: Selection, objects: Sequence[Any], path: ResponsePath, *, serially: bool = False
    ) -> list[Any]:
        """All objects of one type at one level, completed."""
        if not objects:
            return []
        columns: list[list[Any]] = [[]] * len(selection.fields)
        rights = self._rights(selection, objects)
        work: list[tuple[int, Coroutine[Any, Any, list[Any]]]] = []
        for field in selection.fields:
            if serially and selection.rights:  # a mutation may change the rights for the next
                rights = self._rights(selection, objects)
            is_unguarded = (
                rights is None or field.needs is None or (type(rights) is RowRights and rights.allows_all(field.needs))
            )
            if is_unguarded and type(field.shape) is Leaf and (field.attribute is not None or field.column is not None):
                values = self._column(field, objects)
                columns[field.index] = self._leaves(field, field.shape, get.as_list(values), FieldPath(path, field))
            elif field.constant is not None:
                columns[field.index] = [field.constant] * len(objects)
            elif serially:
                columns[field.index] = await self._complete_field(
                    field, objects, rights, path, is_unguarded=is_unguarded
                )
            elif not field.may_wait:  # a task would cost more than the field
                columns[field.index] = get.run_without_waiting(
                    self._complete_field(field, objects, rights, path, is_unguarded=is_unguarded)
                )
            else:
                work.append(
                    (field.index, self._complete_field(field, objects, rights, path, is_unguarded=is_unguarded))
                )
            if serially and type(columns[field.index][0]) is NullPropagation:  # the whole response is null: do no more
                return columns[field.index]
        await get.run_concurrently(work, columns)
        if not columns:
            return [{} for _ in objects]
        built_objects: list[Any] = selection.build(*columns)
        return self._propagate(columns, built_objects) if self._has_null_propagation else built_objects

    def _rights(self, selection: Selection, objects: Sequence[Any]) -> Rights:
        """The caller's rights on each object, or the error of computing them. None if the type has no rights."""
        if selection.rights is None:
            return None
        rights = get.attempt(selection.rights, objects, self.context)
        if isinstance(rights, Exception):
            return rights
        if not isinstance(rights, Sequence) or len(rights) != len(objects):
            return get.wrong_length(f"rights of {selection.type}", rights, objects)
        return RowRights(rights)

    def _propagate(self, columns: list[list[Any]], objects: list[Any]) -> list[Any]:
        """Replace each object that contains a null propagation with its first one."""
        for column in reversed(columns):
            for number, value in enumerate(column):
                if type(value) is NullPropagation:
                    objects[number] = value
        return objects

    async def _complete_field(
        self,
        field: Field,
        objects: Sequence[Any],
        rights: Rights,
        parent_path: ResponsePath,
        *,
        is_unguarded: bool,
    ) -> list[Any]:
        """One field of all objects, guarded, resolved and completed."""
        path = FieldPath(parent_path, field)
        if isinstance(rights, Exception):
            return await self._complete(field, field.shape, [rights] * len(objects), path)
        if is_unguarded or rights is None or field.needs is None:  # the last two conditions inform the type checker
            values = await self._values(field, objects)
            return await self._complete(field, field.shape, values, path)
        needs = field.needs
        allowed_numbers = [number for number, bits in enumerate(rights.bits) if bits & needs]
        column = self._refuse(field, objects, rights.bits, needs, path)
        if allowed_numbers:
            values = await self._values(field, columnar.select_numbers(objects, allowed_numbers))
            completed = await self._complete(field, field.shape, values, SubsetPath(path, allowed_numbers))
            for number, value in zip(allowed_numbers, completed, strict=True):
                column[number] = value
        return column

    def _refuse(
        self, field: Field, objects: Sequence[Any], rights: Sequence[int], needs: int, path: ResponsePath
    ) -> list[Any]:
        """Nulls for the objects whose field is refused. Records the located errors."""
        column: list[Any] = [None] * len(objects)
        numbers = [number for number, bits in enumerate(rights) if not bits & needs]
        errors = get.refusals(field, columnar.select_numbers(objects, numbers), self.context)
        for number, error, (response_path, order) in zip(numbers, errors, path.of(numbers), strict=True):
            self._errors.append((order, self._locator.locate(field, list(response_path), error)))
            if not field.shape.nullable:
                self._has_null_propagation = True
                column[number] = NullPropagation(order)
        return column

    def _null(
        self, field: Field, shape: Shape, path: ResponsePath, number: int, error: Exception
    ) -> NullPropagation | None:
        if shape.nullable:
            self._error(field, path, number, error)
            return None
        return self._fail(field, path, number, error)

    # ---- Resolving ---------------------------------------------------------------------------

    def _column(self, field: Field, objects: Sequence[Any]) -> Sequence[Any]:
        """The values of an attribute or of a column resolver, which never wait."""
        if field.attribute is not None:
            return get.attributes(field.attribute, objects)
        assert field.column is not None  # noqa: S101 - a field has exactly one of the four
        try:
            values: Sequence[Any] = field.column(objects, self._info(field), **field.arguments(self.variables))
        except Exception as error:  # noqa: BLE001 - located at each field
            return [error] * len(objects)
        return get.check_count(field, values, objects)

    async def _values(self, field: Field, objects: Sequence[Any]) -> Sequence[Any]:
        """The result of the field's resolver for each object, or its exception."""
        if field.batch is None and field.resolve is None:
            return self._column(field, objects)
        try:
            arguments = field.arguments(self.variables)
        except Exception as error:  # noqa: BLE001 - located at each field
            return [error] * len(objects)
        if field.batch is not None:
            return await self._call_batch(field, objects, arguments)
        info = self._info(field)
        return await get.await_all([get.call(field, object_, info, arguments) for object_ in objects])

    async def _call_batch(self, field: Field, objects: Sequence[Any], arguments: dict[str, Any]) -> Sequence[Any]:
        batch = field.batch
        assert batch is not None  # noqa: S101 - checked by the caller
        try:
            results: Sequence[Any] = await batch(objects, self._info(field), **arguments)
        except Exception as error:  # noqa: BLE001 - located at each field
            return [error] * len(objects)
        return get.check_count(field, results, objects)

    # ---- Completing --------------------------------------------------------------------------

    async def _complete(self, field: Field, shape: Shape, values: Sequence[Any], path: ResponsePath) -> list[Any]:
        """All values of one shape, completed."""
        if type(shape) is Leaf:
            return self._leaves(field, shape, get.as_list(values), path)
        if not columnar.is_columnar(values):
            types = set(map(type, values))
            if not types.isdisjoint(_NULLS) or any(issubclass(kind, Exception) for kind in types):
                return await self._complete_rest(field, shape, values, path)
        if type(shape) is Items:
            column = await self._lists(field, shape, values, path)
        elif type(shape) is Object:
            column = await self._objects(field, shape, values, path)
        else:
            column = await self._abstract(field, cast("Abstract", shape), values, path)
        return self._apply_nulls(column, path, nullable=shape.nullable) if self._has_null_propagation else column

    async def _complete_rest(self, field: Field, shape: Shape, values: Sequence[Any], path: ResponsePath) -> list[Any]:
        """Like `_complete`, for values with nulls or exceptions among them."""
        column: list[Any] = [None] * len(values)
        present_numbers: list[int] = []
        for number, value in enumerate(values):
            if isinstance(value, Exception):
                column[number] = self._null(field, shape, path, number, value)
            elif value is not None and value is not Undefined:
                present_numbers.append(number)
            elif not shape.nullable:
                column[number] = self._fail(field, path, number, get.null_error(field))
        if present_numbers:
            present_values = [values[number] for number in present_numbers]
            completed = await self._complete(field, shape, present_values, SubsetPath(path, present_numbers))
            for number, value in zip(present_numbers, completed, strict=True):
                column[number] = value
        return column

    def _leaves(self, field: Field, shape: Leaf, values: list[Any], path: ResponsePath) -> list[Any]:
        plain = leaf.is_plain(shape.type, values)
        if plain and (shape.nullable or None not in values):
            return values
        column = list(values)
        for number, value in enumerate(values):
            if value is None or value is Undefined:
                column[number] = None if shape.nullable else self._fail(field, path, number, get.null_error(field))
                continue
            result = value if plain or isinstance(value, Exception) else get.attempt(leaf.coerce, shape.type, value)
            is_error = isinstance(result, Exception)
            column[number] = self._null(field, shape, path, number, result) if is_error else result
        return column

    async def _lists(self, field: Field, shape: Items, values: Sequence[Any], path: ResponsePath) -> list[Any]:
        whole = columnar.join_slices(values)
        if whole is not None:
            return await self._items(field, shape, whole, list(map(len, values)), path)
        lists = [value if type(value) is list else await get.iterate(field, value) for value in values]
        wrong = {number: entry for number, entry in enumerate(lists) if isinstance(entry, Exception)}
        for number in wrong:
            lists[number] = []
        flat = await get.await_all(list(chain.from_iterable(lists)))
        column = await self._items(field, shape, flat, list(map(len, lists)), path)
        for number, error in wrong.items():
            column[number] = self._null(field, shape, path, number, error)
        return column

    async def _items(
        self, field: Field, shape: Items, flat: Sequence[Any], sizes: list[int], path: ResponsePath
    ) -> list[Any]:
        """Complete the items of all lists as one level, and split them into lists of these sizes."""
        starts = [0, *accumulate(sizes)][:-1]
        inner = await self._complete(field, shape.inner, flat, ItemPath(path, starts)) if flat else []
        lists: list[Any] = [inner[start : start + size] for start, size in zip(starts, sizes, strict=True)]
        if self._has_null_propagation and not shape.inner.nullable:
            lists = [next((item for item in items if type(item) is NullPropagation), items) for items in lists]
        return lists

    async def _objects(self, field: Field, shape: Object, values: Sequence[Any], path: ResponsePath) -> list[Any]:
        type_ = shape.selection.type
        if type_.is_type_of is None:
            return await self._select_checked(field, shape, values, path)
        info = self._info(field)
        verdicts = await get.await_all([get.attempt(type_.is_type_of, value, info) for value in values])
        column: list[Any] = [None] * len(values)
        matching_numbers: list[int] = []
        for number, verdict in enumerate(verdicts):
            if verdict and not isinstance(verdict, Exception):
                matching_numbers.append(number)
                continue
            error = verdict if isinstance(verdict, Exception) else get.type_error(type_, values[number], field)
            column[number] = self._null(field, shape, path, number, error)
        completed = await self._select_checked(
            field, shape, [values[number] for number in matching_numbers], SubsetPath(path, matching_numbers)
        )
        for number, value in zip(matching_numbers, completed, strict=True):
            column[number] = value
        return column

    async def _select_checked(
        self, field: Field, shape: Object, values: Sequence[Any], path: ResponsePath
    ) -> list[Any]:
        failure = shape.selection.failure
        if failure is None:
            return await self._select(shape.selection, values, path)
        return [self._null(field, shape, path, number, failure) for number in range(len(values))]

    async def _abstract(self, field: Field, shape: Abstract, values: Sequence[Any], path: ResponsePath) -> list[Any]:
        """Objects of several types: complete the objects of each type together, then put them in their order."""
        resolve_type = shape.type.resolve_type or default_type_resolver
        info = self._info(field)
        names = await get.await_all([get.attempt(resolve_type, value, info, shape.type) for value in values])
        column: list[Any] = [None] * len(values)
        groups: dict[GraphQLObjectType, list[int]] = {}
        for number, name in enumerate(names):
            type_ = get.check_type(name, shape.type, self.plan.schema, field, values[number])
            if isinstance(type_, Exception):
                column[number] = self._null(field, shape, path, number, type_)
            else:
                groups.setdefault(type_, []).append(number)
        for type_, numbers in groups.items():
            selection = shape.of(type_)
            typed_values = [values[number] for number in numbers]
            completed = await self._objects(
                field, Object(selection, shape.nullable), typed_values, SubsetPath(path, numbers)
            )
            for number, value in zip(numbers, completed, strict=True):
                column[number] = value
        return column
