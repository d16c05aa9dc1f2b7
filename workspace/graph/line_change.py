"""Changes of the lines of drafts in the graph: resolvers, inputs and payloads."""

from decimal import Decimal
from uuid import UUID

import strawberry

from resolvers.context import Context
from resolvers.mutation_resolver import mutation_resolver
from schema.declare import field, input_field
from schema.payload import Payload, payload
from workspace import document_line as operations
from workspace.graph import document_line
from workspace.graph.document import Document, load_document
from workspace.graph.document_line import DocumentLine

# ---- Resolvers -------------------------------------------------------------------------------


async def _load_line_payload(context: Context, key: UUID) -> dict[str, object]:
    (line,) = await document_line.by_ids([key], context)
    return {"line": line} | (await load_document(context, line.document_id) if line is not None else {})


add_document_line = mutation_resolver(operations.add, _load_line_payload)
update_document_line = mutation_resolver(operations.update, _load_line_payload)
remove_document_line = mutation_resolver(operations.remove, load_document)

# ---- Inputs and payloads ---------------------------------------------------------------------


@strawberry.input(
    description="A line of a draft: a product, or a free text with a price and a VAT rate. The product has the default "
    "of each value."
)
class AddDocumentLineInput:
    """The input of addDocumentLine."""

    document_id: strawberry.ID
    quantity: Decimal = input_field("The quantity: more than 0, with at most 3 decimals.")
    product_id: strawberry.ID | None = input_field(
        "A product of the account that is not archived, in the document's currency."
    )
    description: str | None = input_field("The text, at most 500 characters. Required without a product.")
    unit: str | None = input_field("The unit of the quantity, at most 20 characters.")
    unit_price: Decimal | None = input_field("The price of one unit without VAT. Required without a product.")
    discount_percent: Decimal | None = input_field("The discount in percent, 0 to 100. Null or omitted: none.")
    vat_rate: Decimal | None = input_field("The rate of VAT in percent, 0 to 100. Required without a product.")
    idempotency_key: str | None


@strawberry.input(
    description="The fields of the line to change. A null or omitted field stays as it is. The line keeps its place, "
    "its product and its purchase price."
)
class UpdateDocumentLineInput:
    """The input of updateDocumentLine."""

    document_line_id: strawberry.ID
    quantity: Decimal | None = input_field("The quantity: more than 0, with at most 3 decimals.")
    description: str | None = input_field("The text, at most 500 characters.")
    unit: str | None = input_field("The unit of the quantity, at most 20 characters. An empty text removes it.")
    unit_price: Decimal | None = input_field("The price of one unit without VAT.")
    discount_percent: Decimal | None = input_field("The discount in percent, 0 to 100.")
    vat_rate: Decimal | None = input_field("The rate of VAT in percent, 0 to 100.")


@strawberry.input(description="A line of a draft to remove.")
class RemoveDocumentLineInput:
    """The input of removeDocumentLine."""

    document_line_id: strawberry.ID


@payload
class AddDocumentLinePayload(Payload):
    """The payload of addDocumentLine."""

    line: DocumentLine | None = field(description="The new line. Null if refused.")
    document: Document | None = field(description="The draft after the change. Null if refused.")


@payload
class UpdateDocumentLinePayload(Payload):
    """The payload of updateDocumentLine."""

    line: DocumentLine | None = field(description="The line after the change. Null if refused.")
    document: Document | None = field(description="The draft after the change. Null if refused.")


@payload
class RemoveDocumentLinePayload(Payload):
    """The payload of removeDocumentLine."""

    document: Document | None = field(description="The draft after the change. Null if refused.")
