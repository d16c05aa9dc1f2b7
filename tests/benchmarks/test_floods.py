"""The floods of `make bench`: each sends valid requests, and counts the responses."""

from typing import Any

import msgspec
import pytest
from graphql import parse, validate
from graphql.execution.values import get_variable_values

import schema
from benchmarks import floods
from benchmarks.floods import FLOODS, Flood, flood_server
from tests.benchmarks.recording_server import RecordingServer


@pytest.mark.parametrize("name", FLOODS)
def test_requests_of_a_flood_are_valid(name: str) -> None:
    built_schema = schema.build()
    documents = {
        body["query"]: body["variables"] for body in map(read_body, floods.create_requests("http://a/g", name))
    }

    for query, variables in documents.items():
        document = parse(query)
        assert validate(built_schema, document) == []
        (definition,) = document.definitions
        coerced: Any = get_variable_values(built_schema, definition.variable_definitions or (), variables)  # type: ignore[attr-defined]
        assert not isinstance(coerced, list), coerced  # a list of errors


def read_body(request: str) -> dict[str, Any]:
    """The body of a request, which has the length that its head says."""
    head, _, body = request.partition("\r\n\r\n")
    length = int(head.partition("Content-Length: ")[2].split()[0])
    assert len(body.encode()) == length
    return msgspec.json.decode(body, type=dict[str, Any])


async def test_flood_counts_the_statuses_of_all_connections(server: RecordingServer) -> None:
    requests = floods.create_requests(f"http://127.0.0.1:{server.server_port}/graphql", "mails")
    flood = Flood(
        url=f"http://127.0.0.1:{server.server_port}/graphql",
        address="127.0.0.1",
        requests=requests,
        connections=3,
        seconds=0.3,
    )

    statuses = await flood_server(flood)

    assert set(statuses) == {200}
    assert len(server.bodies) >= statuses[200] > 10
    assert len(server.connections) == 3
