"""The executor: runs GraphQL operations breadth first, with batch resolvers and guards.

It imports only graphql-core and the standard library. It knows nothing of accounts or grants.

The `extensions` of types and fields hold what the executor needs to know:

    type    rights         (objects, context) -> bit sets: the caller's rights on each object; see `executor.row_rights`
    type    has_cost       false for a type whose objects add nothing to the cost of an operation; read by the server
    scalar  serialized_as  the Python type that the application's JSON encoder writes exactly as the scalar would
    field   needs          a bit set: the caller needs one of these rights; 0 refuses every caller
    field   refuse         (objects, context) -> for each the exception of a refused field; several may share one
    field   batch          async (objects, info, **arguments) -> one result for each object, in order
    field   column         (objects, info, **arguments) -> one result for each object, in order; not awaited
    field   resolve        (object, info, **arguments) -> the result; plain, sync or async
    field   attribute      the name of the object's attribute; the default, with the field's own name
    field   columns        the columns that a batch, column or resolve reads from its objects, if it declares them
    field   source         (root, info, **arguments) -> the events of a subscription; each is resolved like any object
    field   joined_as      the name under which lists can join the field's object, in columns `<joined_as>.<column>`
    field   is_same_row    true if the field's object is the object itself, as another type
    field   cost_size      the number of objects of a list when costs are computed; read by the server
    field   convert        arguments as graphql-core coerces them -> arguments as resolvers take them
"""

from executor.engine import Engine
from executor.errors import WrongLength
from executor.reference import install

__all__ = ["Engine", "WrongLength", "install"]
