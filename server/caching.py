"""Cache-Control of responses that shared caches may store.

Such a response answers a GET of a persisted operation, is the same for all callers and has no errors. All other
responses are `no-store`: server/headers.py.
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

from auth.rules import PUBLIC
from server.request import HTTPRequest

if TYPE_CHECKING:
    from server.graph import Graph, GraphQLResponse, Operation

SECONDS: Final = 300
_CREDENTIALS: Final = ("authorization", "cookie", "x-account", "x-session", "x-view-as")
_PUBLIC: Final = {
    "Cache-Control": f"public, max-age={SECONDS}",
    "Vary": "Accept, Accept-Language, Authorization, Cookie, Origin, X-Account, X-Session, X-View-As",
}


def headers(
    request: HTTPRequest, graph: "Graph", operation: "Operation", response: "GraphQLResponse"
) -> dict[str, str]:
    """The caching headers of a response. Empty if it must not be stored."""
    # `extensions` are private too: they hold the cost and the balance of one caller.
    if not operation.request.is_get or response.keys() != {"data"}:
        return {}
    if any(request.header(name) is not None for name in _CREDENTIALS):
        return {}
    return _PUBLIC if graph.is_public(operation) else {}


def is_public(schema: GraphQLSchema, document: DocumentNode) -> bool:
    """True if a valid document has the same response for all callers, by the rule of each field and of its type.

    A field with an argument is not public: its response can change, and the argument can be a secret token.
    """
    types = TypeInfo(schema)
    finder = _GuardedFieldFinder(types)
    visit(document, TypeInfoVisitor(types, finder))
    return not finder.has_guarded_field


class _GuardedFieldFinder(Visitor):
    """Searches for a field whose result depends on the caller."""

    def __init__(self, types: TypeInfo) -> None:
        super().__init__()
        self._types = types
        self.has_guarded_field = False

    def enter_field(self, node: FieldNode, *_: object) -> object:
        """Stop at the first guarded field."""
        if node.name.value == "__typename":
            return None
        field = self._types.get_field_def()
        rules = (
            (field.extensions.get("rule"), get_named_type(field.type).extensions.get("rule", PUBLIC)) if field else ()
        )
        self.has_guarded_field = bool(node.arguments) or set(rules) != {PUBLIC}
        return BREAK if self.has_guarded_field else None
