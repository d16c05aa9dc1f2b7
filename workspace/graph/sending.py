"""The mutation that sends a document."""

from uuid import UUID

import strawberry

from resolvers.context import Context
from resolvers.mutation_resolver import mutation_resolver
from schema.declare import field, input_field
from schema.payload import Payload, payload
from workspace import sending
from workspace.graph import document
from workspace.graph.document import Document


async def _load_payload(context: Context, key: UUID) -> dict[str, object]:
    return {"document": (await document.by_ids([key], context))[0]}


send_document = mutation_resolver(sending.send, _load_payload)


@strawberry.input(description="An issued document to send.")
class SendDocumentInput:
    """The input of sendDocument."""

    document_id: strawberry.ID
    email: str | None = input_field("The e-mail address of the receiver. Null or omitted: that of the contact.")
    idempotency_key: str | None


@payload
class SendDocumentPayload(Payload):
    """The payload of sendDocument."""

    document: Document | None = field(description="The document after the sending. Null if refused.")
