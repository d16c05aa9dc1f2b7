"""The hand-written counterpart of a page of documents: one SQL statement that builds the JSON of the response.

It has the same response as our server to DOCUMENTS_QUERY, the same pool of database connections and the same uvicorn.
The statement also finds the session and the grant. There is no GraphQL, no rule of a field, no limit and no log.
"""

import hashlib
import os
from typing import Any, Final

import orjson
import uvicorn
from starlette.types import Receive, Scope, Send

from database import db
from models.tables import SCHEMA

_SQL: Final = """
SELECT json_build_object('data', json_build_object('node', json_build_object('documents', json_build_object('nodes', (
    SELECT COALESCE(json_agg(json_build_object(
        'id', 'd' || replace(d.id::text, '-', ''), 'number', d.number, 'status', d.status, 'currency', d.currency,
        'issuedOn', d.issued_on, 'dueOn', d.due_on, 'netAmount', d.net_amount::text, 'taxAmount', d.tax_amount::text,
        'grossAmount', (d.net_amount + d.tax_amount)::text, 'paidAmount', d.paid_amount::text,
        'contact', (SELECT json_build_object('id', 'c' || replace(c.id::text, '-', ''), 'name', c.name,
            'country', c.country) FROM contacts c WHERE c.id = d.contact_id),
        'lines', json_build_object('nodes', (SELECT COALESCE(json_agg(json_build_object(
            'id', 'l' || replace(l.id::text, '-', ''), 'description', l.description, 'quantity', l.quantity::text,
            'unit', l.unit, 'unitPrice', l.unit_price::text, 'vatRate', l.vat_rate::text,
            'netAmount', l.net_amount::text,
            'product', (SELECT json_build_object('id', 'p' || replace(p.id::text, '-', ''), 'name', p.name,
                'unit', p.unit) FROM products p WHERE p.id = l.product_id)) ORDER BY l.id), '[]')
            FROM (SELECT * FROM document_lines l WHERE l.document_id = d.id ORDER BY l.id LIMIT 10) l))
        ) ORDER BY d.id DESC), '[]')
    FROM (SELECT * FROM sales_documents d WHERE d.account_id = g.account_id AND d.status = 'PAID'
        ORDER BY d.id DESC LIMIT $3) d)))))::text
FROM sessions s JOIN grants g ON g.user_id = s.user_id AND g.account_id = $2 AND g.status = 'ACTIVE'
WHERE s.token_digest = $1 AND s.expires_at > now()
"""


async def respond(scope: Scope, receive: Receive, send: Send) -> None:
    """Handle one request."""
    if scope["type"] == "lifespan":
        await _run_lifespan(receive, send)
        return
    body = b""
    if scope["method"] == "POST":
        authorization = dict(scope["headers"])[b"authorization"].removeprefix(b"Bearer ")
        variables = orjson.loads(await _read_body(receive))["variables"]
        digest = hashlib.sha256(authorization).digest()
        (row,) = await db.fetch(_SQL, digest, variables["id"][1:], variables["first"], row=db.Row)
        body = row[0].encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def _read_body(receive: Receive) -> bytes:
    body, has_more = b"", True
    while has_more:
        message: Any = await receive()
        body, has_more = body + message.get("body", b""), message.get("more_body", False)
    return body


async def _run_lifespan(receive: Receive, send: Send) -> None:
    await receive()
    async with db.connection(os.environ["FULLMAKT_DATABASE_URL"], SCHEMA):
        await send({"type": "lifespan.startup.complete"})
        await receive()
    await send({"type": "lifespan.shutdown.complete"})


if __name__ == "__main__":
    uvicorn.run(
        respond,
        port=int(os.environ["FULLMAKT_PORT"]),
        loop="uvloop",
        http="httptools",
        log_level="warning",
        access_log=False,
    )
