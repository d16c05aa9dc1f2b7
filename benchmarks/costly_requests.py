"""Small requests that would be expensive without limits.

Each one must end within a second. A client with cheap requests must wait half a second at most meanwhile. Each
function that reads a text on the event loop must end within 10 ms for the worst text that `benchmarks/worst_inputs.py`
finds.

The tests check the same requests against a bound of processor time, which holds on a busy machine too. This benchmark
measures elapsed time on an idle machine. The server has its default limits. It has no budget, because a spent budget
would end the measurement early.
"""

import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from typing import Final

import msgspec
from graphql import get_introspection_query

from benchmarks import seed, worst_inputs
from benchmarks.measurement import Goal, Pace, Row, Section
from benchmarks.server import Server, serve

MAX_RESPONSE_MS: Final = 1000
MAX_OTHER_CLIENT_MS: Final = 500
MAX_GROWTH_MIB: Final = 200
SHOWN_FUNCTIONS: Final = 20
"""The number of slowest functions that have a row."""
SMALL_REQUEST: Final = msgspec.json.encode({"query": "{ viewer { user { name } } }"})


def dag(fragments: int) -> str:
    """Return a document whose fragments each spread the next one twice. It has 2 to the power of `fragments` fields."""
    twice = "a: viewerGrant {{ account {{ ...F{0} }} }} b: viewerGrant {{ account {{ ...F{0} }} }}"
    chain = [f"fragment F{n} on Account {{ {twice.format(n + 1)} }}" for n in range(fragments)]
    end = f"fragment F{fragments} on Account {{ name }}"
    return " ".join(["{ account(number: 1) { ...F0 } }", *chain, end])


def fields_through_cycle(levels: int) -> str:
    """Return a selection that follows a cycle of types, twice at each level."""
    return (
        "account(number: 1) { name }"
        if not levels
        else f"a: viewer {{ b: accounts {{ nodes {{ {fields_of_account(levels)} }} }} }}"
    )


def fields_of_account(levels: int) -> str:
    """Return the same selection within an account."""
    inner_selection = fields_of_account(levels - 1) if levels > 1 else "name"
    return " ".join(f"{name}: viewerGrant {{ account {{ {inner_selection} }} }}" for name in "ab")


DOCUMENTS = {
    "fields that double in every fragment": dag(45),
    "fields that double through a cycle": "{ " + fields_through_cycle(6) + " }",
    "a flat DAG": "{ ...F0 } fragment F48 on Query { roles { role } } "
    + " ".join(f"fragment F{n} on Query {{ ...F{n + 1} ...F{n + 1} }}" for n in range(48)),
    "a dense DAG": " ".join(
        ["{ ...F0 }"]
        + [
            f"fragment F{n} on Query {{ {' '.join(f'...F{m}' for m in range(n + 1, 28))} __typename }}"
            for n in range(28)
        ]
    ),
    "hundreds of fragments": " ".join(
        ["{ __typename " + " ".join(f"...F{n}" for n in range(150)) + " }"]
        + [f"fragment F{n} on Query {{ roles {{ role }} }}" for n in range(150)]
    ),
    "fifty fragments, all spread": " ".join(
        ["{ __typename " + " ".join(f"...F{n}" for n in range(50)) + " }"]
        + [f"fragment F{n} on Query {{ roles {{ role name }} }}" for n in range(50)]
    ),
    "a chain": " ".join(
        [
            "{ ...F0 }",
            *(f"fragment F{n} on Query {{ ...F{n + 1} }}" for n in range(48)),
            "fragment F48 on Query { __typename }",
        ]
    ),
    "a cycle": "{ ...A } fragment A on Query { ...B ...B } fragment B on Query { ...A ...A }",
    "a cycle of forty": "{ ...F0 } "
    + " ".join(f"fragment F{n} on Query {{ ...F{(n + 1) % 40} ...F{(n + 2) % 40} }}" for n in range(40)),
    "the same field": "{ " + "roles { role } " * 149 + "}",
    "the same field with arguments": "{ " + 'account(id: "x") { name } ' * 99 + "}",
    "the same field, nested": "{ " + ("viewer { " + "accounts { totalCount } " * 12 + "} ") * 11 + "}",
    "the same field in an unused fragment": "{ __typename } fragment F on Query { " + "__typename " * 980 + "}",
    "aliases": "{ " + " ".join(f"a{n}: roles {{ role }}" for n in range(250)) + " }",
    "conflicts": "{ " + " ".join(f"a: account(number: {n}) {{ name }}" for n in range(90)) + " }",
    "inline fragments": "{" + "... {" * 190 + "__typename" + "}" * 190 + "}",
    "inline fragments in fragments": "{ ...F0 } fragment F3 on Query { __typename } "
    + " ".join(f"fragment F{n} on Query {{ {'... {' * 90} ...F{n + 1} {'}' * 90} }}" for n in range(3)),
    "nesting": "{ account(number: 1) {" + "viewerGrant { account {" * 90 + "name" + "} }" * 90 + "} }",
    "directives": "{ roles " + "@include(if: true) " * 150 + "{ role } }",
    "unknown fields": "{ " + " ".join(f"unknown{n}" for n in range(290)) + " }",
    "unknown arguments": "{ account(" + " ".join(f"a{n}: 1" for n in range(300)) + ") { id } }",
    "20,000 tokens": "{ " + "a " * 20_000 + "}",
    "10,000 comments": "#\n" * 10_000 + "{ __typename }",
    "a comment of 60 kB": "#" + "x" * 60_000 + "\n{ __typename }",
    "a name of 60 kB": "{ " + "a" * 60_000 + " }",
    "a text of 60 kB": '{ node(id: "' + "x" * 60_000 + '") { id } }',
    "a text of lines": '{ node(id: """' + " x\n" * 15_000 + '""") { id } }',
    "an integer of 6,000 digits": "{ account(number: " + "9" * 6000 + ") { id } }",
    "a deep literal": "{ nodes(ids: " + "[" * 180 + "]" * 180 + ") { id } }",
    "a wide literal": "{ nodes(ids: [" + "1 " * 900 + "]) { id } }",
    "5,000 variables": "query (" + " ".join(f"$v{n}: Int" for n in range(5000)) + ") { __typename }",
    "unused variables": "query (" + " ".join(f"$v{n}: Int" for n in range(100)) + ") { __typename }",
    "100 x 100": "{ accounts(first: 100) { nodes { grants(first: 100) { nodes { id user { name } } } } } }",
    "as many objects as allowed": "{ accounts(first: 100) { nodes { grants(first: 98) { nodes { id role } } } } }",
    "as many objects and aliases as allowed": "{ accounts(first: 100) { nodes { grants(first: 98) { nodes { "
    + " ".join(f"a{n}: id" for n in range(30))
    + " } } } } }",
    "aliases of the longest lists": "{ "
    + " ".join(
        f"a{n}: accounts(first: 100) {{ totalCount nodes {{ name links {{ totalCount }} }} }}" for n in range(30)
    )
    + " }",
    "counts of many lists": "{ accounts(first: 100) { nodes { "
    + " ".join(f"a{n}: events(first: 1) {{ totalCount }}" for n in range(20))
    + " } } }",
    "as many counts as allowed": "{ accounts(first: 3) { nodes { "
    + " ".join(f'a{n}: events(first: 1, filter: {{type: "none"}}) {{ totalCount }}' for n in range(16))
    + " } } }",
    "introspection": get_introspection_query(),
    "thirty introspections": "{ " + " ".join(f"a{n}: __schema {{ types {{ name }} }}" for n in range(30)) + " }",
    "introspection, nested": "{ __schema { types " + "{ fields { type " * 6 + "{ name }" + "} }" * 6 + " } }",
    "introspection, as deep as allowed": "{ __schema { types { fields { args { name type { fields { name args { name "
    "type { ofType { name } } } } } } type { fields { name type { name } } } } } } }",
}
"""Documents, by the name of their shape."""

BODIES = {
    "a megabyte": b'{"query":"{ ' + b"a" * 1_000_000 + b' }"}',
    "arrays within arrays": b"[" * 30_000 + b"]" * 30_000,
    "objects within objects": b'{"variables":' * 4_000 + b"1" + b"}" * 4_000,
    "a batch of 1,000": b"[" + b",".join([b'{"query":"{ __typename }"}'] * 1000) + b"]",
    "5,000 variables sent": msgspec.json.encode(
        {"query": "{ __typename }", "variables": {f"v{n}": n for n in range(5000)}}
    ),
    "a variable of lists": b'{"query":"query ($v: [ID!]!) { nodes(ids: $v) { id } }","variables":{"v":'
    + b"[" * 900
    + b"]" * 900
    + b"}}",
    "a variable of 30,000 entries": msgspec.json.encode({"query": "{ __typename }", "variables": {"v": [0] * 30_000}}),
    "a variable of many objects": msgspec.json.encode(
        {"query": "{ __typename }", "variables": {"v": [[{"a": [{}] * 90}] * 15] * 12}}
    ),
    "a variable of 6,000 digits": b'{"query":"{ __typename }","variables":{"v":' + b"9" * 6000 + b"}}",
}
"""Request bodies, by the name of their shape."""


def costly_bodies() -> dict[str, bytes]:
    """Return all request bodies: `BODIES` and an encoded request for each of `DOCUMENTS`."""
    return BODIES | {name: msgspec.json.encode({"query": query}) for name, query in DOCUMENTS.items()}


def measure(database_url: str, pace: Pace) -> Section:
    """Measure each request several times, while another client sends cheap requests."""
    request_times: dict[str, list[float]] = {}
    other_client_times: dict[str, float] = {}
    with serve(database_url) as server:
        for _ in range(20):
            server.post_for_status(seed.token(3), SMALL_REQUEST)
        memory_before = server.read_memory()
        for name, body in costly_bodies().items():
            with other_client(server) as client_times:
                request_times[name] = [_measure_milliseconds(server, body) for _ in range(pace.rounds)]
            other_client_times[name] = max(client_times)
        memory_after = server.read_memory()
    rows = [
        row
        for name, times in request_times.items()
        for row in (
            _row(f"{name}: slowest response", max(times), MAX_RESPONSE_MS),
            _row(f"{name}: other client waits", other_client_times[name], MAX_OTHER_CLIENT_MS),
        )
    ]
    worst = [worst_inputs.search(reader) for reader in worst_inputs.readers()]
    rows += [
        _row(f"{slowest.name}: worst text", slowest.milliseconds, worst_inputs.MAX_MS)
        for slowest in sorted(worst, key=lambda slowest: -slowest.milliseconds)[:SHOWN_FUNCTIONS]
    ]
    if memory_before:
        rows.append(
            _row("memory growth by all requests", memory_after["peak"] - memory_before["rss"], MAX_GROWTH_MIB, "MiB")
        )
    return Section(
        "limits",
        rows,
        {
            "milliseconds": request_times,
            "others": other_client_times,
            "memory": [memory_before, memory_after],
            "texts": {slowest.name: [slowest.milliseconds, ascii(slowest.text[:40])] for slowest in worst},
        },
    )


@contextmanager
def other_client(server: Server) -> Generator[list[float]]:
    """Send cheap requests repeatedly from a thread. Yields the response times in milliseconds."""
    times: list[float] = []
    stop = threading.Event()

    def send_requests() -> None:
        while not times or not stop.is_set():
            start = time.perf_counter()
            server.post_for_status(seed.token(3), SMALL_REQUEST)
            times.append((time.perf_counter() - start) * 1000)

    client = threading.Thread(target=send_requests)
    client.start()
    try:
        yield times
    finally:
        stop.set()
        client.join()


def _row(name: str, value: float, maximum: float, unit: str = "ms") -> Row:
    return Row(name, value, maximum, unit, value / maximum, Goal(1, at_most=True))


def _measure_milliseconds(server: Server, body: bytes) -> float:
    start = time.perf_counter()
    server.post_for_status(seed.token(2), body)
    return (time.perf_counter() - start) * 1000
