"""The facts of events that a reader may read: cut when they are read, by the rules that each type declares.

A reader is the bit set of their rights on the event at that moment: their permissions in its account, and SELF_BIT on
their own events. A fact that its type does not declare can be neither written nor read.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Final

import orjson

from auth.policy import Permission
from auth.rules import Rule, needs
from models.audit import event_type

Facts = Mapping[str, object]
PERSON: Final[Rule] = needs(Permission.USERS_READ, or_self=True)
"""The rule of the IP address, and of an actor who had no role in the account: these tell of a person."""


class UndeclaredFact(Exception):
    """An operation records a fact that the type of its event does not declare. The text names both."""


def require_declared(type_text: str, facts: Facts | None) -> None:
    """Raise UndeclaredFact for a fact without a rule."""
    if facts and (undeclared := facts.keys() - event_type.facts_of(type_text).keys()):
        raise UndeclaredFact(f"{type_text} declares no rule for {', '.join(sorted(undeclared))}")


@lru_cache(maxsize=8192)
def _readable(type_text: str, rights: int) -> frozenset[str]:
    """The names of the facts of a type that a reader may read."""
    return frozenset(name for name, rule in event_type.facts_of(type_text).items() if rule.bits & rights)


def cut(type_text: str, facts: dict[str, object], rights: int) -> dict[str, object]:
    """The facts that a reader may read."""
    readable = _readable(type_text, rights)
    if readable.issuperset(facts):
        return facts
    return {name: fact for name, fact in facts.items() if name in readable}


def cut_json(type_text: str, facts: str | None, rights: int) -> dict[str, object] | None:
    """`cut` for facts as JSON. None for None."""
    return None if facts is None else cut(type_text, orjson.loads(facts), rights)


def withheld(type_text: str, sides: tuple[str | None, str | None], rights: int) -> list[str]:
    """The names of the facts, in `before` or `after` as JSON, that a reader may not read, in alphabetical order."""
    readable = _readable(type_text, rights)
    names = {name for side in sides if side is not None for name in orjson.loads(side) if name not in readable}
    return sorted(names)
