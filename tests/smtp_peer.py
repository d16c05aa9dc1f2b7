"""A real SMTP server on this machine for tests."""

import gc
import warnings
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

from aiosmtpd.controller import Controller


@contextmanager
def smtp_server(handler: object, port: int, **options: Any) -> Generator[None]:
    """Run an SMTP server with `handler` on a port of the loopback address while the block runs."""
    controller = Controller(handler, hostname="127.0.0.1", port=port, **options)
    controller.start()
    try:
        yield
    finally:
        # The library stops its event loop without closing all connections. They are collected here, because later
        # their ResourceWarnings would appear in another test.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)
            controller.stop()
            del controller
            gc.collect()
