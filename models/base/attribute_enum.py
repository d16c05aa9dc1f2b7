"""The base of text enums whose members have attributes."""

from enum import StrEnum
from typing import Self


class AttributeEnum(StrEnum):
    """An enum of texts. A member is its text, followed by the arguments of `__init__`, which sets its attributes.

    FRIDAY = "friday", "the day before the weekend"
    """

    def __new__(cls, text: str, *_: object) -> Self:
        """A member that is equal to its text."""
        member = str.__new__(cls, text)
        member._value_ = text
        return member
