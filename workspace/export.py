"""Exports: files with the rows of an account that their creator may read.

    create --> QUEUED --> RUNNING --> READY --a day--> EXPIRED        export_writing.py writes the file in parts
                              `--> FAILED                             export_link.py downloads it

An export has the columns and the rows that its creator may read when it is created. `needed_bits` has the permissions
for these. They are checked again for each part and for each download: an export whose creator has lost one of them
fails, and is not downloaded. Only the creator sees an export. Without their grant it is deleted.
"""

from collections.abc import Callable
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Final
from uuid import UUID

from tortoise import fields
from tortoise.models import Model

from auth import policy
from auth.policy import Permission
from auth.row_scope import RowScope
from auth.rules import AUTHENTICATED_BIT, PUBLIC_BIT, Rule
from database import db, keys
from i18n import mark
from models import throttle
from models.access import access, operation
from models.access.access import Access
from models.access.operation import Operation, OperationContext, requires
from models.base.errors import UserErrorCode, refuse
from models.base.idempotency import idempotent
from models.base.limit_name import LimitName
from models.throttle import Limit
from workspace.event_type import WorkspaceEventType
from workspace.export_format import ExportFormat
from workspace.export_source import SOURCES, ExportColumn, ExportKind, ExportSource

PER_DAY: Final = Limit("workspace:export", 50, timedelta(days=1), LimitName.ACCOUNT_EXPORTS, is_shared=True)
"""Exports of one account."""
AT_ONCE: Final = 5
"""Exports of one account that are not finished. Further ones are refused."""
TABLE: Final = "exports"
RuleOf = Callable[[str], Rule]
"""The rule of a field of the graph, by its coordinate: `Document.number`."""


class ExportStatus(StrEnum):
    """The status of an export."""

    QUEUED = "QUEUED"
    RUNNING = "RUNNING"
    READY = "READY"
    FAILED = "FAILED"
    EXPIRED = "EXPIRED"


class ExportFailure(StrEnum):
    """The reason why an export failed."""

    RIGHTS_LOST = "RIGHTS_LOST"
    TOO_LARGE = "TOO_LARGE"
    INTERNAL = "INTERNAL"


class CreatorScope(RowScope):
    """The scope of rows that no permission shows to a user other than their creator."""

    def shows_all(self, bits: int) -> bool:  # noqa: ARG002 - the signature of the base class
        """False."""
        return False


SCOPE: Final = CreatorScope(Permission.EXPORTS_CREATE)
"""The scope of exports."""


class Export(Model):
    """An export. Its parts are in `export_parts`."""

    id = fields.UUIDField(primary_key=True, default=keys.uuid7)
    account_id = fields.UUIDField()
    created_by_id = fields.UUIDField()
    kind = fields.CharEnumField(ExportKind, max_length=20)
    format = fields.CharEnumField(ExportFormat, max_length=20)
    locale = fields.TextField()
    date_from: date | None = fields.DateField(null=True)
    date_to: date | None = fields.DateField(null=True)
    columns = fields.TextField()
    """The names of its columns, in their order, between spaces."""
    needed_bits = fields.BigIntField()
    is_scoped = fields.BooleanField()
    """True if it has only the rows that its creator has created."""
    status = fields.CharEnumField(ExportStatus, max_length=20, default=ExportStatus.QUEUED)
    failure = fields.CharEnumField(ExportFailure, max_length=20, null=True)
    row_count = fields.IntField(default=0)
    byte_count = fields.BigIntField(default=0)
    part_count = fields.IntField(default=0)
    attempts = fields.IntField(default=0)
    """Errors since the last part was written."""
    created_at = fields.DatetimeField()
    written_at = fields.DatetimeField()
    """The time of the last part, or of the last error. The export that waits longest is next."""
    expires_at: datetime | None = fields.DatetimeField(null=True)
    """The end of its file. None: it has none yet."""
    link_digest: bytes | None = fields.BinaryField(null=True)
    link_session_id: UUID | None = fields.UUIDField(null=True)
    link_expires_at: datetime | None = fields.DatetimeField(null=True)

    class Meta(Model.Meta):
        """Table mapping. `position`, the key of the last row that was written, is read and written by SQL alone."""

        table = TABLE


class ExportRow(db.Row):
    """An export in lists. Dates are texts."""

    graphql_type = "Export"

    id: UUID
    account_id: UUID
    created_by_id: UUID
    kind: str
    format: str
    date_from: str | None
    date_to: str | None
    columns: str
    status: str
    failure: str | None
    row_count: int
    byte_count: int
    created_at: datetime
    expires_at: datetime | None


COLUMNS: Final = db.columns_of("x", ExportRow, {name: f"x.{name}::text" for name in ("date_from", "date_to")})
_BY_IDS: Final = f"SELECT {db.select_list(COLUMNS)} FROM {TABLE} x WHERE x.id = ANY($1::uuid[])"


async def by_ids(ids: list[UUID]) -> list[ExportRow | None]:
    """The exports with these ids, in this order. The caller has to check the access and the scope."""
    return db.in_order(ids, await db.fetch(_BY_IDS, ids, row=ExportRow))


def status_at(row: db.Columns, now: datetime) -> ExportStatus:
    """The status of an export: EXPIRED from `expires_at` on, even if no job has stored that yet."""
    stored_status, end = ExportStatus(row["status"]), row["expires_at"]
    is_over = stored_status is ExportStatus.READY and end is not None and end <= now
    return ExportStatus.EXPIRED if is_over else stored_status


async def creator_access(creator_id: UUID, account_id: UUID, needed_bits: int, *, now: datetime) -> Access | None:
    """The access of an export's creator. None: they have lost it, or a permission that the content needs."""
    held_access = await access.load_one(creator_id, account_id, now=now)
    return held_access if held_access is not None and not needed_bits & ~held_access.bits else None


# ---- Columns by rights -----------------------------------------------------------------------


def bits_needed(rules: list[Rule], bits: int) -> int | None:
    """The permissions with which a user who has `bits` satisfies all `rules`. None if one is not satisfied."""
    permission_bits = 0
    for rule in rules:
        if not rule.bits & (bits | PUBLIC_BIT | AUTHENTICATED_BIT):
            return None
        if rule.permission is not None:
            permission_bits |= policy.mask([rule.permission])
    return permission_bits


def readable_columns(source: ExportSource, bits: int, rule_of: RuleOf) -> tuple[list[ExportColumn], int]:
    """The columns that a user with the permissions `bits` may read, and the permissions that they need for these."""
    columns: list[ExportColumn] = []
    permission_bits = 0
    for column in source.columns:
        column_bits = bits_needed([rule_of(coordinate) for coordinate in column.fields], bits)
        if column_bits is not None:
            columns.append(column)
            permission_bits |= column_bits
    return columns, permission_bits


# ---- Operations ------------------------------------------------------------------------------


def creation(rule_of: RuleOf) -> Operation[..., UUID]:
    """The operation that creates an export. Its columns have the rules that `rule_of` returns."""

    @idempotent("createExport")
    @requires(Permission.EXPORTS_CREATE, WorkspaceEventType.EXPORT_CREATE)
    async def create(
        context: OperationContext,
        account_id: UUID,
        *,
        kind: ExportKind,
        format: ExportFormat,  # noqa: A002 - the name of the input's field
        date_from: date | None = None,
        date_to: date | None = None,
    ) -> UUID:
        """Create an export. Returns its id.

        Raises Forbidden without the permission to list the rows, and RateLimited.
        """
        if date_from is not None and date_to is not None and date_from > date_to:
            raise refuse(UserErrorCode.OUT_OF_RANGE, "date_to", mark("The last date must not be before the first."))
        await _require_free_place(account_id)
        source, bits = SOURCES[kind], context.access.bits
        permission = rule_of(source.connection).permission
        if permission is not None:
            operation.require(context.access, permission)
        columns, permission_bits = readable_columns(source, bits, rule_of)
        is_scoped = source.scope is not None and not source.scope.shows_all(bits)
        permissions = [Permission.EXPORTS_CREATE, *([permission] if permission is not None else [])]
        permissions += [source.scope.permission] if source.scope is not None and not is_scoped else []
        _ = await throttle.attempt(context.caller, throttle.counter(context.caller, PER_DAY, account_id))
        export = await Export.create(
            account_id=account_id,
            created_by_id=context.user_id,
            kind=kind,
            format=format,
            locale=context.caller.locale,
            date_from=date_from,
            date_to=date_to,
            columns=" ".join(column.name for column in columns),
            needed_bits=permission_bits | policy.mask(permissions),
            is_scoped=is_scoped,
            created_at=context.now,
            written_at=context.now,
        )
        await context.record(
            WorkspaceEventType.EXPORT_CREATE, after={"export": export.id, "kind": kind, "format": format}
        )
        return export.id

    return create


async def _require_free_place(account_id: UUID) -> None:
    """Raise Refusal INVALID_STATE if AT_ONCE exports of the account are not finished. The account is locked."""
    open_count = await Export.filter(
        account_id=account_id, status__in=[ExportStatus.QUEUED, ExportStatus.RUNNING]
    ).count()
    if open_count >= AT_ONCE:
        raise refuse(
            UserErrorCode.INVALID_STATE,
            None,
            mark("The account has %(count)d exports that are not finished. Wait for one of them."),
            count=AT_ONCE,
        )
