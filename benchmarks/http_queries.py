"""Queries over HTTP: both executors, a large table and a small one, a large page and a small one.

The executors are compared by requests per second of a server on one core, with 16 connections. Growth is measured with
one connection, because the time of the database is then fully visible.
"""

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any, Final, TypedDict, cast

import msgspec

from benchmarks import common, seed
from benchmarks.load import Load, run_load
from benchmarks.measurement import Goal, Pace, Section, compare_as_slowdown, compare_rates, interleave
from benchmarks.seed import Amounts
from benchmarks.server import Server, UnexpectedResponse, serve
from resolvers import ids

PAGE_SIZES: Final = (100, 10)
PAGE_QUERY: Final = """query($id: ID!, $first: Int!) { node(id: $id) { ... on Account {
  grants(first: $first) { nodes { id role user { id name email } } } } } }"""


class QueryRequests(TypedDict):
    """The requests of one query of the peer file."""

    token: str
    bodies: list[str]


def list_queries() -> dict[str, QueryRequests]:
    """Return the requests of Q1 to Q4."""
    peer = cast("dict[str, Any]", seed.peer_config(""))
    tokens = peer["tokens"]
    return {
        name: {"token": tokens["bureau" if name == "Q3" else "owner"], "bodies": encode_bodies(**query)}
        for name, query in peer["queries"].items()
    }


def encode_bodies(query: str, variables: object = None) -> list[str]:
    """Return the request bodies of a query: one for each set of variables."""
    variable_sets = variables if isinstance(variables, list) else [variables]
    return [
        _encode({"query": query, **({"variables": variable_set} if variable_set else {})})
        for variable_set in variable_sets
    ]


def measure_load(server: Server, requests: QueryRequests, seconds: float, connections: int) -> dict[str, float]:
    """Run load on a server. Return the figures, with the processor time per request."""
    cpu_seconds_before = server.read_cpu_seconds()
    figures = run_load(Load(url=server.url, connections=connections, seconds=seconds, **requests))
    cpu_seconds = server.read_cpu_seconds() - cpu_seconds_before
    return msgspec.structs.asdict(figures) | {"cpu_milliseconds": cpu_seconds * 1000 / max(figures.requests, 1)}


# ---- Executors -------------------------------------------------------------------------------


def compare_executors(database_url: str, pace: Pace) -> Section:
    """Compare Q1 to Q4 in the compiled executor and in graphql-core."""
    raw: dict[str, object] = {}
    rows = []
    with ExitStack() as stack:
        servers = {name: stack.enter_context(serve(database_url, executor=name)) for name in ("compiled", "reference")}
        for name, requests in list_queries().items():
            for server in servers.values():
                require_correct_response(server, name, requests)
                measure_load(server, requests, pace.warm_seconds, pace.connections)
            results = interleave(_load_functions(servers, requests, pace, pace.connections), pace.rounds)
            raw[name] = results
            compiled_rates, reference_rates = (
                [figures["rate"] for figures in results[key]] for key in ("compiled", "reference")
            )
            rows.append(
                compare_rates(
                    f"{name} over HTTP: graphql-core (FULLMAKT_EXECUTOR=reference)", compiled_rates, reference_rates
                )
            )
    return Section("executors", rows, raw)


def require_correct_response(server: Server, name: str, requests: QueryRequests) -> None:
    """Check the first response before a measurement. Raises UnexpectedResponse."""
    response = cast("dict[str, Any]", server.query(requests["token"], requests["bodies"][0].encode()))
    data, error_codes = response["data"], [error["extensions"]["code"] for error in response.get("errors", [])]
    is_correct: dict[str, Callable[[], bool]] = {
        "Q1": lambda: data["viewer"]["user"]["name"] == "User 2",
        "Q2": lambda: _count_grants(data) == seed.OWNER_ACCOUNTS * 10 and not error_codes,
        "Q3": lambda: (
            _count_grants(data) == seed.OWNER_ACCOUNTS * 10 and error_codes == ["FORBIDDEN"] * seed.OWNER_ACCOUNTS
        ),
        "Q4": lambda: data["updateGrant"]["grant"] is not None and not data["updateGrant"]["errors"],
    }
    if not is_correct[name]():
        raise UnexpectedResponse(f"{name} has a wrong response: {str(response)[:500]}")


def _count_grants(data: Any) -> int:
    return sum(len(account["grants"]["nodes"]) for account in data["viewer"]["accounts"]["nodes"])


# ---- Growth ----------------------------------------------------------------------------------


def measure_growth(large_url: str, small_url: str, pace: Pace, *, amounts: tuple[Amounts, Amounts]) -> Section:
    """Compare Q2 on a table with many grants and on one with few."""
    large_count, small_count = (f"{database_amounts.grants:,}" for database_amounts in amounts)
    requests = list_queries()["Q2"]
    with serve(large_url) as large_server, serve(small_url) as small_server:
        servers = {"many": large_server, "few": small_server}
        for server in servers.values():
            require_correct_response(server, "Q2", requests)
            measure_load(server, requests, pace.warm_seconds, 1)
        results = interleave(_load_functions(servers, requests, pace, 1), pace.rounds)
    times = {name: [figures["p50"] for figures in results[name]] for name in servers}
    name = f"Q2 with {large_count} grants in the table: with {small_count}"
    return Section(
        "growth", [compare_as_slowdown(name, times["many"], times["few"], "ms", Goal(1.2, at_most=True))], dict(results)
    )


def measure_pages(database_url: str, pace: Pace, *, users: int = common.STANDARD.users) -> Section:
    """Compare the time per grant of a page of 100 grants with their users and of a page of 10."""
    account = ids.encode("Account", seed.account_id(seed.LARGE_ACCOUNT))
    token = seed.token(seed.owner(seed.LARGE_ACCOUNT, users))
    requests_by_size: dict[int, QueryRequests] = {
        first: {"token": token, "bodies": encode_bodies(PAGE_QUERY, {"id": account, "first": first})}
        for first in PAGE_SIZES
    }
    with serve(database_url) as server:
        for first, requests in requests_by_size.items():
            response = cast("dict[str, Any]", server.query(token, requests["bodies"][0].encode()))
            if len(response["data"]["node"]["grants"]["nodes"]) != first:
                raise UnexpectedResponse(f"A page of {first} has a wrong response: {str(response)[:500]}")
            measure_load(server, requests, pace.warm_seconds, 1)
        loads = {str(first): _load_function(server, question, pace, 1) for first, question in requests_by_size.items()}
        results = interleave(loads, pace.rounds)
    large_page_times, small_page_times = (
        [figures["p50"] * 1000 / first for figures in results[str(first)]] for first in PAGE_SIZES
    )
    goal = Goal(1, at_most=True)
    return Section(
        "pages",
        [
            compare_as_slowdown(
                "An object of a page of 100: of a page of 10", large_page_times, small_page_times, "us", goal
            )
        ],
        dict(results),
    )


def _load_functions(
    servers: dict[str, Server], requests: QueryRequests, pace: Pace, connections: int
) -> dict[str, Callable[[], dict[str, float]]]:
    return {name: _load_function(server, requests, pace, connections) for name, server in servers.items()}


def _load_function(
    server: Server, requests: QueryRequests, pace: Pace, connections: int
) -> Callable[[], dict[str, float]]:
    return lambda: measure_load(server, requests, pace.seconds, connections)


def _encode(value: object) -> str:
    return msgspec.json.encode(value).decode()
