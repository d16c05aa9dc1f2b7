"""The server that the clients speak to: a process of `fullmakt serve`, in production, with the demo data."""

import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

import demo
from settings import Settings
from tests.api import KEY, Api
from tests.clients.wire import Wire, taking_orders, wire
from tests.conftest import administer, at
from tests.serving import ServerProcess, run_process
from web import packages

HERE = Path(__file__).resolve().parent
FIRM = "Nowak Meble"


@dataclass(frozen=True)
class Site:
    """Where the server is, and who is signed in there."""

    url: str
    wire: Wire
    anna: str
    """The owner's token."""
    marek: str
    """The accountant's token."""
    firm: str
    """The id of the account that both share."""

    @property
    def environment(self) -> dict[str, str]:
        """What a script is told."""
        people = {"anna": self.anna, "marek": self.marek}
        told = {"url": self.url, "people": people, "firm": self.firm, "orders": self.wire.orders}
        return {"SITE": json.dumps(told | {"owner": [demo.OWNER, demo.PASSWORD]})}


@pytest.fixture(scope="session")
def node() -> Path:
    """The node that runs the clients, whose packages `make test-clients` has installed."""
    if not (HERE / "node_modules" / ".complete").exists():
        pytest.fail("The clients are not installed: run make test-clients.", pytrace=False)
    return packages.find_node(HERE)


@pytest.fixture(scope="session")
async def site(postgres: str, template: str) -> AsyncIterator[Site]:
    """The server with the demo data, behind a wire; `restart` starts another in its place."""
    name = "clients"
    await administer(postgres, f"CREATE DATABASE {name} TEMPLATE {template}")
    database_url = at(postgres, name)
    await demo.write(Settings(database_url=database_url, secret_key=KEY))

    async with AsyncExitStack() as left, wire() as line:
        running: list[ServerProcess] = []

        async def restart() -> None:
            line.upstream = None
            await line.cut()
            if running:
                _ = await running.pop().stop()
            served = await left.enter_async_context(run_process(database_url, FULLMAKT_PUBLIC_URL=url))
            line.upstream = served.port
            running.append(served)

        url = f"http://127.0.0.1:{line.port}"
        await restart()
        api = running[0].api
        async with taking_orders(line, {"cut": line.cut, "restart": restart}):
            anna, marek = await signed_in(api, demo.OWNER), await signed_in(api, demo.ACCOUNTANT)
            answer = await api.ask("{ viewer { accounts { nodes { id name } } } }", by=anna)
            (firm,) = [a["id"] for a in answer.data["viewer"]["accounts"]["nodes"] if a["name"] == FIRM]
            yield Site(url, line, anna, marek, firm)


async def signed_in(api: Api, email: str) -> str:
    """The token of somebody out of the demo data."""
    done = await api.do("signIn", {"email": email, "password": demo.PASSWORD}, "accessToken")
    token: str = done["accessToken"]
    return token
