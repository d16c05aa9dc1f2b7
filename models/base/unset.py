"""A marker for omitted input fields, so that null can clear a value."""

from enum import Enum
from typing import Final


class Unset(Enum):
    """The value of an omitted input field: the stored value stays."""

    KEEP = "KEEP"


UNSET: Final = Unset.KEEP
