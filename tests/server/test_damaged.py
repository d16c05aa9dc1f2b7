"""No damaged body and no generated document is a failure of ours. FULLMAKT_DAMAGED=10000 sends so many."""

import os
from collections import Counter
from collections.abc import AsyncIterator

import httpx2
import orjson
import pytest

import app
from settings import Settings
from tests.api import KEY, PASSWORD, PUBLIC_URL, Api, Clock, running
from tests.server import damage
from tests.server.conftest import PRODUCTION_URL

REQUESTS = int(os.environ.get("FULLMAKT_DAMAGED", "250"))
FIRST = int(os.environ.get("FULLMAKT_DAMAGED_FIRST", "0"))
SIGN_IN = "mutation ($input: SignInInput!) { signIn(input: $input) { accessToken } }"
EXPECTED = {200, 294, 400, 401, 403, 404, 406, 413, 429}


@pytest.fixture
async def served(database_url: str) -> AsyncIterator[httpx2.AsyncClient]:
    """The application without a budget, in which there is something to be found. Its own exceptions come through."""
    beforehand = Settings(env="development", database_url=database_url, secret_key=KEY, public_url=PUBLIC_URL)
    # Ended before the other begins: that would wait ten seconds for the connections of the mail that is under way.
    async with running(app.create(beforehand)) as http:
        api = Api(http, Clock())
        anna = await api.person("anna@example.com", accountName="Nowak AS")
        _ = await api.guest(anna, "guest@example.com", "ACCOUNTANT")
    settings = Settings(database_url=database_url, secret_key=KEY, public_url=PRODUCTION_URL, budget=0)
    application = app.create(settings)
    async with running(application, PRODUCTION_URL) as http:
        yield http


async def test_no_damaged_request_is_a_failure_of_ours(served: httpx2.AsyncClient) -> None:
    statuses: Counter[int] = Counter()
    codes: Counter[str] = Counter()
    known: list[str] = []
    headers = {"Content-Type": "application/json"}
    for number in range(FIRST, FIRST + REQUESTS):
        if (number - FIRST) % 250 == 0:
            headers["Authorization"], known = await signed_in(served)
        body = damage.request(number, known)

        response = await served.post("/graphql", content=body, headers=headers)

        which = f"number {number}: {body[:2000]!r} gave {response.text[:500]}"
        assert response.status_code in EXPECTED, which
        answer = orjson.loads(response.content)
        assert "data" in answer or answer["errors"], which
        for error in answer.get("errors", []):
            assert error["extensions"]["code"] not in {"INTERNAL_SERVER_ERROR", "SERVICE_UNAVAILABLE"}, which
            assert len(error["message"]) <= 300, which
            codes[error["extensions"]["code"]] += 1
        statuses[response.status_code] += 1

    # All kinds of them: neither is everything refused at the door, nor does everything pass.
    assert min(statuses[200] + statuses[294], statuses[400]) > REQUESTS / 10, statuses
    assert {"BAD_USER_INPUT", "GRAPHQL_PARSE_FAILED", "GRAPHQL_VALIDATION_FAILED"} <= codes.keys()


async def signed_in(http: httpx2.AsyncClient) -> tuple[str, list[str]]:
    """A new session's header, and the ids of what its user can see."""
    given = {"input": {"email": "anna@example.com", "password": PASSWORD}}
    answer = (await http.post("/graphql", json={"query": SIGN_IN, "variables": given})).json()
    header = f"Bearer {answer['data']['signIn']['accessToken']}"
    seen = "{ viewer { user { id } accounts { nodes { id grants { nodes { id user { id } } } } } } }"
    shown = (await http.post("/graphql", json={"query": seen}, headers={"Authorization": header})).json()
    viewer = shown["data"]["viewer"]
    found = [viewer["user"]["id"]]
    for account in viewer["accounts"]["nodes"]:
        found += [account["id"]]
        for grant in account["grants"]["nodes"] if account["grants"] else []:
            found += [grant["id"], grant["user"]["id"]]
    return header, found
