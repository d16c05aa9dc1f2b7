"""The server for the client tests: a process of `fullmakt serve` in production mode, with the demo data."""

import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import pytest

import demo
from settings import Settings
from tests.api import KEY, Api
from tests.clients.proxy import Proxy, accept_commands, run_proxy
from tests.conftest import database_address, execute_outside_transaction
from tests.serving import ServerProcess, run_process
from web import packages

CLIENTS_FOLDER = Path(__file__).resolve().parent
ACCOUNT_NAME = "Nowak Meble"
SERVER_NUMBERS = count(1)


@dataclass(frozen=True)
class ServerUnderTest:
    """The address of the server, and the tokens of two signed-in users."""

    url: str
    proxy: Proxy
    owner_token: str
    """The owner's token."""
    accountant_token: str
    """The accountant's token."""
    account_id: str
    """The id of the account that both users have access to."""

    @property
    def environment(self) -> dict[str, str]:
        """The environment variables of a script."""
        config = {
            "url": self.url,
            "commandPort": self.proxy.command_port,
            "tokens": {"ownerToken": self.owner_token, "accountantToken": self.accountant_token},
            "accountId": self.account_id,
            "owner": [demo.OWNER, demo.PASSWORD],
        }
        return {"TEST_SERVER": json.dumps(config)}


@pytest.fixture(scope="session")
def node() -> Path:
    """The path of Node.js. `make test-clients` has installed the packages of the clients."""
    if not (CLIENTS_FOLDER / "node_modules" / ".complete").exists():
        pytest.fail("The clients are not installed: run make test-clients.", pytrace=False)
    return packages.find_node(CLIENTS_FOLDER)


@pytest.fixture(scope="session")
async def server(postgres: str, template: str) -> AsyncIterator[ServerUnderTest]:
    """The server that the clients share: they change little, and each reads what it needs."""
    async with run_server(postgres, template, "clients") as server:
        yield server


@pytest.fixture
async def new_server(postgres: str, template: str) -> AsyncIterator[ServerUnderTest]:
    """A server for one script, with the demo data as they are at first, and with its own limits."""
    async with run_server(postgres, template, f"client_{next(SERVER_NUMBERS)}") as server:
        yield server


@asynccontextmanager
async def run_server(postgres: str, template: str, database: str) -> AsyncGenerator[ServerUnderTest]:
    """A server with the demo data, behind a proxy. The command `restart` replaces it by a new process."""
    await execute_outside_transaction(postgres, f"CREATE DATABASE {database} TEMPLATE {template}")
    database_url = database_address(postgres, database)
    await demo.write(Settings(database_url=database_url, secret_key=KEY))

    async with AsyncExitStack() as stack, run_proxy() as proxy:
        servers: list[ServerProcess] = []

        async def restart() -> None:
            proxy.server_port = None
            await proxy.cut()
            if servers:
                _ = await servers.pop().stop()
            # Passkeys belong to a name: no browser has any for an address of numbers.
            server = await stack.enter_async_context(
                run_process(database_url, FULLMAKT_PUBLIC_URL=url, FULLMAKT_ALLOWED_HOSTS="localhost")
            )
            proxy.server_port = server.port
            servers.append(server)

        url = f"http://127.0.0.1:{proxy.port}"
        await restart()
        api = servers[0].api
        async with accept_commands(proxy, {"cut": proxy.cut, "restart": restart}):
            owner_token, accountant_token = await sign_in(api, demo.OWNER), await sign_in(api, demo.ACCOUNTANT)
            response = await api.ask("{ viewer { accounts { nodes { id name } } } }", by=owner_token)
            accounts = response.data["viewer"]["accounts"]["nodes"]
            (account_id,) = [account["id"] for account in accounts if account["name"] == ACCOUNT_NAME]
            yield ServerUnderTest(url, proxy, owner_token, accountant_token, account_id)


async def sign_in(api: Api, email: str) -> str:
    """Sign in a user of the demo data. Return the token."""
    payload = await api.do("signIn", {"email": email, "password": demo.PASSWORD}, "accessToken")
    token: str = payload["accessToken"]
    return token
