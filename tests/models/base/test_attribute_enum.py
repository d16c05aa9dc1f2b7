"""Enums with attributes: a member is its text, and has what `__init__` sets."""

import pytest

from models.base.attribute_enum import AttributeEnum


class Day(AttributeEnum):
    """Days with a length."""

    hours: int

    def __init__(self, _: str, hours: int = 24) -> None:
        self.hours = hours

    FRIDAY = "friday"
    SUNDAY = "sunday", 25


def test_member_is_its_text_and_has_its_attributes() -> None:
    text: str = Day.SUNDAY

    assert text == "sunday" == str(Day.SUNDAY)
    assert (Day.FRIDAY.hours, Day.SUNDAY.hours) == (24, 25)
    assert Day("sunday") is Day.SUNDAY
    assert Day.SUNDAY.value == "sunday"


def test_unknown_text_is_no_member() -> None:
    with pytest.raises(ValueError, match="monday"):
        Day("monday")
