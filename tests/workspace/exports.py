"""Helpers of the tests of exports."""

import csv
import io
import json
from typing import Any

import httpx2

from database import db
from models.base.caller import Caller, OperationConfig
from resolvers import ids
from tests.api import KEY, PUBLIC_URL, Api, Person, codes
from workspace import export_writing

FIELDS = "export { id status failure rowCount byteCount columnNames expiresAt }"


def caller(api: Api) -> Caller:
    """The caller of a job."""
    return Caller(now=api.clock.now, config=OperationConfig(KEY))


async def create_export(api: Api, by: Person, kind: str = "CONTACTS", form: str = "CSV", **fields: object) -> str:
    """The id of a new export, which is not written yet."""
    values = {"accountId": by.account_id, "kind": kind, "format": form, **fields}
    payload = await api.do("createExport", values, FIELDS, by=by)
    assert codes(payload) == []
    return str(payload["export"]["id"])


async def ready_export(api: Api, by: Person, kind: str = "CONTACTS", form: str = "CSV", **fields: object) -> str:
    """The id of a new export that can be downloaded."""
    export = await create_export(api, by, kind, form, **fields)
    _ = await export_writing.write_all(caller(api))
    assert (await load_export(api, by, export))["status"] == "READY"
    return export


async def load_export(api: Api, by: Person, export: str) -> dict[str, Any]:
    """An export as its creator sees it. Empty if it does not exist for the user."""
    answer = await api.ask(
        """query ($id: ID!) { node(id: $id) { ... on Export { status failure rowCount byteCount columnNames expiresAt
            kind format dateFrom dateTo } } }""",
        {"id": export},
        by=by,
    )
    return answer.data["node"] or {}


async def link(api: Api, by: Person, export: str) -> str:
    """The path of a new link of an export."""
    payload = await api.do("createExportLink", {"exportId": export}, "url expiresAt", by=by)
    assert codes(payload) == []
    url: str = payload["url"]
    assert url.startswith(f"{PUBLIC_URL}/exports/")
    return url.removeprefix(PUBLIC_URL)


async def download(api: Api, by: Person, export: str) -> httpx2.Response:
    """The response to the download of an export."""
    response = await api.http.get(await link(api, by, export))
    assert response.status_code == 200
    return response


async def csv_rows(api: Api, by: Person, kind: str, separator: str = ",", **fields: object) -> list[dict[str, str]]:
    """The rows of a new CSV export, by the names of its columns."""
    content = (await download(api, by, await ready_export(api, by, kind, "CSV", **fields))).content
    return parse_csv(content, separator)


def parse_csv(content: bytes, separator: str = ",") -> list[dict[str, str]]:
    """The rows of a CSV file in UTF-8 with a byte order mark."""
    assert content.startswith(b"\xef\xbb\xbf")
    _ = csv.field_size_limit(2**22)
    text = io.StringIO(content.decode("utf-8-sig"), newline="")
    return [*csv.DictReader(text, delimiter=separator, strict=True)]


async def json_rows(api: Api, by: Person, kind: str, **fields: object) -> list[dict[str, Any]]:
    """The rows of a new JSON Lines export."""
    content = (await download(api, by, await ready_export(api, by, kind, "JSON_LINES", **fields))).content
    return [json.loads(line) for line in content.decode().removesuffix("\n").split("\n") if line]


async def add_contacts(owner: Person, count: int) -> None:
    """Insert contacts, named by their numbers from 1 on, in their order."""
    _ = await db.execute(
        """INSERT INTO contacts (id, account_id, kind, name, created_at)
            SELECT ('00000000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid, $1, 'CUSTOMER', 'Contact ' || n,
                now()
            FROM generate_series(1, $2) n""",
        ids.decode("Account", owner.account_id),
        count,
    )


async def stored_parts() -> int:
    """The number of the parts of all files."""
    (row,) = await db.fetch("SELECT count(*)::int AS count FROM export_parts", row=db.Row)
    count: int = row.count
    return count
