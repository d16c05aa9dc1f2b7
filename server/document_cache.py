"""Documents that were parsed and checked, kept for the next who sends the same text."""

from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from graphql import DocumentNode, GraphQLError, OperationDefinitionNode

from server.cost import Cost

MOST_BYTES: Final = 512 * 1024
"""Of text, of all that is kept. What a byte of text stands for takes about 100 bytes of memory."""
LONGEST: Final = 8 * 1024
"""A longer one is checked each time."""
_BESIDE: Final = 256
"""What the entry of an empty text would weigh: of the smallest there are many."""


@dataclass(frozen=True, slots=True)
class InvalidDocument:
    """Why a text is not taken: the code, the errors, and what their extensions say beside it."""

    code: str
    problems: tuple[GraphQLError, ...]
    more: Mapping[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True, slots=True)
class ValidDocument:
    """A document that may be asked, and its operations by name, each with what it costs."""

    document: DocumentNode
    operations: Mapping[str | None, tuple[OperationDefinitionNode, Cost]]

    def choose(self, name: str | None) -> tuple[OperationDefinitionNode, Cost] | None:
        """The operation of that name; without one, the only one there is."""
        if name is None and len(self.operations) == 1:
            return next(iter(self.operations.values()))
        return self.operations.get(name)


Checked: TypeAlias = ValidDocument | InvalidDocument
"""A document, or why it is refused."""


@dataclass(slots=True)
class PersistedDocument:
    """A document that a request named."""

    text: str
    is_registered: bool
    fresh_until: float = 0
    is_public: bool | None = None
    """Whether it answers the same to everybody; None where nobody has asked."""


class Documents:
    """Remembers what `check` said of a text, at most `most_bytes` of them; the one asked for longest ago goes."""

    def __init__(self, check: Callable[[str], Checked], *, most_bytes: int = MOST_BYTES) -> None:
        self._check = check
        self._known: OrderedDict[str, tuple[Checked, int]] = OrderedDict()
        self._most_bytes = most_bytes
        self.bytes = 0

    def __call__(self, text: str) -> Checked:
        """What comes of checking a text."""
        known = self._known.get(text)
        if known is not None:
            self._known.move_to_end(text)
            return known[0]
        found = self._check(text)
        weight = len(text.encode(errors="surrogatepass")) + _BESIDE
        if weight <= LONGEST:
            self._known[text] = found, weight
            self.bytes += weight
            while self.bytes > self._most_bytes:
                _, (_, gone) = self._known.popitem(last=False)
                self.bytes -= gone
        return found

    def knows(self, text: str) -> bool:
        """Whether it would be told without checking."""
        return text in self._known

    def __len__(self) -> int:
        """How many are known."""
        return len(self._known)
