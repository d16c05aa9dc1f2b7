"""Parsing and validating a GraphQL document within the limits.

The steps run in this order, so that each one bounds the next: parse, count against the limits, validate. graphql-core
counts tokens while it parses, and comparisons of fields with the same response name, which grow quadratically.
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
from graphql.validation.rules import overlapping_fields_can_be_merged as overlap_rule

from server import errors, limits
from server.cost import compile_cost
from server.document_cache import CheckedDocument, InvalidDocument, ValidDocument
from server.errors import InvalidOperation
from server.limits import Limits, LimitViolation

MAX_ERRORS: Final = 5


def document_checker(
    schema: GraphQLSchema, operation_limits: Limits, *, development: bool
) -> Callable[[str], CheckedDocument]:
    """A function that parses and validates the text of a document. `development` adds suggestions to its errors."""
    overlap_rule.MAX_COMPLEXITY_BUDGET = operation_limits.comparisons

    def check(text: str) -> CheckedDocument:
        try:
            document = parse(text, max_lexical_tokens=operation_limits.tokens, max_comments=operation_limits.comments)
        except GraphQLError as error:
            violation = _parser_violation(error, operation_limits)
            return _over_limit(violation) if violation else InvalidDocument(errors.PARSE_FAILED, (error,))
        if violation := limits.check_document(document, operation_limits):
            return _over_limit(violation)
        validation_errors = validate(schema, document, max_errors=MAX_ERRORS, hide_suggestions=not development)
        if not validation_errors:
            return _valid_document(schema, document)
        if validation_errors[-1].message == "Validation aborted.":
            return _over_limit(_aborted_at("comparisons", operation_limits.comparisons))
        return InvalidDocument(errors.VALIDATION_FAILED, tuple(validation_errors))

    return check


def _valid_document(schema: GraphQLSchema, document: DocumentNode) -> ValidDocument:
    operations = [node for node in document.definitions if isinstance(node, OperationDefinitionNode)]
    return ValidDocument(
        document,
        {node.name.value if node.name else None: (node, compile_cost(schema, document, node)) for node in operations},
    )


def limit_error(violation: LimitViolation) -> InvalidOperation:
    """The error of an operation that violates a limit by its variables or its cost."""
    document = _over_limit(violation)
    return InvalidOperation(400, document.errors, document.code, **document.extensions)


def _over_limit(violation: LimitViolation) -> InvalidDocument:
    code = errors.BAD_USER_INPUT if violation.limit in limits.VALUE_LIMITS else errors.TOO_COMPLEX
    return InvalidDocument(code, (GraphQLError(violation.message),), violation.extensions)


def _parser_violation(error: GraphQLError, operation_limits: Limits) -> LimitViolation | None:
    """The limit at which the parser stopped. None if the document has a syntax error instead."""
    if not isinstance(error, GraphQLSyntaxError) or not error.message.endswith("Parsing aborted."):
        return None
    if error.message.endswith("tokens. Parsing aborted."):
        return _aborted_at("tokens", operation_limits.tokens)
    if error.message.endswith("comments. Parsing aborted."):
        return _aborted_at("comments", operation_limits.comments)
    return _aborted_at("brackets", MAX_NESTING_DEPTH)


def _aborted_at(limit: str, maximum: int) -> LimitViolation:
    return LimitViolation(limit, maximum, maximum + 1)
