"""The formats of exports: SQL that writes one row as one line of a file. PostgreSQL writes the lines, not Python.

CSV is RFC 4180 in UTF-8 with a byte order mark, as spreadsheets open it. Texts are in quotes, null is an empty field,
and lines end in CR LF. In a language with a decimal comma, numbers have one and fields are separated by `;`. In all
others, numbers have a point and fields are separated by `,`. Dates are ISO 8601 in each language.

A spreadsheet takes a text that begins like a formula for one, also in quotes. Such a text gets an apostrophe in front:
https://owasp.org/www-community/attacks/CSV_Injection. Numbers come from numeric columns and stay as they are.

JSON Lines has one object for each row, with the values that the graph has: https://jsonlines.org. Decimal numbers are
texts there.
"""

from collections.abc import Sequence
from enum import StrEnum
from typing import Final

from babel.numbers import get_decimal_symbol

from workspace.export_source import ColumnKind, ExportColumn


class ExportFormat(StrEnum):
    """The format of the file of an export."""

    CSV = "CSV"
    JSON_LINES = "JSON_LINES"


EXTENSIONS: Final = {ExportFormat.CSV: "csv", ExportFormat.JSON_LINES: "jsonl"}
MEDIA_TYPES: Final = {
    ExportFormat.CSV: "text/csv; charset=utf-8",
    ExportFormat.JSON_LINES: "application/x-ndjson; charset=utf-8",
}
BYTE_ORDER_MARK: Final = "\ufeff"
_BLANKS: Final = (
    "\t\n\v\f\r \x85\xa0\xad\u061c\u1680\u180e\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u200b"
    "\u200c\u200d\u200e\u200f\u2028\u2029\u202a\u202b\u202c\u202d\u202e\u202f\u205f\u2060\u2066\u2067\u2068\u2069\u3000"
    "\ufeff"
)
"""Characters that spreadsheets, or readers of a file, may skip at the start of a text. Some are invisible."""
_FORMULA_STARTS: Final = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20", "\u2212")
"""The last five are wide forms, and the minus sign: spreadsheets of some languages take them for the ASCII ones."""
_CONTROL_STARTS: Final = ("\t", "\r", "\n")


def header(export_format: ExportFormat, columns: Sequence[ExportColumn], locale: str) -> str:
    """The text before the first line: in CSV the byte order mark and the names of the columns."""
    if export_format is ExportFormat.JSON_LINES:
        return ""
    return f"{BYTE_ORDER_MARK}{_separator(locale).join(column.name for column in columns)}\r\n"


def line_sql(export_format: ExportFormat, columns: Sequence[ExportColumn], locale: str) -> str:
    """The SQL of the line of one row, with its end."""
    if export_format is ExportFormat.JSON_LINES:
        values = ", ".join(f'{_json_sql(column)} AS "{column.name}"' for column in columns)
        return f"(SELECT row_to_json(v)::text FROM (SELECT {values}) v) || E'\\n'"
    separator = _separator(locale)
    fields = f", '{separator}', ".join(_csv_sql(column, has_comma=separator == ";") for column in columns)
    # concat() takes null for an empty text.
    return f"concat({fields}, E'\\r\\n')"


def _separator(locale: str) -> str:
    return ";" if get_decimal_symbol(locale) == "," else ","


def _json_sql(column: ExportColumn) -> str:
    return _instant_sql(column.sql) if column.kind is ColumnKind.INSTANT else column.sql


def _csv_sql(column: ExportColumn, *, has_comma: bool) -> str:
    match column.kind:
        case ColumnKind.TEXT:
            return f"""'"' || replace({_without_formula(column.sql)}, '"', '""') || '"'"""
        case ColumnKind.NUMBER if has_comma:
            return f"replace({column.sql}, '.', ',')"
        case ColumnKind.INSTANT:
            return _instant_sql(column.sql)
        case ColumnKind.FLAG:
            return f"({column.sql})::text"
        case _:
            return column.sql


def _instant_sql(sql: str) -> str:
    return f"""to_char({sql} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')"""


def _without_formula(sql: str) -> str:
    """The text with an apostrophe in front if it begins like a formula, or with a control character."""
    first = f"left(ltrim({sql}, {_literal(_BLANKS)}), 1) IN ({', '.join(map(_literal, _FORMULA_STARTS))})"
    control = f"left({sql}, 1) IN ({', '.join(map(_literal, _CONTROL_STARTS))})"
    return f"CASE WHEN {first} OR {control} THEN '''' || {sql} ELSE {sql} END"


def _literal(text: str) -> str:
    """A literal of SQL in ASCII. None of the characters is a quote."""
    return "U&'" + "".join(f"\\{ord(character):04x}" for character in text) + "'"
