"""Running an operation: batch resolvers, guards, and the room's one door.

Knows graphql-core and the standard library, and nothing of accounts or grants.

A schema tells the executor what it needs in the `extensions` of its types and fields:

    type   rights   (objects, context) -> bit sets: what the caller may do with each object; see `executor.row_rights`
    scalar written  the Python type that the host's JSON writer writes just as the scalar would
    field  needs    a bit set: the caller needs one of these; who has none of them is refused, so 0 is nobody's
    field  refuse   (objects, context) -> for each the exception for a refused field; several may have one together
    field  batch    async (objects, info, **arguments) -> one result for each object, in order
    field  column   (objects, info, **arguments) -> one result for each object, in order; no waiting
    field  resolve  (object, info, **arguments) -> the result; plain, sync or async
    field  attribute  the name under which the object has it; the default, with the field's own name
    field  uses     the columns that a batch, column or resolve takes from its objects, if it says so
    field  source   (root, info, **arguments) -> the events of a subscription; then each is resolved like any object
    field  part     the name under which lists can have the field's object joined, in columns `<part>.<column>`
    field  same     true where the field's object is the object itself, seen as another type
    field  convert  arguments as graphql-core coerces them -> arguments as resolvers take them
"""

from executor.engine import Engine
from executor.errors import WrongLength
from executor.reference import install

__all__ = ["Engine", "WrongLength", "install"]
