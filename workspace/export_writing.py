"""Writing exports: one part of one export in each transaction, by any server.

    write_part: lock the export that waits longest --> check its creator's rights --> PostgreSQL writes the lines of the
                next rows into a part --> store the position --> commit

SKIP LOCKED gives each server another export. A part and the position after it are committed together, so a server that
is killed loses one part, and any server writes that part again. The rows do not pass through the server, so its memory
does not grow with them. Each part has the rows as they are when it is written.

`write_all` writes all parts that wait in this process, one after the other. A benchmark can call it after createExport.
"""

from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta
from functools import lru_cache
from typing import Final
from uuid import UUID

from database import db
from database.page_sql import source_with_joins
from models.access import access
from models.base.caller import Caller
from workspace import export_format
from workspace.export import TABLE, ExportFailure, ExportStatus, creator_access
from workspace.export_format import ExportFormat
from workspace.export_source import SOURCES, ExportKind

PART_ROWS: Final = 5_000
"""The most rows that one part reads."""
PART_BYTES: Final = 16 * 2**20
"""A part ends with the line that reaches this size."""
MAX_BYTES: Final = 2**30
"""The size of a larger file. It fails: a range of dates makes it smaller."""
LIFETIME: Final = timedelta(days=1)
"""The time for which the file is kept."""
MAX_ATTEMPTS: Final = 5
"""Errors one after the other, after which an export fails."""


class _ExportRow(db.Row):
    id: UUID
    account_id: UUID
    created_by_id: UUID
    kind: str
    format: str
    locale: str
    columns: str
    needed_bits: int
    is_scoped: bool
    has_range: bool
    part_count: int
    byte_count: int
    position: list[UUID] | None


class _Part(db.Row):
    read_count: int
    """The rows that were read. Fewer than PART_ROWS: they were the last ones."""
    used_count: int
    """Of these, the rows before the end of the part."""
    row_count: int
    """Of these, the rows in the range of dates."""
    position: list[UUID] | None
    byte_count: int


_NEXT: Final = f"""
SELECT id, account_id, created_by_id, kind, format, locale, columns, needed_bits, is_scoped, part_count, byte_count,
    position, date_from IS NOT NULL OR date_to IS NOT NULL AS has_range
FROM {TABLE} WHERE status IN ('QUEUED', 'RUNNING') ORDER BY written_at, id LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED
"""
_STORE: Final = f"""
UPDATE {TABLE} SET status = $2, position = $3, row_count = row_count + $4, byte_count = byte_count + $5,
    part_count = part_count + 1, attempts = 0, written_at = $6, expires_at = $7
WHERE id = $1
"""
_FAIL: Final = f"UPDATE {TABLE} SET status = 'FAILED', failure = $2, written_at = $3 WHERE id = $1"
_DELETE_PARTS: Final = "DELETE FROM export_parts WHERE export_id = $1"
_COUNT_ERROR: Final = f"""
UPDATE {TABLE} SET attempts = attempts + 1, written_at = $2 WHERE id = $1 AND status IN ('QUEUED', 'RUNNING')
RETURNING attempts
"""
# `line` is null for a row outside the range of dates. The window adds up the lines before each row, so that a part ends
# where it is large enough. The first row always belongs to it.
_WRITE: Final = """
WITH lines AS MATERIALIZED (
    SELECT ARRAY[{order}] AS position, {line} AS line FROM {source}
), sized AS (
    SELECT position, line,
        sum(COALESCE(octet_length(line), 0)) OVER (ORDER BY position ROWS UNBOUNDED PRECEDING)
            - COALESCE(octet_length(line), 0) AS bytes_before
    FROM lines
), part AS (
    SELECT count(*)::int AS used_count, count(line)::int AS row_count, max(position) AS position,
        $5::text || COALESCE(string_agg(line, '' ORDER BY position), '') AS content
    FROM sized WHERE bytes_before < $6
), written AS (
    INSERT INTO export_parts (export_id, number, content)
    SELECT $1, $7, convert_to(content, 'UTF8') FROM part
    RETURNING octet_length(content) AS byte_count
)
SELECT (SELECT count(*)::int FROM lines) AS read_count, part.used_count, part.row_count, part.position,
    written.byte_count
FROM part, written
"""


async def write_part(caller: Caller) -> int:
    """Step of a server: write one part of the export that waits longest. Returns 0 if none waits.

    After an error the export is tried again. It fails after MAX_ATTEMPTS errors.
    """
    unwritten_id: UUID | None = None
    try:
        async with db.transaction():
            export = await db.fetch_one(_NEXT, row=_ExportRow)
            if export is None:
                return 0
            unwritten_id = export.id
            failure = await _write(caller, export)
            if failure is not None:
                await _fail(caller, export.id, failure)
        unwritten_id = None
    finally:
        if unwritten_id is not None:
            with suppress(*db.UNAVAILABLE):
                await _count_error(caller, unwritten_id)
    return 1


async def write_all(caller: Caller) -> int:
    """Write the parts of all exports that wait, one after the other. Returns the number of parts."""
    part_count = 0
    while await write_part(caller):
        part_count += 1
    return part_count


async def _write(caller: Caller, export: _ExportRow) -> ExportFailure | None:
    """Write the next part of a locked export. Returns the reason if the export has to fail."""
    if await creator_access(export.created_by_id, export.account_id, export.needed_bits, now=caller.now) is None:
        return ExportFailure.RIGHTS_LOST
    if export.byte_count >= MAX_BYTES:
        return ExportFailure.TOO_LARGE
    kind, file_format = ExportKind(export.kind), ExportFormat(export.format)
    statement, prefix = _statement(
        kind, file_format, export.columns, export.locale, is_scoped=export.is_scoped, has_range=export.has_range
    )
    position = export.position or [UUID(int=0)] * len(SOURCES[kind].order)
    prefix = prefix if export.part_count == 0 else ""
    (part,) = await db.fetch(
        statement,
        export.id,
        export.account_id,
        position,
        PART_ROWS,
        prefix,
        PART_BYTES,
        export.part_count,
        *([export.created_by_id] if export.is_scoped else []),
        row=_Part,
    )
    is_last = part.read_count < PART_ROWS and part.used_count == part.read_count
    status, end = (ExportStatus.READY, caller.now + LIFETIME) if is_last else (ExportStatus.RUNNING, None)
    await db.execute(
        _STORE, export.id, status, part.position or position, part.row_count, part.byte_count, caller.now, end
    )
    return None


@lru_cache(maxsize=500)
def _statement(
    kind: ExportKind, file_format: ExportFormat, column_names: str, locale: str, *, is_scoped: bool, has_range: bool
) -> tuple[str, str]:
    """The statement that writes a part of an export, and the text before the first line of the file."""
    source = SOURCES[kind]
    by_name = {column.name: column for column in source.columns}
    columns = [by_name[name] for name in column_names.split()]
    line = export_format.line_sql(file_format, columns, locale)
    joins = source.joins
    if has_range:
        dates = f"SELECT COALESCE(date_from, '-infinity'), COALESCE(date_to, 'infinity') FROM {TABLE} WHERE id = $1"
        line = f"CASE WHEN ({source.day} BETWEEN day.first AND day.last) THEN {line} END"
        joins = {**joins, "day": f"CROSS JOIN ({dates}) day (first, last)"}
    conditions = [source.condition.format(key="$2"), *_after(source.order)]
    if is_scoped and source.scope is not None:
        conditions.append(f"{source.scope_alias}.{source.scope.creator_column} = $8")
    order = ", ".join(source.order)
    rows = (
        f"(SELECT {source.alias}.* FROM {source.table} WHERE {' AND '.join(conditions)} ORDER BY {order} LIMIT $4)"
        f" {source.alias}"
    )
    statement = _WRITE.format(order=order, line=line, source=source_with_joins(rows, joins, line))
    return statement, export_format.header(file_format, columns, locale)


def _after(order: Sequence[str]) -> list[str]:
    """The conditions of the rows after the position, which is `$3`. The first has an index."""
    conditions = [f"{order[0]} {'>' if len(order) == 1 else '>='} ($3::uuid[])[1]"]
    if len(order) > 1:
        keys = ", ".join(f"($3::uuid[])[{index}]" for index, _ in enumerate(order, start=1))
        conditions.append(f"({', '.join(order)}) > ({keys})")
    return conditions


async def _fail(caller: Caller, export_id: UUID, failure: ExportFailure) -> None:
    await db.execute(_DELETE_PARTS, export_id)
    await db.execute(_FAIL, export_id, failure, caller.now)


class _Attempts(db.Row):
    attempts: int


async def _count_error(caller: Caller, export_id: UUID) -> None:
    async with db.transaction():
        row = await db.fetch_one(_COUNT_ERROR, export_id, caller.now, row=_Attempts)
        if row is not None and row.attempts >= MAX_ATTEMPTS:
            await _fail(caller, export_id, ExportFailure.INTERNAL)


# ---- The end of exports ----------------------------------------------------------------------

HISTORY: Final = timedelta(days=7)
"""The time for which an export is shown after its creation. Its file ends after LIFETIME."""
_EXPIRE: Final = f"""
UPDATE {TABLE} SET status = 'EXPIRED', link_digest = NULL WHERE status = 'READY' AND expires_at <= $1
"""
_DELETE_FILES: Final = f"""
DELETE FROM export_parts WHERE ctid = ANY(ARRAY(
    SELECT p.ctid FROM {TABLE} x JOIN export_parts p ON p.export_id = x.id WHERE x.status = 'EXPIRED' LIMIT 100))
"""
_DELETE_OLD: Final = f"DELETE FROM {TABLE} WHERE created_at <= $1 AND status IN ('EXPIRED', 'FAILED')"
_DELETE_ORPHANS: Final = f"""
DELETE FROM {TABLE} x WHERE NOT EXISTS (
    SELECT FROM {access.SOURCE}
    WHERE g.user_id = x.created_by_id AND g.account_id = x.account_id AND g.status = 'ACTIVE'
        AND (g.valid_until IS NULL OR g.valid_until > $1) AND {access.IS_OPEN.format("a", "$1")})
"""


async def end_all(caller: Caller) -> int:
    """Scheduled job: delete the files of exports that have expired, and exports whose creator has no grant any more.

    Returns the number of exports that ended.
    """
    count = await db.execute(_EXPIRE, caller.now)
    while await db.execute(_DELETE_FILES):
        pass
    count += await db.execute(_DELETE_ORPHANS, caller.now)
    await db.execute(_DELETE_OLD, caller.now - HISTORY)
    return count
