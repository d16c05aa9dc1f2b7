import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from benchmarks.load import Failed, Load, drive


class Counting(ThreadingHTTPServer):
    """Answers everything with its status, and keeps what it was sent."""

    status = 200

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.bodies: list[str] = []
        self.tokens: set[str | None] = set()
        self.connections: set[object] = set()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        server = self.server
        assert isinstance(server, Counting)
        server.bodies.append(self.rfile.read(int(self.headers["Content-Length"])).decode())
        server.tokens.add(self.headers["Authorization"])
        server.connections.add(self.client_address)
        self.send_response(server.status)
        self.send_header("Content-Length", "5")
        self.end_headers()
        self.wfile.write(b"hello")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
        pass


@pytest.fixture
def counting() -> Iterator[Counting]:
    with Counting() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def load(server: Counting, *bodies: str) -> Load:
    url = f"http://127.0.0.1:{server.server_port}/graphql"
    return Load(url=url, token="secret", bodies=list(bodies), connections=3, seconds=0.2)


def test_every_connection_keeps_asking_until_the_time_is_up(counting: Counting) -> None:
    figures = drive(load(counting, "first", "second"))

    assert figures.requests == len(counting.bodies) > 10
    assert len(counting.connections) == 3
    assert counting.tokens == {"Bearer secret"}
    assert abs(counting.bodies.count("first") - counting.bodies.count("second")) <= 3
    assert 0 < figures.p50 <= figures.p99
    assert figures.rate * 0.2 <= figures.requests
    assert figures.answer_bytes > 5


def test_an_error_of_http_fails_the_measurement(counting: Counting) -> None:
    counting.status = 503

    with pytest.raises(Failed, match=r"^(\d+) of \1 requests to "):
        drive(load(counting, "one"))


def test_a_server_that_is_not_there_fails_the_measurement() -> None:
    with pytest.raises(Failed, match="Connect"):
        drive(Load(url="http://127.0.0.1:9/graphql", token="secret", bodies=["one"], connections=1, seconds=0.1))
