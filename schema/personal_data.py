"""Taking with one what is held about one, and erasing it: inputs and payloads."""

import strawberry

from schema.declare import field
from schema.payload import Payload, payload
from schema.scalars import JSON
from schema.viewer import Viewer


@strawberry.input(description="The viewer's password, again.")
class ExportMyDataInput:
    """What exportMyData takes."""

    password: str


@strawberry.input(description="The viewer's password, again.")
class EraseMeInput:
    """What eraseMe takes."""

    password: str


@payload
class ExportMyDataPayload(Payload):
    """Everything that is held."""

    document: JSON | None = field(description="All rows about the viewer, by what they are; no secret is in it.")
    viewer: Viewer | None = field(description="The viewer.")


@payload
class EraseMePayload(Payload):
    """Nobody is signed in any more."""
