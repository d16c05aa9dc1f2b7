"""The language rules as code: words that are not valid names, and phrases that are not plain English.

A name must describe its value. A participle (`found`, `asked`) or a pronoun (`one`, `other`) does not. Only names of
one word are checked: `found_rows` is valid.
"""

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

_PRONOUNS = """
one each own other others another both either neither all any some none who whom whose which what this that these those
it he him his she her they them theirs ours mine yours somebody anybody nobody everybody someone anyone everyone
something anything nothing everything whoever whatever same such many more most much few less least rest there here
"""
_IRREGULAR_PARTICIPLES = """
found told seen given held made done kept taken written left sent shown known gone begun bound built chosen lost paid
sought thought brought bought caught taught spent stuck struck drawn grown thrown worn torn sworn spoken broken woken
frozen hidden ridden driven risen eaten beaten forgotten gotten got said met felt heard stood understood sold won put
meant led fed fled bred sung rung sunk drunk tried
"""
_NOUNS_IN_ING = """
listing string setting warning mapping routing heading padding meaning reading ending billing ring ping king thing
spring timing building encoding rendering formatting logging testing
"""
VAGUE_WORDS = frozenset((_PRONOUNS + _IRREGULAR_PARTICIPLES).split())
NOUNS_IN_ING = frozenset(_NOUNS_IN_ING.split())
NOUNS_IN_ED = frozenset({"seed", "need", "feed", "speed"})

PERSONAL = re.compile(
    r"\b(he|his|him|himself|she|her|hers|one's|oneself|somebody|someone|anybody|anyone|nobody|everybody|whoever"
    r"|whatever|whomever)\b",
    re.IGNORECASE,
)
"""Vague words for people. Use the user, the owner, the caller, they."""

HEADLESS = re.compile(r"(?:^|[.:;]\s+)(?:Who|Whom|Whose|What)\b(?![^.?]*\?)")
"""A sentence that begins with a relative clause without a noun: "Who has no grant sees ..."."""


def is_vague(name: str) -> bool:
    """True if a name is only a participle or a pronoun."""
    word = name.strip("_").lower()
    if not word or "_" in word or name.startswith("__"):
        return False
    if word in VAGUE_WORDS:
        return True
    if word.endswith("ed"):
        return len(word) > 3 and word not in NOUNS_IN_ED
    return word.endswith("ing") and len(word) > 4 and word not in NOUNS_IN_ING


def outside_enums(node: ast.AST) -> Iterator[ast.AST]:
    """Yield the node and all nodes below it, except the bodies of enums."""
    yield node
    is_enum = isinstance(node, ast.ClassDef) and any(ast.unparse(base).endswith("Enum") for base in node.bases)
    if not is_enum:
        for child in ast.iter_child_nodes(node):
            yield from outside_enums(child)


def bound_names(tree: ast.Module) -> Iterator[tuple[str, int]]:
    """Yield each name that a module binds, with its line: functions, classes, parameters, variables, attributes.

    Members of enums are excluded: they are names of the API.
    """
    for node in outside_enums(tree):
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                yield name, node.lineno
            case ast.arg(arg=name) | ast.Name(id=name, ctx=ast.Store()) | ast.Attribute(attr=name, ctx=ast.Store()):
                yield name, node.lineno
            case ast.ExceptHandler(name=str(name)) | ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
                yield name, node.lineno
            case ast.alias(asname=str(name)):
                yield name, node.lineno
            case _:
                pass


def prose(path: Path) -> Iterator[tuple[str, int]]:
    """Yield each docstring and comment of a Python file, with its line."""
    text = path.read_text()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            yield node.value.value, node.lineno
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            yield token.string.lstrip("# "), token.start[0]


def sentences(path: Path) -> Iterator[tuple[str, int]]:
    """Yield each string with several words of a Python file, with its line. SQL and GraphQL are excluded."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and is_sentence(node.value):
            yield node.value, node.lineno


def is_sentence(text: str) -> bool:
    """True if a text has several words and is neither SQL nor GraphQL."""
    is_code = re.search(r"\b(SELECT|UPDATE|INSERT|DELETE|CREATE|ALTER|WITH|WHERE|JOIN)\b|[{}]", text)
    return is_code is None and re.search(r"\w \w", text) is not None
