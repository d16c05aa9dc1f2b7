"""The shutdown state of a process.

draining   /readyz answers 503 and each response closes its connection. All requests are still served.
started    No new connections are accepted. Running requests finish. Subscriptions end.
"""

from collections.abc import Callable
from typing import Final

STATE_KEY: Final = "shutdown"
"""The key of the Shutdown in the lifespan state of the application."""


class Shutdown:
    """The shutdown of one process. `on_start` ends the subscriptions, which would not end by themselves."""

    def __init__(self, on_start: Callable[[], None]) -> None:
        self.is_draining = False
        self._on_start = on_start

    def start(self) -> None:
        """Start the shutdown."""
        self.is_draining = True
        self._on_start()
