"""A real SMTP server on this machine, for as long as a test needs it."""

import gc
import warnings
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

from aiosmtpd.controller import Controller


@contextmanager
def listening(handler: object, port: int, **options: Any) -> Generator[None]:
    """Let `handler` answer on a port of the loopback address."""
    controller = Controller(handler, hostname="127.0.0.1", port=port, **options)
    controller.start()
    try:
        yield
    finally:
        # The library stops its loop without closing its side of connections that have just been left.
        # Collected here, they are its warnings; collected later, they would be another test's.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)
            controller.stop()
            del controller
            gc.collect()
