import pytest

from benchmarks.load import Load, LoadError, run_load
from tests.benchmarks.recording_server import RecordingServer


def load_on(server: RecordingServer, *bodies: str) -> Load:
    url = f"http://127.0.0.1:{server.server_port}/graphql"
    return Load(url=url, token="secret", bodies=list(bodies), connections=3, seconds=0.2)


def test_every_connection_sends_requests_until_the_deadline(server: RecordingServer) -> None:
    figures = run_load(load_on(server, "first", "second"))

    assert figures.requests == len(server.bodies) > 10
    assert len(server.connections) == 3
    assert server.tokens == {"Bearer secret"}
    assert abs(server.bodies.count("first") - server.bodies.count("second")) <= 3
    assert 0 < figures.p50 <= figures.p99
    assert figures.rate * 0.2 <= figures.requests
    assert figures.answer_bytes > 5


def test_http_error_fails_the_measurement(server: RecordingServer) -> None:
    server.status = 503

    with pytest.raises(LoadError, match=r"^(\d+) of \1 requests to "):
        run_load(load_on(server, "one"))


def test_refused_connection_fails_the_measurement() -> None:
    with pytest.raises(LoadError, match="Connect"):
        run_load(Load(url="http://127.0.0.1:9/graphql", token="secret", bodies=["one"], connections=1, seconds=0.1))
