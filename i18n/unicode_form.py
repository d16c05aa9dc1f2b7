"""Unicode normalization whose time is linear in the length of the text.

NFC sorts combining marks. A run of marks takes quadratic time: 8,000 marks take a sixth of a second. No language needs
more than a few marks on a letter, so a text with a longer run than Unicode's Stream-Safe Text Format allows (UAX #15)
is not composed.
"""

import unicodedata
from typing import Final

MAX_MARKS: Final = 30
"""Maximum length of a run of combining marks in the Stream-Safe Text Format."""


def is_composable(text: str) -> bool:
    """True if no letter of `text` has more than MAX_MARKS combining marks."""
    if text.isascii():
        return True
    run_length = 0
    for char in text:
        run_length = run_length + 1 if unicodedata.combining(char) else 0
        if run_length > MAX_MARKS:
            return False
    return True


def compose(text: str) -> str:
    """`text` in NFC. Unchanged if a letter has more than MAX_MARKS combining marks."""
    return unicodedata.normalize("NFC", text) if is_composable(text) else text
