"""The worst inputs of each function that reads a text of clients, searched for in generated families of texts.

The functions are found by their signatures: each synchronous function or method of the product whose required
parameters are all texts. A new validator or parser is therefore measured without an entry anywhere. All of them run on
the event loop, so each must end within MAX_MS.
"""

import importlib
import inspect
import pkgutil
import random
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from types import ModuleType
from typing import Any, Final

from models.base.errors import UserErrorCode
from models.base.validation import Validation
from schema.scalars import MAX_TEXT

MAX_MS: Final = 10.0
"""Maximum time that one text may keep the event loop."""
ROOMS: Final = ("auth", "database", "executor", "i18n", "mailer", "models", "resolvers", "schema", "server")
HEADER_BYTES: Final = 16 * 1024
"""The maximum length of the headers of a request."""
_SHORT_LENGTHS: Final = (16, 48, 128)
LENGTHS: Final = {
    "auth.passwords._words": 1000,
    "auth.passwords._normalize": 512,
    "i18n.unicode_form": 6000,
    "mailer.compose": 254,
    "mailer.": 2000,
    "server.negotiation.negotiate": HEADER_BYTES,
    "server.negotiation": 2000,
    "server.": HEADER_BYTES,
    "i18n.catalogue.negotiate": HEADER_BYTES,
    "": MAX_TEXT,
}
"""The maximum length of the texts that a function gets, by a prefix of its name. The first that fits counts."""

NOT_FOR_CLIENTS: Final = {
    "auth.passwords._verify": "argon2, in a thread behind a bounded queue",
    "auth.totp.encode_secret": "secrets of our own",
    "auth.totp.uri": "valid addresses only",
    "database.db": "names of our own",
    "i18n.catalogue._choose_text": "texts of our own",
    "mailer.compose.sender_address": "a setting of the operator",
    "i18n.catalogue._read": "reads a file",
    "i18n.update": "a command of developers",
    "mailer.render": "template names of our own",
    "mailer.smtp": "settings of the operator",
    "models.migrations": "run by the operator",
    "schema.build": "runs at start",
    "schema.declare": "runs at start",
    "schema.descriptions": "runs at start",
    "schema.matrix": "a command of developers",
    "schema.print": "a command of developers",
    "server.log": "settings of the operator",
    "server.process": "settings of the operator",
    "server.workers": "settings of the operator",
    "database.migrate": "run by the operator",
    "database.pool": "no text of clients",
    "database.page_sql": "SQL of our own",
    "executor.compile": "names of our own",
}
"""Prefixes of functions whose texts clients cannot choose, with the reason."""
_PIECES: Final = (
    "a", "A", " ", "0", "1", ".", "-", "/", ":", ",", ";", "=", '"', "'", "\\", "(", "[", "{", "<", "%", "@", "+", "#",
    "ß", "é", "e\u0301", "\u0301\u0327", "\u0344", "\u1f82", "\U0001d160", "\ufdfa", "가", "\u1100\u1161\u11a8", "İ",
    "\ufb03", "\u05d0", "\u0627", "क्\u200d", "\u202e", "\r\n", "\n", "\t", "\U0001f468\u200d\U0001f469", "½",
    "\u0660", "\uff21", "a@", "a.", "xn--",
    "1/1/", "password", "4@8({[<369610!|$5+7%2", "0123456789", "en-", "q=0.1,", "text/html,", "host=a;", "1.1.1.1,",
    "::1,", "[::1],", "https://a.b", "www.a.b ", "$v", "{a", "Variable '$a' has invalid value at ", "PL", "IBAN", "00",
)  # fmt: skip


Filler = Callable[[str], object]


def _as_text(text: str) -> object:
    return text


def _as_bytes(text: str) -> object:
    return text.encode(errors="surrogatepass")


_TEXTS: Final[dict[object, Filler]] = {str: _as_text, str | None: _as_text, bytes: _as_bytes, object: _as_text}
_FILLERS: Final[dict[object, Filler]] = {
    **_TEXTS,
    Iterable[str]: lambda text: [text, f"{text}@example.com"],
    Sequence[str]: lambda text: [text],
    list[str]: lambda text: [text],
    int: lambda _: 2000,
    bool: lambda _: True,
    datetime: lambda _: datetime(2026, 1, 1, tzinfo=UTC),
    UserErrorCode: lambda _: UserErrorCode.INVALID,
}
"""Makes the value of a parameter from a text, by the annotation of the parameter."""


@dataclass(frozen=True, slots=True)
class Reader:
    """A function that reads texts: its name, the function, and how each required parameter is made from a text."""

    name: str
    function: Callable[..., object]
    positional: tuple[Filler, ...]
    keywords: dict[str, Filler]

    def measure(self, text: str) -> float:
        """The processor time of one call in milliseconds. A text that the function rejects counts as well."""
        values = [filler(text) for filler in self.positional]
        keywords = {name: filler(text) for name, filler in self.keywords.items()}
        start = time.thread_time()
        with suppress(Exception):  # rejecting is one of the outcomes
            self.function(*values, **keywords)
        return (time.thread_time() - start) * 1000


@dataclass(frozen=True, slots=True)
class Worst:
    """The text that took longest, and its time in milliseconds."""

    name: str
    milliseconds: float
    text: str


def readers() -> Iterator[Reader]:
    """All functions and methods of the product that read texts of clients."""
    for module in _modules():
        for name, function in vars(module).items():
            if inspect.isfunction(function) and function.__module__ == module.__name__:
                yield from _reader(f"{module.__name__}.{name}", function)
    for name, method in vars(Validation).items():
        if not name.startswith("_") and inspect.isfunction(method):
            yield from _reader(f"models.base.validation.Validation.{name}", _validator(name))


def repetitions(length: int) -> Iterator[str]:
    """Texts of a length that repeat a piece. They find work that grows with the square of a length."""
    for piece in _PIECES:
        yield _repeat(piece, length)


def texts(length: int) -> Iterator[str]:
    """Texts of a length: repeated pieces, pairs of pieces, a piece in the middle of others, and random mixtures."""
    yield from repetitions(length)
    for piece in _PIECES:
        yield f"a@{_repeat(piece, length - 10)}.example"[:length]
        yield f"{_repeat(piece, length - 6)}@b.com"[:length]
        yield f"kestrel{_repeat(piece, length - 14)}lantern"[:length]
    generator = random.Random(1)  # noqa: S311 - reproducible texts
    for _ in range(60):
        pieces = generator.sample(_PIECES, 2)
        yield _repeat("".join(pieces), length)
    for _ in range(60):
        yield "".join(generator.choice(_PIECES) for _ in range(length))[:length]


def search(reader: Reader, *, is_thorough: bool = True) -> Worst:
    """The worst text for a function. The best of three calls counts, because the machine may interrupt one.

    The thorough search takes a second for most functions. The other tries only texts that repeat a piece.
    """
    _ = reader.measure("a")  # loads what is loaded at first use
    longest = next(length for prefix, length in LENGTHS.items() if reader.name.startswith(prefix))
    lengths = [*(length for length in _SHORT_LENGTHS if length < longest), longest] if is_thorough else [48, longest]
    family = texts if is_thorough else repetitions
    slowest = max(
        ((reader.measure(text), text) for length in lengths for text in family(length)), key=lambda pair: pair[0]
    )
    return Worst(reader.name, min(reader.measure(slowest[1]) for _ in range(3)), slowest[1])


def _repeat(piece: str, length: int) -> str:
    return (piece * (length // len(piece) + 1))[:length]


def _validator(name: str) -> Callable[..., object]:
    method = getattr(Validation, name)

    def call(*values: object, **keywords: object) -> object:
        return getattr(Validation(), name)(*values, **keywords)

    call.__signature__ = _without_self(method)  # type: ignore[attr-defined]
    return call


def _without_self(method: Callable[..., object]) -> inspect.Signature:
    parameters = list(inspect.signature(method, eval_str=True).parameters.values())
    return inspect.Signature(parameters[1:])


def _modules() -> Iterator[ModuleType]:
    for room in ROOMS:
        package = importlib.import_module(room)
        yield package
        for info in pkgutil.walk_packages(package.__path__, f"{room}."):
            if not info.name.startswith(tuple(NOT_FOR_CLIENTS)) and info.name != "server.traces":
                yield importlib.import_module(info.name)


def _reader(name: str, function: Any) -> Iterator[Reader]:
    """The reader of a function. Empty if it reads no text, or needs something that cannot be made from a text."""
    if name.startswith(tuple(NOT_FOR_CLIENTS)) or inspect.iscoroutinefunction(function):
        return
    try:
        parameters = inspect.signature(function, eval_str=True).parameters.values()
    except (NameError, AttributeError, TypeError):  # a name that is imported for type checkers only
        return
    text_parameters = [parameter for parameter in parameters if _is_required(parameter)]
    if any(parameter.annotation in _TEXTS for parameter in text_parameters) and all(
        parameter.annotation in _FILLERS for parameter in text_parameters
    ):
        positional = [_FILLERS[parameter.annotation] for parameter in text_parameters if parameter.kind in _POSITIONAL]
        keywords = {
            parameter.name: _FILLERS[parameter.annotation]
            for parameter in text_parameters
            if parameter.kind not in _POSITIONAL
        }
        yield Reader(name, function, tuple(positional), keywords)


def _is_required(parameter: inspect.Parameter) -> bool:
    is_variable = parameter.kind in {inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD}
    return parameter.default is inspect.Parameter.empty and not is_variable


_POSITIONAL: Final = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
