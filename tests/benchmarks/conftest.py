"""The server that tests of load generators send requests to."""

import threading
from collections.abc import Iterator

import pytest

from tests.benchmarks.recording_server import RecordingServer


@pytest.fixture
def server() -> Iterator[RecordingServer]:
    with RecordingServer() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()
