"""What the graph is: types, fields and the rule that each of them declares.

`build` makes the executable schema and refuses a field without a rule; `sdl` prints it; `matrix`
shows the permission table and what it means for every field.
"""

from schema.build import MissingRule, build
from schema.matrix import matrix
from schema.print import sdl

__all__ = ["MissingRule", "build", "matrix", "sdl"]
