"""The files of exports: quotes, separators, numbers and formulas, and the same values as in the graph."""

from typing import Any

import pytest

from database import db
from resolvers import ids
from tests.api import Api, Person, codes
from tests.workspace.documents import complete_draft, contact_id, draft_id, issue
from tests.workspace.exports import csv_rows, download, json_rows, parse_csv, ready_export
from workspace.export_format import ExportFormat, header, line_sql
from workspace.export_source import SOURCES, ColumnKind, ExportColumn, ExportKind

LETTERS = 'Zażółć "gęślą" jaźń; Ærø, Ås'
SET_NAME = "UPDATE contacts SET name = $1 WHERE id = $2"


async def test_letters_quotes_separators_and_line_breaks_arrive_as_they_are(api: Api) -> None:
    anna = await api.person("anna@example.com")
    values = {
        "accountId": anna.account_id,
        "name": LETTERS,
        "address": "Rynek 1\n31-042 Kraków",
        "email": "k@example.com",
    }
    assert codes(await api.do("createContact", values, by=anna)) == []
    _ = await db.execute("UPDATE contacts SET address = E'Rynek 1\\r\\n\"Kraków\"'")

    response = await download(api, anna, await ready_export(api, anna))
    (row,) = parse_csv(response.content)

    assert (row["name"], row["address"], row["email"]) == (LETTERS, 'Rynek 1\r\n"Kraków"', "k@example.com")
    assert row["country"] == ""
    assert response.content.count(b"\r\n") == 3  # the header, the row, and the line break in the address
    assert response.headers["content-type"] == "text/csv; charset=utf-8"


@pytest.mark.parametrize(
    "text",
    [
        "=1+1", "+47 22 00 00 00", "-1+1", "@SUM(A1)", "\tx", "\rx", "\nx", " =1+1", "\u00a0=1", "\ufeff=1",
        "\ufeff \t@x", "\u200b=1", "\u202e=1", "\uff1d1", "\u22121", '=HYPERLINK("http://x","x")', "\v-1", "=",
    ],
)  # fmt: skip
async def test_text_that_begins_like_a_formula_gets_an_apostrophe(api: Api, text: str) -> None:
    anna = await api.person("anna@example.com")
    contact = ids.decode("Contact", await contact_id(api, anna))
    _ = await db.execute(SET_NAME, text, contact)

    (row,) = await csv_rows(api, anna, "CONTACTS")
    (json_row,) = await json_rows(api, anna, "CONTACTS")

    assert row["name"] == f"'{text}"
    assert json_row["name"] == text


@pytest.mark.parametrize("text", ["A=1", "1-1", "a@b", "'=1", " x", "x\t", "<b>", "½"])
async def test_other_text_is_unchanged(api: Api, text: str) -> None:
    anna = await api.person("anna@example.com")
    contact = ids.decode("Contact", await contact_id(api, anna))
    _ = await db.execute(SET_NAME, text, contact)

    assert [row["name"] for row in await csv_rows(api, anna, "CONTACTS")] == [text]


async def test_text_of_a_megabyte_arrives(api: Api) -> None:
    anna = await api.person("anna@example.com")
    contacts = [ids.decode("Contact", await contact_id(api, anna)) for _ in range(2)]
    texts = ['å"' * 2**19, "=" + "\r\n" * 2**19]
    for text, contact in zip(texts, contacts, strict=True):
        _ = await db.execute(SET_NAME, text, contact)

    rows = await csv_rows(api, anna, "CONTACTS")

    assert [row["name"] for row in rows] == [texts[0], f"'{texts[1]}"]


@pytest.mark.parametrize(
    ("locale", "separator", "number"), [("en", ",", "24.75"), ("nb", ";", "24,75"), ("pl", ";", "24,75")]
)
async def test_separator_and_decimal_mark_follow_the_language_of_the_creator(
    api: Api, locale: str, separator: str, number: str
) -> None:
    anna = await api.person("anna@example.com", locale=locale)
    _ = await issue(api, anna, await complete_draft(api, anna))

    (row,) = await csv_rows(api, anna, "DOCUMENTS", separator)

    assert row["grossAmount"] == number
    assert (row["kind"], row["status"]) == ("INVOICE", "ISSUED")
    assert len(row["issuedOn"]) == len("2026-11-30")


@pytest.mark.parametrize(("locale", "text"), [("en", "-12.50"), ("fr", "-12,50")])
async def test_negative_number_stays_a_number(api: Api, locale: str, text: str) -> None:
    column = ExportColumn("amount", "t.amount", (), ColumnKind.NUMBER)
    sql = f"SELECT {line_sql(ExportFormat.CSV, [column], locale)} AS line FROM (VALUES ('-12.50'), (NULL)) t (amount)"

    assert [row.line for row in await db.fetch(sql, row=db.Row)] == [f"{text}\r\n", "\r\n"]


async def test_export_without_rows_has_its_header_alone(api: Api) -> None:
    anna = await api.person("anna@example.com")

    csv_file = await download(api, anna, await ready_export(api, anna))
    json_file = await download(api, anna, await ready_export(api, anna, form="JSON_LINES"))

    columns = SOURCES[ExportKind.CONTACTS].columns
    assert csv_file.content.decode() == header(ExportFormat.CSV, columns, "en")
    assert json_file.content == b""
    assert json_file.headers["content-type"] == "application/x-ndjson; charset=utf-8"


# ---- The same values as in the graph ---------------------------------------------------------


async def fill(api: Api, anna: Person) -> None:
    """Give the account a row of each kind, with a value in nearly each column."""
    values: dict[str, object] = {
        "accountId": anna.account_id, "name": LETTERS, "country": "NO", "address": "Gata 1\nOslo", "locale": "nb",
    }  # fmt: skip
    contact = (await api.do("createContact", values, "contact { id }", by=anna))["contact"]["id"]
    values = {"accountId": anna.account_id, "name": "Pen", "price": "2.5", "purchasePrice": "1.25", "vatRate": "25"}
    product = (await api.do("createProduct", values | {"unit": "kg"}, "product { id }", by=anna))["product"]["id"]
    document = await draft_id(api, anna, contact=contact, note='A "note"\nof two lines')
    line = {"documentId": document, "productId": product, "quantity": "1.5", "discountPercent": "10"}
    assert codes(await api.do("addDocumentLine", line, by=anna)) == []
    assert codes(await issue(api, anna, document)) == []
    _ = await draft_id(api, anna, contact=contact)
    expense = {"accountId": anna.account_id, "spentOn": "2026-11-02", "contactId": contact, "reference": "R-1"}
    amounts = [{"vatRate": "25", "netAmount": "100"}]
    assert codes(await api.do("createExpense", expense | {"amounts": amounts}, by=anna)) == []


def selection(kind: ExportKind) -> str:
    """The selection of the fields that the columns of a kind copy, each under the column's name."""
    parts: list[str] = []
    for column in SOURCES[kind].columns:
        names = [coordinate.partition(".")[2] for coordinate in column.fields]
        names = names[1:] if kind is ExportKind.DOCUMENT_LINES and names[0] == "lines" else names
        inner = " { ".join(names[1:])
        parts.append(f"{column.name}: {names[0]}" + (f" {{ {inner} }}" if inner else ""))
    return " ".join(parts)


def values_of(node: dict[str, Any]) -> dict[str, Any]:
    """The values of a node, those of joined objects without their object."""
    return {name: (next(iter(value.values())) if isinstance(value, dict) else value) for name, value in node.items()}


@pytest.mark.parametrize("kind", [kind for kind in ExportKind if kind is not ExportKind.DOCUMENT_LINES])
async def test_json_lines_have_the_values_of_the_graph(api: Api, kind: ExportKind) -> None:
    anna = await api.person("anna@example.com")
    await fill(api, anna)
    connection = SOURCES[kind].connection.partition(".")[2]
    query = f"query ($id: ID!) {{ account(id: $id) {{ {connection} {{ nodes {{ {selection(kind)} }} }} }} }}"
    answer = await api.ask(query, {"id": anna.account_id}, by=anna)

    rows = await json_rows(api, anna, kind)

    nodes = [values_of(node) for node in answer.data["account"][connection]["nodes"]]
    assert rows
    assert rows == sorted(nodes, key=lambda node: str(node["id"]))


async def test_lines_have_the_values_of_the_graph(api: Api) -> None:
    anna = await api.person("anna@example.com")
    await fill(api, anna)
    columns = SOURCES[ExportKind.DOCUMENT_LINES].columns
    of_document = [column for column in columns if len(column.fields) == 1]
    document_fields = " ".join(f"{column.name}: {column.fields[0].partition('.')[2]}" for column in of_document)
    line_fields = selection(ExportKind.DOCUMENT_LINES).removeprefix(document_fields)
    query = f"""query ($id: ID!) {{ account(id: $id) {{ documents {{ nodes {{
        {document_fields} lines {{ nodes {{ {line_fields} }} }} }} }} }} }}"""
    answer = await api.ask(query, {"id": anna.account_id}, by=anna)

    rows = await json_rows(api, anna, "DOCUMENT_LINES")

    line_rows: list[dict[str, Any]] = []
    for document in answer.data["account"]["documents"]["nodes"]:
        lines = document.pop("lines")["nodes"]
        line_rows += [document | values_of(line) for line in lines]
    assert len(rows) == 1
    assert rows == line_rows
