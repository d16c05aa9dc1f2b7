"""Unicode normalization in linear time."""

import unicodedata

import pytest

from i18n.unicode_form import MAX_MARKS, compose, is_composable


@pytest.mark.parametrize(
    "text", ["", "plain", "Zoe\u0308", "e\u0302\u0301", "\u1112\u1161\u11ab", "\u1f82", "क्\u200dष"]
)
def test_ordinary_text_is_composed(text: str) -> None:
    assert compose(text) == unicodedata.normalize("NFC", text)


def test_text_with_a_long_run_of_marks_stays_unchanged() -> None:
    longest = "e" + "\u0327\u0301" * (MAX_MARKS // 2)

    assert is_composable(longest)
    assert compose(longest) == unicodedata.normalize("NFC", longest) != longest
    assert not is_composable(longest + "\u0301")
    assert compose(longest + "\u0301") == longest + "\u0301"
