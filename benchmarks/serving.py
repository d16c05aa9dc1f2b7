"""Queries over HTTP: our two executors, a large table against a small one, a large page against a small one.

Speed is told by what a server on one core answers to 16 connections. How the time grows is told by a single
connection, for there the database's share counts in full.
"""

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any, Final, TypedDict, cast

import msgspec

from benchmarks import common, seed
from benchmarks.load import Load, drive
from benchmarks.measure import Goal, Pace, Section, interleave, rates, slower
from benchmarks.seed import Amounts
from benchmarks.server import NoAnswer, Server, serve
from resolvers import ids

PAGES: Final = (100, 10)
PAGE: Final = """query($id: ID!, $first: Int!) { node(id: $id) { ... on Account {
  grants(first: $first) { nodes { id role user { id name email } } } } } }"""


class Question(TypedDict):
    """A query of the peer file."""

    token: str
    bodies: list[str]


def questions() -> dict[str, Question]:
    """Q1 to Q4 as they are sent."""
    peer = cast("dict[str, Any]", seed.peer(""))
    tokens = peer["tokens"]
    return {
        name: {"token": tokens["bureau" if name == "Q3" else "owner"], "bodies": bodies(**asked)}
        for name, asked in peer["queries"].items()
    }


def bodies(query: str, variables: object = None) -> list[str]:
    """The bodies of one query: one for each set of variables."""
    each = variables if isinstance(variables, list) else [variables]
    return [_json({"query": query, **({"variables": one} if one else {})}) for one in each]


def run(server: Server, question: Question, seconds: float, connections: int) -> dict[str, float]:
    """Load on a server, as figures for the record."""
    before = server.cpu_seconds()
    figures = drive(Load(url=server.url, connections=connections, seconds=seconds, **question))
    spent = server.cpu_seconds() - before
    return msgspec.structs.asdict(figures) | {"cpu_milliseconds": spent * 1000 / max(figures.requests, 1)}


# ---- Compiled and reference ------------------------------------------------------------------


def executors(database_url: str, pace: Pace) -> Section:
    """Q1 to Q4 through the compiled executor and through the reference."""
    raw: dict[str, object] = {}
    rows = []
    with ExitStack() as stack:
        servers = {name: stack.enter_context(serve(database_url, executor=name)) for name in ("compiled", "reference")}
        for name, question in questions().items():
            for server in servers.values():
                check(server, name, question)
                run(server, question, pace.warm_seconds, pace.connections)
            found = interleave(_loads(servers, question, pace, pace.connections), pace.rounds)
            raw[name] = found
            ours, other = ([figures["rate"] for figures in found[key]] for key in ("compiled", "reference"))
            rows.append(rates(f"{name} over HTTP: graphql-core (FULLMAKT_EXECUTOR=reference)", ours, other))
    return Section("executors", rows, raw)


def check(server: Server, name: str, question: Question) -> None:
    """Insist on the right answer before anything is measured. Raises NoAnswer."""
    answer = cast("dict[str, Any]", server.ask(question["token"], question["bodies"][0].encode()))
    data, refused = answer["data"], [error["extensions"]["code"] for error in answer.get("errors", [])]
    right: dict[str, Callable[[], bool]] = {
        "Q1": lambda: data["viewer"]["user"]["name"] == "User 2",
        "Q2": lambda: _grants(data) == seed.OWNED * 10 and not refused,
        "Q3": lambda: _grants(data) == seed.OWNED * 10 and refused == ["FORBIDDEN"] * seed.OWNED,
        "Q4": lambda: data["updateGrant"]["grant"] is not None and not data["updateGrant"]["errors"],
    }
    if not right[name]():
        raise NoAnswer(f"{name} is answered wrongly: {str(answer)[:500]}")


def _grants(data: Any) -> int:
    return sum(len(account["grants"]["nodes"]) for account in data["viewer"]["accounts"]["nodes"])


# ---- How the time grows ----------------------------------------------------------------------


def growth(many_url: str, few_url: str, pace: Pace, *, amounts: tuple[Amounts, Amounts]) -> Section:
    """Q2 with many grants in the table and with few."""
    many, few = (f"{one.grants:,}" for one in amounts)
    question = questions()["Q2"]
    with serve(many_url) as server, serve(few_url) as other:
        servers = {"many": server, "few": other}
        for each in servers.values():
            check(each, "Q2", question)
            run(each, question, pace.warm_seconds, 1)
        found = interleave(_loads(servers, question, pace, 1), pace.rounds)
    times = {name: [figures["p50"] for figures in found[name]] for name in servers}
    name = f"Q2 with {many} grants in the table: with {few}"
    return Section("growth", [slower(name, times["many"], times["few"], "ms", Goal(1.2, at_most=True))], dict(found))


def pages(database_url: str, pace: Pace, *, users: int = common.STANDARD.users) -> Section:
    """A page of 100 grants with their users and a page of 10, per grant."""
    account = ids.encode("Account", seed.account_id(seed.LARGE))
    token = seed.token(seed.owner(seed.LARGE, users))
    asked: dict[int, Question] = {
        first: {"token": token, "bodies": bodies(PAGE, {"id": account, "first": first})} for first in PAGES
    }
    with serve(database_url) as server:
        for first, question in asked.items():
            answer = cast("dict[str, Any]", server.ask(token, question["bodies"][0].encode()))
            if len(answer["data"]["node"]["grants"]["nodes"]) != first:
                raise NoAnswer(f"A page of {first} is answered wrongly: {str(answer)[:500]}")
            run(server, question, pace.warm_seconds, 1)
        loads = {str(first): _load(server, question, pace, 1) for first, question in asked.items()}
        found = interleave(loads, pace.rounds)
    large, small = ([figures["p50"] * 1000 / first for figures in found[str(first)]] for first in PAGES)
    goal = Goal(1, at_most=True)
    return Section(
        "pages", [slower("An object of a page of 100: of a page of 10", large, small, "us", goal)], dict(found)
    )


def _loads(
    servers: dict[str, Server], question: Question, pace: Pace, connections: int
) -> dict[str, Callable[[], dict[str, float]]]:
    return {name: _load(server, question, pace, connections) for name, server in servers.items()}


def _load(server: Server, question: Question, pace: Pace, connections: int) -> Callable[[], dict[str, float]]:
    return lambda: run(server, question, pace.seconds, connections)


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()
