"""How far a process is with its end, for whoever has to behave otherwise then.

announced   /readyz answers 503, and each answer closes its connection; still everything is served
begun       nobody new is let in, what is under way is finished; what would never end by itself ends now
"""

from collections.abc import Callable
from typing import Final

STATE: Final = "leaving"
"""Where the application leaves its own for the server, in the state of its lifespan."""


class Shutdown:
    """Of one process; `on_begin` ends what would never end by itself."""

    def __init__(self, on_begin: Callable[[], None]) -> None:
        self.is_draining = False
        self._on_begin = on_begin

    def begin(self) -> None:
        """It is time."""
        self.is_draining = True
        self._on_begin()
