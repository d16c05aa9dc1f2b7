"""The GraphQL schema: types, fields, their rules and their descriptions.

`build` makes the executable schema; it refuses a field without a rule or a description. `sdl` prints the schema,
`matrix` the permission table and its effect on every field.
"""

from schema.build import MissingDescription, MissingRule, build
from schema.matrix import matrix
from schema.print import sdl

__all__ = ["MissingDescription", "MissingRule", "build", "matrix", "sdl"]
