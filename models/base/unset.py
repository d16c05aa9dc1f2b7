"""The difference between "not given" and "given as nothing", for changes that clear a value."""

from enum import Enum
from typing import Final


class Unset(Enum):
    """Stands where an input field was left out: what is there stays."""

    KEEP = "KEEP"


UNSET: Final = Unset.KEEP
