"""Checking a document: it parses, is within bounds, and is valid; in this order, each step bounded by the last.

graphql-core counts what only it can count: tokens while it reads them, and how often the rule for fields of the same
name compares two of them, which grows with their square.
"""

from collections.abc import Callable
from typing import Final

from graphql import (
    DocumentNode,
    GraphQLError,
    GraphQLSchema,
    GraphQLSyntaxError,
    OperationDefinitionNode,
    parse,
    validate,
)
from graphql.language.parser import MAX_NESTING_DEPTH
from graphql.validation.rules import overlapping_fields_can_be_merged as overlapping

from server import errors, limits
from server.cost import compile_cost
from server.document_cache import Checked, InvalidDocument, ValidDocument
from server.errors import Unfit
from server.limits import Excess, Limits

MOST_PROBLEMS: Final = 5


def checker(schema: GraphQLSchema, most: Limits, *, development: bool) -> Callable[[str], Checked]:
    """What says of a text whether it is a document that may be asked of `schema`."""
    overlapping.MAX_COMPLEXITY_BUDGET = most.comparisons

    def check(text: str) -> Checked:
        try:
            document = parse(text, max_lexical_tokens=most.tokens, max_comments=most.comments)
        except GraphQLError as error:
            too_much = _of_parser(error, most)
            return _refused(too_much) if too_much else InvalidDocument(errors.PARSE_FAILED, (error,))
        if too_much := limits.excess(document, most):
            return _refused(too_much)
        problems = validate(schema, document, max_errors=MOST_PROBLEMS, hide_suggestions=not development)
        if problems and problems[-1].message == "Validation aborted.":
            return _refused(_stopped("comparisons", most.comparisons))
        return InvalidDocument(errors.VALIDATION_FAILED, tuple(problems)) if problems else _known(schema, document)

    return check


def _known(schema: GraphQLSchema, document: DocumentNode) -> ValidDocument:
    operations = [node for node in document.definitions if isinstance(node, OperationDefinitionNode)]
    return ValidDocument(
        document,
        {node.name.value if node.name else None: (node, compile_cost(schema, document, node)) for node in operations},
    )


def too_large(found: Excess) -> Unfit:
    """The refusal of an operation whose variables, or whose cost with them, are beyond a limit."""
    refused = _refused(found)
    return Unfit(400, refused.problems, refused.code, **refused.more)


def _refused(found: Excess) -> InvalidDocument:
    code = errors.BAD_USER_INPUT if found.limit in limits.OF_VALUES else errors.TOO_COMPLEX
    return InvalidDocument(code, (GraphQLError(found.message),), found.shown)


def _of_parser(error: GraphQLError, most: Limits) -> Excess | None:
    """The limit at which the parser stopped, if one stopped it."""
    if not isinstance(error, GraphQLSyntaxError) or not error.message.endswith("Parsing aborted."):
        return None
    if error.message.endswith("tokens. Parsing aborted."):
        return _stopped("tokens", most.tokens)
    if error.message.endswith("comments. Parsing aborted."):
        return _stopped("comments", most.comments)
    return _stopped("brackets", MAX_NESTING_DEPTH)


def _stopped(limit: str, most: int) -> Excess:
    return Excess(limit, most, most + 1)
