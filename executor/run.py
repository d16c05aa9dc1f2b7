"""Running: a plan, level by level, for all objects of a level at once.

For each selection: the caller's rights on all its objects in one call, then field by field a guard
over the whole list, one call of the batch resolver, and the completion of all its values. Leaves
are columns. Only what has gone wrong is looked at one by one.
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
    """A null where none may be; climbs to the next place that may be null."""

    __slots__ = ("order",)

    def __init__(self, order: Order) -> None:
        self.order = order  # of the error that caused it


class Run:
    """One execution of a plan."""

    def __init__(self, plan: Plan, *, root_value: object, context: Any, variables: VariableValues) -> None:
        self.plan = plan
        self.root_value = root_value
        self.context = context
        self.variables = variables
        self._locator = ErrorLocator()
        self._errors: list[tuple[Order, GraphQLError]] = []
        self._nulled: list[tuple[Order, Order]] = []
        self._failing = False

    async def result(self) -> ExecutionResult:
        """The answer: data, and errors in the order of the answer."""
        serially = self.plan.is_mutation
        done = await self._select(self.plan.root, [self.root_value], Root(), serially=serially)
        data = self._settled(done, Root(), nullable=True)[0] if self._failing else done[0]
        return ExecutionResult(cast("dict[str, Any] | None", data), self._reported() or None)

    def _info(self, field: Field) -> Info:
        return Info(self.plan, field, context=self.context, root_value=self.root_value, variables=self.variables)

    # ---- Errors ------------------------------------------------------------------------------

    def _error(self, field: Field, place: ResponsePath, number: int, error: Exception) -> Order:
        ((path, order),) = place.of([number])
        self._errors.append((order, self._locator.located(field, list(path), error)))
        return order

    def _fail(self, field: Field, place: ResponsePath, number: int, error: Exception) -> NullPropagation:
        self._failing = True
        return NullPropagation(self._error(field, place, number, error))

    def _settled(self, values: list[Any], place: ResponsePath, *, nullable: bool) -> list[Any]:
        """Turn failures into nulls where null may stand; they have climbed far enough."""
        if not nullable:
            return values
        for number, value in enumerate(values):
            if type(value) is NullPropagation:
                ((_, order),) = place.of([number])
                self._nulled.append((order, value.order))
                values[number] = None
        return values

    def _reported(self) -> list[GraphQLError]:
        """The errors, without those that stand behind the one for which their place became null."""
        causes = dict(self._nulled)

        def is_moot(order: Order) -> bool:
            above = (causes.get(order[:length]) for length in range(len(order) + 1))
            return any(cause is not None and order > cause for cause in above)

        kept = [entry for entry in self._errors if not (causes and is_moot(entry[0]))]
        return [error for _, error in sorted(kept, key=lambda entry: entry[0])]

    # ---- One level ---------------------------------------------------------------------------

    async def _select(
        self, selection: Selection, objects: Sequence[Any], place: ResponsePath, *, serially: bool = False
    ) -> list[Any]:
        """All objects of one type at one level, as the answer has them."""
        if not objects:
            return []
        columns: list[list[Any]] = [[]] * len(selection.fields)
        rights = self._rights(selection, objects)
        work: list[tuple[int, Coroutine[Any, Any, list[Any]]]] = []
        for field in selection.fields:
            if serially and selection.rights:  # a mutation may change what the next one may
                rights = self._rights(selection, objects)
            is_free = (
                rights is None or field.needs is None or (type(rights) is RowRights and rights.allows_all(field.needs))
            )
            if is_free and type(field.shape) is Leaf and (field.attribute is not None or field.column is not None):
                values = self._column(field, objects)
                columns[field.place] = self._leaves(field, field.shape, get.as_list(values), FieldPath(place, field))
            elif field.constant is not None:
                columns[field.place] = [field.constant] * len(objects)
            elif serially:
                columns[field.place] = await self._answer(field, objects, rights, place, is_free=is_free)
            elif not field.waits:  # a task for each would cost more than the answer
                columns[field.place] = get.at_once(self._answer(field, objects, rights, place, is_free=is_free))
            else:
                work.append((field.place, self._answer(field, objects, rights, place, is_free=is_free)))
            if serially and type(columns[field.place][0]) is NullPropagation:  # nothing of this is answered: do no more
                return columns[field.place]
        await get.together(work, columns)
        if not columns:
            return [{} for _ in objects]
        built: list[Any] = selection.build(*columns)
        return self._without_failed(columns, built) if self._failing else built

    def _rights(self, selection: Selection, objects: Sequence[Any]) -> Rights:
        """What the caller may do with each object; why nothing, where that cannot be told."""
        if selection.rights is None:
            return None
        rights = get.tried(selection.rights, objects, self.context)
        if isinstance(rights, Exception):
            return rights
        if not isinstance(rights, Sequence) or len(rights) != len(objects):
            return get.wrong_length(f"rights of {selection.type}", rights, objects)
        return RowRights(rights)

    def _without_failed(self, columns: list[list[Any]], built: list[Any]) -> list[Any]:
        """Objects that have a failure in them fail themselves, by their first."""
        for column in reversed(columns):
            for number, value in enumerate(column):
                if type(value) is NullPropagation:
                    built[number] = value
        return built

    async def _answer(
        self,
        field: Field,
        objects: Sequence[Any],
        rights: Rights,
        place: ResponsePath,
        *,
        is_free: bool,
    ) -> list[Any]:
        """One field of all objects: guarded, resolved, completed."""
        at = FieldPath(place, field)
        if isinstance(rights, Exception):
            return await self._complete(field, field.shape, [rights] * len(objects), at)
        if is_free or rights is None or field.needs is None:  # the latter two for the types' sake
            values = await self._values(field, objects)
            return await self._complete(field, field.shape, values, at)
        needs = field.needs
        allowed = [number for number, bits in enumerate(rights.bits) if bits & needs]
        column = self._refused(field, objects, rights.bits, needs, at)
        if allowed:
            values = await self._values(field, columnar.some(objects, allowed))
            done = await self._complete(field, field.shape, values, SubsetPath(at, allowed))
            for number, value in zip(allowed, done, strict=True):
                column[number] = value
        return column

    def _refused(
        self, field: Field, objects: Sequence[Any], rights: Sequence[int], needs: int, at: ResponsePath
    ) -> list[Any]:
        """Nulls with their located errors for the objects whose field is refused."""
        column: list[Any] = [None] * len(objects)
        refused = [number for number, bits in enumerate(rights) if not bits & needs]
        errors = get.refusals(field, columnar.some(objects, refused), self.context)
        for number, error, (path, order) in zip(refused, errors, at.of(refused), strict=True):
            self._errors.append((order, self._locator.located(field, list(path), error)))
            if not field.shape.nullable:
                self._failing = True
                column[number] = NullPropagation(order)
        return column

    def _null(
        self, field: Field, shape: Shape, at: ResponsePath, number: int, error: Exception
    ) -> NullPropagation | None:
        if shape.nullable:
            self._error(field, at, number, error)
            return None
        return self._fail(field, at, number, error)

    # ---- Resolving ---------------------------------------------------------------------------

    def _column(self, field: Field, objects: Sequence[Any]) -> Sequence[Any]:
        """The values that need no waiting: read off the objects, or worked out for all of them at once."""
        if field.attribute is not None:
            return get.attributes(field.attribute, objects)
        assert field.column is not None  # noqa: S101 - a field has one of the four
        try:
            values: Sequence[Any] = field.column(objects, self._info(field), **field.arguments(self.variables))
        except Exception as error:  # noqa: BLE001 - located at each field
            return [error] * len(objects)
        return get.counted(field, values, objects)

    async def _values(self, field: Field, objects: Sequence[Any]) -> Sequence[Any]:
        """What the field's resolver gives for each object; an exception where it raised one."""
        if field.batch is None and field.resolve is None:
            return self._column(field, objects)
        try:
            arguments = field.arguments(self.variables)
        except Exception as error:  # noqa: BLE001 - located at each field
            return [error] * len(objects)
        if field.batch is not None:
            return await self._batched(field, objects, arguments)
        info = self._info(field)
        return await get.awaited([get.called(field, object_, info, arguments) for object_ in objects])

    async def _batched(self, field: Field, objects: Sequence[Any], arguments: dict[str, Any]) -> Sequence[Any]:
        batch = field.batch
        assert batch is not None  # noqa: S101 - asked by the caller
        try:
            results: Sequence[Any] = await batch(objects, self._info(field), **arguments)
        except Exception as error:  # noqa: BLE001 - located at each field
            return [error] * len(objects)
        return get.counted(field, results, objects)

    # ---- Completing --------------------------------------------------------------------------

    async def _complete(self, field: Field, shape: Shape, values: Sequence[Any], place: ResponsePath) -> list[Any]:
        """All values of one shape, as the answer has them."""
        if type(shape) is Leaf:
            return self._leaves(field, shape, get.as_list(values), place)
        if not columnar.is_columnar(values):
            types = set(map(type, values))
            if not types.isdisjoint(_NULLS) or any(issubclass(kind, Exception) for kind in types):
                return await self._complete_rest(field, shape, values, place)
        if type(shape) is Items:
            done = await self._lists(field, shape, values, place)
        elif type(shape) is Object:
            done = await self._objects(field, shape, values, place)
        else:
            done = await self._abstract(field, cast("Abstract", shape), values, place)
        return self._settled(done, place, nullable=shape.nullable) if self._failing else done

    async def _complete_rest(self, field: Field, shape: Shape, values: Sequence[Any], place: ResponsePath) -> list[Any]:
        """As `_complete`, where some values are nulls or exceptions."""
        column: list[Any] = [None] * len(values)
        there: list[int] = []
        for number, value in enumerate(values):
            if isinstance(value, Exception):
                column[number] = self._null(field, shape, place, number, value)
            elif value is not None and value is not Undefined:
                there.append(number)
            elif not shape.nullable:
                column[number] = self._fail(field, place, number, get.no_null(field))
        if there:
            some = [values[number] for number in there]
            done = await self._complete(field, shape, some, SubsetPath(place, there))
            for number, value in zip(there, done, strict=True):
                column[number] = value
        return column

    def _leaves(self, field: Field, shape: Leaf, values: list[Any], place: ResponsePath) -> list[Any]:
        plain = leaf.is_plain(shape.type, values)
        if plain and (shape.nullable or None not in values):
            return values
        column = list(values)
        for number, value in enumerate(values):
            if value is None or value is Undefined:
                column[number] = None if shape.nullable else self._fail(field, place, number, get.no_null(field))
                continue
            done = value if plain or isinstance(value, Exception) else get.tried(leaf.coerce, shape.type, value)
            failed = isinstance(done, Exception)
            column[number] = self._null(field, shape, place, number, done) if failed else done
        return column

    async def _lists(self, field: Field, shape: Items, values: Sequence[Any], place: ResponsePath) -> list[Any]:
        whole = columnar.joined(values)
        if whole is not None:
            return await self._items(field, shape, whole, list(map(len, values)), place)
        lists = [value if type(value) is list else await get.listed(field, value) for value in values]
        wrong = {number: entry for number, entry in enumerate(lists) if isinstance(entry, Exception)}
        for number in wrong:
            lists[number] = []
        flat = await get.awaited(list(chain.from_iterable(lists)))
        done = await self._items(field, shape, flat, list(map(len, lists)), place)
        for number, error in wrong.items():
            done[number] = self._null(field, shape, place, number, error)
        return done

    async def _items(
        self, field: Field, shape: Items, flat: Sequence[Any], sizes: list[int], place: ResponsePath
    ) -> list[Any]:
        """Lists of these sizes, from all their items in one."""
        starts = [0, *accumulate(sizes)][:-1]
        inner = await self._complete(field, shape.inner, flat, ItemPath(place, starts)) if flat else []
        done: list[Any] = [inner[start : start + size] for start, size in zip(starts, sizes, strict=True)]
        if self._failing and not shape.inner.nullable:
            done = [next((item for item in items if type(item) is NullPropagation), items) for items in done]
        return done

    async def _objects(self, field: Field, shape: Object, values: Sequence[Any], place: ResponsePath) -> list[Any]:
        type_ = shape.selection.type
        if type_.is_type_of is None:
            return await self._selected(field, shape, values, place)
        info = self._info(field)
        verdicts = await get.awaited([get.tried(type_.is_type_of, value, info) for value in values])
        column: list[Any] = [None] * len(values)
        right: list[int] = []
        for number, verdict in enumerate(verdicts):
            if verdict and not isinstance(verdict, Exception):
                right.append(number)
                continue
            error = verdict if isinstance(verdict, Exception) else get.not_of_type(type_, values[number], field)
            column[number] = self._null(field, shape, place, number, error)
        done = await self._selected(field, shape, [values[number] for number in right], SubsetPath(place, right))
        for number, value in zip(right, done, strict=True):
            column[number] = value
        return column

    async def _selected(self, field: Field, shape: Object, values: Sequence[Any], place: ResponsePath) -> list[Any]:
        broken = shape.selection.broken
        if broken is None:
            return await self._select(shape.selection, values, place)
        return [self._null(field, shape, place, number, broken) for number in range(len(values))]

    async def _abstract(self, field: Field, shape: Abstract, values: Sequence[Any], place: ResponsePath) -> list[Any]:
        """Objects of several types: each type's objects together, then back into their places."""
        resolve_type = shape.type.resolve_type or default_type_resolver
        info = self._info(field)
        names = await get.awaited([get.tried(resolve_type, value, info, shape.type) for value in values])
        column: list[Any] = [None] * len(values)
        groups: dict[GraphQLObjectType, list[int]] = {}
        for number, name in enumerate(names):
            type_ = get.valid_type(name, shape.type, self.plan.schema, field, values[number])
            if isinstance(type_, Exception):
                column[number] = self._null(field, shape, place, number, type_)
            else:
                groups.setdefault(type_, []).append(number)
        for type_, numbers in groups.items():
            selection = shape.of(type_)
            some = [values[number] for number in numbers]
            done = await self._objects(field, Object(selection, shape.nullable), some, SubsetPath(place, numbers))
            for number, value in zip(numbers, done, strict=True):
                column[number] = value
        return column
