"""Inputs and payloads of export and erasure of personal data."""

import strawberry

from schema.declare import field, input_field
from schema.payload import Payload, payload
from schema.scalars import JSON
from schema.viewer import Viewer


@strawberry.input(description="The viewer's password.")
class ExportMyDataInput:
    """The input of exportMyData."""

    password: str = input_field("The viewer's password.")


@strawberry.input(description="The viewer's password.")
class EraseMeInput:
    """The input of eraseMe."""

    password: str = input_field("The viewer's password.")


@payload
class ExportMyDataPayload(Payload):
    """The payload of exportMyData."""

    document: JSON | None = field(
        description="The viewer's personal data, by kind of object. It contains no secret. Null if refused."
    )
    viewer: Viewer | None = field(description="The viewer after the mutation.")


@payload
class EraseMePayload(Payload):
    """The payload of eraseMe. There is no viewer any more."""
