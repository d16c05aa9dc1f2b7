"""Fuzzed requests cause no internal error. FULLMAKT_DAMAGED is their number, 250 by default."""

import os
from collections import Counter
from collections.abc import AsyncIterator

import httpx2
import orjson
import pytest

import app
from settings import Settings
from tests.api import KEY, PASSWORD, PUBLIC_URL, Api, Clock, run_application
from tests.server import fuzzing
from tests.server.conftest import PRODUCTION_URL

REQUESTS = int(os.environ.get("FULLMAKT_DAMAGED", "250"))
FIRST_SEED = int(os.environ.get("FULLMAKT_DAMAGED_FIRST", "0"))
SIGN_IN = "mutation ($input: SignInInput!) { signIn(input: $input) { accessToken } }"
ALLOWED_STATUSES = {200, 294, 400, 401, 403, 404, 406, 413, 429}


@pytest.fixture
async def http(database_url: str) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of an application with some data and without a budget. Internal exceptions reach the test."""
    development_settings = Settings(env="development", database_url=database_url, secret_key=KEY, public_url=PUBLIC_URL)
    # This application stops before the other starts. Otherwise the other would wait ten seconds for its connections.
    async with run_application(app.create(development_settings)) as http:
        api = Api(http, Clock())
        anna = await api.person("anna@example.com", accountName="Nowak AS")
        _ = await api.guest(anna, "guest@example.com", "ACCOUNTANT")
    settings = Settings(database_url=database_url, secret_key=KEY, public_url=PRODUCTION_URL, budget=0)
    application = app.create(settings)
    async with run_application(application, PRODUCTION_URL) as http:
        yield http


async def test_fuzzed_requests_cause_no_internal_error(http: httpx2.AsyncClient) -> None:
    statuses: Counter[int] = Counter()
    codes: Counter[str] = Counter()
    node_ids: list[str] = []
    headers = {"Content-Type": "application/json"}
    for number in range(FIRST_SEED, FIRST_SEED + REQUESTS):
        if (number - FIRST_SEED) % 250 == 0:
            headers["Authorization"], node_ids = await sign_in(http)
        body = fuzzing.request(number, node_ids)

        response = await http.post("/graphql", content=body, headers=headers)

        message = f"number {number}: {body[:2000]!r} gave {response.text[:500]}"
        assert response.status_code in ALLOWED_STATUSES, message
        answer = orjson.loads(response.content)
        assert "data" in answer or answer["errors"], message
        for error in answer.get("errors", []):
            assert error["extensions"]["code"] not in {"INTERNAL_SERVER_ERROR", "SERVICE_UNAVAILABLE"}, message
            assert len(error["message"]) <= 300, message
            codes[error["extensions"]["code"]] += 1
        statuses[response.status_code] += 1

    # Both outcomes are frequent, so that the requests cover parsing as well as execution.
    assert min(statuses[200] + statuses[294], statuses[400]) > REQUESTS / 10, statuses
    assert {"BAD_USER_INPUT", "GRAPHQL_PARSE_FAILED", "GRAPHQL_VALIDATION_FAILED"} <= codes.keys()


async def sign_in(http: httpx2.AsyncClient) -> tuple[str, list[str]]:
    """The Authorization header of a new session, and the ids of objects that its user can see."""
    variables = {"input": {"email": "anna@example.com", "password": PASSWORD}}
    answer = (await http.post("/graphql", json={"query": SIGN_IN, "variables": variables})).json()
    header = f"Bearer {answer['data']['signIn']['accessToken']}"
    query = "{ viewer { user { id } accounts { nodes { id grants { nodes { id user { id } } } } } } }"
    response = (await http.post("/graphql", json={"query": query}, headers={"Authorization": header})).json()
    viewer = response["data"]["viewer"]
    node_ids = [viewer["user"]["id"]]
    for account in viewer["accounts"]["nodes"]:
        node_ids += [account["id"]]
        for grant in account["grants"]["nodes"] if account["grants"] else []:
            node_ids += [grant["id"], grant["user"]["id"]]
    return header, node_ids
