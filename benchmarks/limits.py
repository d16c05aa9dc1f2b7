"""Documents that are small to send and would be costly to answer: each is over within a second.

Tests hold the same shapes to a bound of the processor's time that a busy machine does not break; here it is the time
on the clock, with nothing else at work.
"""

import time
from typing import Final

import msgspec

from benchmarks import seed
from benchmarks.measure import Goal, Pace, Section, slower
from benchmarks.server import Server, serve

BOUND_SECONDS: Final = 1


def dag(fragments: int) -> str:
    """Each fragment spreads the next one twice, below different fields: 2 to the power of its length."""
    twice = "a: viewerGrant {{ account {{ ...F{0} }} }} b: viewerGrant {{ account {{ ...F{0} }} }}"
    chain = [f"fragment F{n} on Account {{ {twice.format(n + 1)} }}" for n in range(fragments)]
    end = f"fragment F{fragments} on Account {{ name }}"
    return " ".join(["{ account(number: 1) { ...F0 } }", *chain, end])


COSTLY = {
    "fields that double in every fragment": dag(45),
    "a flat DAG": "{ ...F0 } fragment F48 on Query { roles { role } } "
    + " ".join(f"fragment F{n} on Query {{ ...F{n + 1} ...F{n + 1} }}" for n in range(48)),
    "a dense DAG": " ".join(
        ["{ ...F0 }"]
        + [
            f"fragment F{n} on Query {{ {' '.join(f'...F{m}' for m in range(n + 1, 40))} __typename }}"
            for n in range(40)
        ]
    ),
    "hundreds of fragments": " ".join(
        ["{ __typename " + " ".join(f"...F{n}" for n in range(150)) + " }"]
        + [f"fragment F{n} on Query {{ roles {{ role }} }}" for n in range(150)]
    ),
    "a chain": " ".join(
        [
            "{ ...F0 }",
            *(f"fragment F{n} on Query {{ ...F{n + 1} }}" for n in range(240)),
            "fragment F240 on Query { __typename }",
        ]
    ),
    "a cycle": "{ ...A } fragment A on Query { ...B ...B } fragment B on Query { ...A ...A }",
    "the same field": "{ " + "roles { role } " * 250 + "}",
    "aliases": "{ " + " ".join(f"a{n}: roles {{ role }}" for n in range(250)) + " }",
    "conflicts": "{ " + " ".join(f"a: account(number: {n}) {{ name }}" for n in range(180)) + " }",
    "inline fragments": "{" + "... {" * 190 + "__typename" + "}" * 190 + "}",
    "inline fragments in fragments": "{ ...F0 } fragment F3 on Query { __typename } "
    + " ".join(f"fragment F{n} on Query {{ {'... {' * 190} ...F{n + 1} {'}' * 190} }}" for n in range(3)),
    "nesting": "{ account(number: 1) {" + "viewerGrant { account {" * 90 + "name" + "} }" * 90 + "} }",
    "directives": "{ roles " + "@include(if: true) " * 300 + "{ role } }",
    "20,000 tokens": "{ " + "a " * 20_000 + "}",
}


def measure(database_url: str, pace: Pace) -> Section:
    """Each shape, asked some times one after the other."""
    bound, goal = [BOUND_SECONDS * 1000], Goal(1, at_most=True)
    with serve(database_url) as server:
        found = {name: [_milliseconds(server, query) for _ in range(pace.rounds)] for name, query in COSTLY.items()}
    rows = [slower(f"{name}: a second", [max(times)], bound, "ms", goal) for name, times in found.items()]
    return Section("limits", rows, {"milliseconds": found})


def _milliseconds(server: Server, query: str) -> float:
    body = msgspec.json.encode({"query": query})
    began = time.perf_counter()
    server.answered(seed.token(2), body)
    return (time.perf_counter() - began) * 1000
