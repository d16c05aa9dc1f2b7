"""What a cache between us and clients may keep: the same for everybody, asked for by name, without an error.

Everything else is `no-store`, as server/headers.py has it.
"""

from typing import TYPE_CHECKING, Final

from graphql import (
    BREAK,
    DocumentNode,
    FieldNode,
    GraphQLSchema,
    TypeInfo,
    TypeInfoVisitor,
    Visitor,
    get_named_type,
    visit,
)

from auth.rules import ANYONE
from server.request import HTTPRequest

if TYPE_CHECKING:
    from server.graph import Answer, Graph, Operation

SECONDS: Final = 300
_CREDENTIALS: Final = ("authorization", "cookie", "x-account", "x-session", "x-view-as")
_KEPT: Final = {
    "Cache-Control": f"public, max-age={SECONDS}",
    "Vary": "Accept, Accept-Language, Authorization, Cookie, Origin, X-Account, X-Session, X-View-As",
}


def headers(request: HTTPRequest, graph: "Graph", operation: "Operation", answer: "Answer") -> dict[str, str]:
    """What the whole answer to a request says to caches."""
    # Nothing beside the data either: what it has cost, and whom, is no answer to others.
    if not operation.asked.is_get or answer.keys() != {"data"}:
        return {}
    if any(request.header(name) is not None for name in _CREDENTIALS):
        return {}
    return _KEPT if graph.is_public(operation) else {}


def is_public(schema: GraphQLSchema, document: DocumentNode) -> bool:
    """Whether a valid document answers the same to everybody: by the rule of each field, and of its type.

    No argument is taken either: what it finds can be gone tomorrow, and a token in it is somebody's.
    """
    types = TypeInfo(schema)
    guarded = _Guarded(types)
    visit(document, TypeInfoVisitor(types, guarded))
    return not guarded.is_found


class _Guarded(Visitor):
    """Looks for a field that does not answer everybody alike."""

    def __init__(self, types: TypeInfo) -> None:
        super().__init__()
        self._types = types
        self.is_found = False

    def enter_field(self, node: FieldNode, *_: object) -> object:
        """Stop at the first."""
        if node.name.value == "__typename":
            return None
        field = self._types.get_field_def()
        rules = (
            (field.extensions.get("rule"), get_named_type(field.type).extensions.get("rule", ANYONE)) if field else ()
        )
        self.is_found = bool(node.arguments) or set(rules) != {ANYONE}
        return BREAK if self.is_found else None
