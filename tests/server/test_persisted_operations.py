"""Persisted operations: registered by the operator, or cached automatically for clients."""

from typing import Any

import pytest

from database import db
from models import persisted_operation
from server.errors import RequestError
from server.persisted_operations import FRESH_SECONDS, MAX_AUTOMATIC_LENGTH, MAX_BYTES, PersistedOperations, Trust
from server.request import GraphQLRequest
from tests.api import Api
from tests.server.persisted_requests import (
    OPERATOR,
    OWN_EMAIL,
    ROLES,
    SIGN_IN,
    apollo,
    digest,
    lookup,
    post,
    register,
    sole_error,
)

# ---- Registered operations -------------------------------------------------------------------


async def test_registered_operation_is_found_under_every_id_key(api: Api) -> None:
    await register(ROLES)

    for operation_id in (digest(ROLES), f"sha256:{digest(ROLES)}"):
        apollo_body = {"extensions": {"persistedQuery": {"version": 1, "sha256Hash": operation_id}}}
        for body in (
            {"documentId": operation_id},
            {"id": operation_id},
            {"doc_id": operation_id, "query": ""},
            apollo_body,
        ):
            status, answer = await post(api, body)

            assert (status, len(answer["data"]["roles"])) == (200, 6), body
        get_response = await api.http.get("/graphql", params={"documentId": operation_id})
        assert get_response.json() == answer


async def test_registered_operation_is_found_by_its_alias(api: Api) -> None:
    await register(ROLES, alias="0f8bf8b1c4f4c8a2b0e0c6a3c0d6f7a1")

    status, answer = await post(api, {"doc_id": "0f8bf8b1c4f4c8a2b0e0c6a3c0d6f7a1", "query": None, "variables": {}})

    assert (status, len(answer["data"]["roles"])) == (200, 6)


async def test_persisted_operation_takes_variables_and_operation_name(api: Api) -> None:
    text = "query A($n: Int) { account(number: $n) { name } } query B { roles { role } }"
    await register(text)

    response = await post(api, {"id": digest(text), "operationName": "B"})
    ambiguous = await post(api, {"id": digest(text), "variables": {"n": 1}})

    assert (response[0], len(response[1]["data"]["roles"])) == (200, 6)
    assert (ambiguous[0], sole_error(ambiguous[1])[0]) == (400, "BAD_USER_INPUT")


async def test_persisted_mutation_by_get_is_rejected(api: Api) -> None:
    await register(SIGN_IN)

    response = await api.http.get("/graphql", params={"documentId": digest(SIGN_IN)})

    assert (response.status_code, response.headers["allow"]) == (405, "POST")


async def test_id_must_be_a_short_string(api: Api) -> None:
    names: tuple[object, ...] = ("", "a" * 301, 1, [], {}, True)
    for name in names:
        for body in ({"documentId": name}, {"extensions": {"persistedQuery": {"version": 1, "sha256Hash": name}}}):
            status, answer = await post(api, body)

            assert (status, sole_error(answer)[0]) == (400, "BAD_USER_INPUT"), body


async def test_unknown_id_is_not_found(api: Api) -> None:
    await register(ROLES)
    expected = ("PERSISTED_QUERY_NOT_IN_LIST", "No registered operation has this id.")

    for name in (
        "a" * 64,
        "sha256:" + "a" * 64,
        digest(ROLES).upper(),
        "unknown",
        "../etc/passwd",
        "ł",
        "\0",
        "' OR 1=1",
    ):
        status, answer = await post(api, {"documentId": name})
        legacy = await api.http.post("/graphql", json={"documentId": name}, headers={"Accept": "application/json"})

        assert (status, sole_error(answer)) == (404, expected), name
        assert (legacy.status_code, sole_error(legacy.json())) == (200, expected)


async def test_query_takes_precedence_over_an_id(api: Api) -> None:
    status, answer = await post(api, {"query": ROLES, "id": "something of a client's own"})

    assert (status, len(answer["data"]["roles"])) == (200, 6)


async def test_removed_operation_is_gone_within_seconds(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr("server.persisted_operations.time.monotonic", lambda: now)
    await register(ROLES)
    before = await post(api, {"id": digest(ROLES)})

    assert await persisted_operation.remove(OPERATOR, [digest(ROLES)], client=None) == 1

    within_seconds = await post(api, {"id": digest(ROLES)})
    now += FRESH_SECONDS
    after = await post(api, {"id": digest(ROLES)})
    assert [before[0], within_seconds[0], after[0]] == [200, 200, 404]
    assert FRESH_SECONDS <= 10


async def test_registered_operation_is_loaded_once_while_fresh(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    await register(ROLES)
    statements: list[str] = []
    fetch = db.fetch

    async def counting_fetch(sql: str, *args: object, row: Any) -> Any:
        statements.append(sql)
        return await fetch(sql, *args, row=row)

    monkeypatch.setattr(db, "fetch", counting_fetch)
    for _ in range(5):
        assert (await post(api, {"id": digest(ROLES)}))[0] == 200

    assert len(statements) == 1


# ---- Automatic persisted operations ----------------------------------------------------------


async def test_automatic_operation_is_sent_once(api: Api) -> None:
    miss = await post(api, apollo(ROLES))
    upload = await post(api, {"query": ROLES, **apollo(ROLES, miss=True)})
    hit = await post(api, apollo(ROLES))
    get_response = await api.http.get(
        "/graphql", params={"extensions": f'{{"persistedQuery":{{"version":1,"sha256Hash":"{digest(ROLES)}"}}}}'}
    )

    assert (miss[0], sole_error(miss[1])) == (404, ("PERSISTED_QUERY_NOT_FOUND", "PersistedQueryNotFound"))
    assert (upload[0], hit[0], get_response.status_code) == (200, 200, 200)
    assert upload[1] == hit[1] == get_response.json()


async def test_miss_is_200_for_application_json(api: Api) -> None:
    response = await api.http.post("/graphql", json=apollo(ROLES), headers={"Accept": "application/json"})

    assert (response.status_code, sole_error(response.json())[1]) == (200, "PersistedQueryNotFound")
    assert response.headers["cache-control"] == "no-store"


async def test_wrong_hash_is_rejected_and_not_cached(api: Api) -> None:
    status, answer = await post(api, {"query": ROLES, **apollo(OWN_EMAIL)})

    assert (status, sole_error(answer)) == (400, ("BAD_USER_INPUT", "The sha256Hash does not match the query."))
    for text in (ROLES, OWN_EMAIL):
        assert (await post(api, apollo(text)))[0] == 404


async def test_rejected_document_is_not_cached(api: Api) -> None:
    for text in ("{", "{ nothing }", "{ " + "__typename " * 501 + "}"):
        assert (await post(api, {"query": text, **apollo(text)}))[0] == 400
        assert (await post(api, apollo(text)))[0] == 404


async def test_unknown_form_of_the_apollo_protocol_is_rejected(api: Api) -> None:
    invalid_values: tuple[object, ...] = (1, "x", [], {}, {"version": 2, "sha256Hash": "a" * 64}, {"version": 1})
    for extension in invalid_values:
        status, answer = await post(api, {"query": ROLES, "extensions": {"persistedQuery": extension}})

        assert (status, sole_error(answer)[0]) == (400, "BAD_USER_INPUT"), extension


async def test_long_document_is_executed_but_not_cached(api: Api) -> None:
    text = f"{ROLES} #{'x' * MAX_AUTOMATIC_LENGTH}"

    assert (await post(api, {"query": text, **apollo(text)}))[0] == 200
    assert (await post(api, apollo(text)))[0] == 404


async def test_cache_is_bounded_by_bytes() -> None:
    operations = PersistedOperations(Trust.OPEN, lookup({}))

    text = ""
    for number in range(2000):
        text = f"{{ roles {{ role }} }} # {number} ł" + "x" * 1000
        await operations.admit(
            GraphQLRequest(text, None, None, persisted_id=digest(text), is_automatic=True), is_signed_in=False
        )

    cache = operations.automatic_cache
    # A character that is not ASCII makes the text count four bytes per character.
    assert cache.bytes == len(cache) * (4 * len(text) + 512) <= MAX_BYTES
    assert digest(text) in cache


async def test_removed_operation_is_dropped_from_the_cache() -> None:
    texts = {digest(ROLES): ROLES}
    operations = PersistedOperations(Trust.OPEN, lookup(texts))
    request = GraphQLRequest("", None, None, persisted_id=digest(ROLES))
    assert (await operations.resolve(request, is_anonymous=True)).query == ROLES
    (operation,) = operations.registered_cache.values()
    operation.fresh_until = 0

    texts.clear()

    with pytest.raises(RequestError):
        await operations.resolve(request, is_anonymous=True)
    assert (len(operations.registered_cache), operations.registered_cache.bytes) == (0, 0)
