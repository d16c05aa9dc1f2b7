"""Documents that a request names: registered by the operator, or kept for the clients that sent them."""

from typing import Any

import pytest

from database import db
from models import persisted_operation
from server.document_cache import PersistedDocument
from server.errors import Rejected
from server.persisted_operations import FRESH_SECONDS, LONGEST, LRUCache, PersistedOperations, Trust
from server.request import GraphQLRequest
from tests.api import Api
from tests.server.naming import MINE, OPERATOR, ROLES, SIGN_IN, apollo, digest, keeper, post, refusal, register

# ---- Registered ------------------------------------------------------------------------------


async def test_a_registered_document_is_named_as_its_client_does(api: Api) -> None:
    await register(ROLES)

    for named in (digest(ROLES), f"sha256:{digest(ROLES)}"):
        of_apollo = {"extensions": {"persistedQuery": {"version": 1, "sha256Hash": named}}}
        for body in ({"documentId": named}, {"id": named}, {"doc_id": named, "query": ""}, of_apollo):
            status, answer = await post(api, body)

            assert (status, len(answer["data"]["roles"])) == (200, 6), body
        got = await api.http.get("/graphql", params={"documentId": named})
        assert got.json() == answer


async def test_a_registered_document_has_the_id_that_its_compiler_gave_it(api: Api) -> None:
    await register(ROLES, alias="0f8bf8b1c4f4c8a2b0e0c6a3c0d6f7a1")

    status, answer = await post(api, {"doc_id": "0f8bf8b1c4f4c8a2b0e0c6a3c0d6f7a1", "query": None, "variables": {}})

    assert (status, len(answer["data"]["roles"])) == (200, 6)


async def test_a_named_document_takes_variables_and_an_operation(api: Api) -> None:
    text = "query A($n: Int) { account(number: $n) { name } } query B { roles { role } }"
    await register(text)

    one = await post(api, {"id": digest(text), "operationName": "B"})
    unclear = await post(api, {"id": digest(text), "variables": {"n": 1}})

    assert (one[0], len(one[1]["data"]["roles"])) == (200, 6)
    assert (unclear[0], refusal(unclear[1])[0]) == (400, "BAD_USER_INPUT")


async def test_a_named_mutation_is_for_post(api: Api) -> None:
    await register(SIGN_IN)

    response = await api.http.get("/graphql", params={"documentId": digest(SIGN_IN)})

    assert (response.status_code, response.headers["allow"]) == (405, "POST")


async def test_a_name_is_a_string(api: Api) -> None:
    names: tuple[object, ...] = ("", "a" * 301, 1, [], {}, True)
    for name in names:
        for body in ({"documentId": name}, {"extensions": {"persistedQuery": {"version": 1, "sha256Hash": name}}}):
            status, answer = await post(api, body)

            assert (status, refusal(answer)[0]) == (400, "BAD_USER_INPUT"), body


async def test_an_unknown_name_is_not_found(api: Api) -> None:
    await register(ROLES)
    expected = ("PERSISTED_QUERY_NOT_IN_LIST", "No registered document has this id.")

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

        assert (status, refusal(answer)) == (404, expected), name
        assert (legacy.status_code, refusal(legacy.json())) == (200, expected)


async def test_a_text_counts_before_a_name(api: Api) -> None:
    status, answer = await post(api, {"query": ROLES, "id": "something of a client's own"})

    assert (status, len(answer["data"]["roles"])) == (200, 6)


async def test_what_was_removed_is_gone_within_seconds(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr("server.persisted_operations.time.monotonic", lambda: now)
    await register(ROLES)
    found = await post(api, {"id": digest(ROLES)})

    assert await persisted_operation.remove(OPERATOR, [digest(ROLES)], client=None) == 1

    kept = await post(api, {"id": digest(ROLES)})
    now += FRESH_SECONDS
    gone = await post(api, {"id": digest(ROLES)})
    assert [found[0], kept[0], gone[0]] == [200, 200, 404]
    assert FRESH_SECONDS <= 10


async def test_a_known_document_is_read_once_in_a_while(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    await register(ROLES)
    asked: list[str] = []
    fetch = db.fetch

    async def counted(sql: str, *args: object, row: Any) -> Any:
        asked.append(sql)
        return await fetch(sql, *args, row=row)

    monkeypatch.setattr(db, "fetch", counted)
    for _ in range(5):
        assert (await post(api, {"id": digest(ROLES)}))[0] == 200

    assert len(asked) == 1


# ---- Automatic -------------------------------------------------------------------------------


async def test_a_client_sends_a_text_once(api: Api) -> None:
    missed = await post(api, apollo(ROLES))
    sent = await post(api, {"query": ROLES, **apollo(ROLES, miss=True)})
    named = await post(api, apollo(ROLES))
    got = await api.http.get(
        "/graphql", params={"extensions": f'{{"persistedQuery":{{"version":1,"sha256Hash":"{digest(ROLES)}"}}}}'}
    )

    assert (missed[0], refusal(missed[1])) == (404, ("PERSISTED_QUERY_NOT_FOUND", "PersistedQueryNotFound"))
    assert (sent[0], named[0], got.status_code) == (200, 200, 200)
    assert sent[1] == named[1] == got.json()


async def test_a_miss_is_200_for_clients_that_know_nothing_else(api: Api) -> None:
    response = await api.http.post("/graphql", json=apollo(ROLES), headers={"Accept": "application/json"})

    assert (response.status_code, refusal(response.json())[1]) == (200, "PersistedQueryNotFound")
    assert response.headers["cache-control"] == "no-store"


async def test_a_digest_of_another_text_is_refused_and_not_kept(api: Api) -> None:
    status, answer = await post(api, {"query": ROLES, **apollo(MINE)})

    assert (status, refusal(answer)) == (400, ("BAD_USER_INPUT", "The sha256Hash is not that of the query."))
    for text in (ROLES, MINE):
        assert (await post(api, apollo(text)))[0] == 404


async def test_what_is_refused_is_not_kept(api: Api) -> None:
    for text in ("{", "{ nothing }", "{ " + "__typename " * 501 + "}"):
        assert (await post(api, {"query": text, **apollo(text)}))[0] == 400
        assert (await post(api, apollo(text)))[0] == 404


async def test_a_protocol_of_another_form_is_refused(api: Api) -> None:
    others: tuple[object, ...] = (1, "x", [], {}, {"version": 2, "sha256Hash": "a" * 64}, {"version": 1})
    for extension in others:
        status, answer = await post(api, {"query": ROLES, "extensions": {"persistedQuery": extension}})

        assert (status, refusal(answer)[0]) == (400, "BAD_USER_INPUT"), extension


async def test_a_text_that_is_long_is_answered_and_not_kept(api: Api) -> None:
    text = f"{ROLES} #{'x' * LONGEST}"

    assert (await post(api, {"query": text, **apollo(text)}))[0] == 200
    assert (await post(api, apollo(text)))[0] == 404


def test_what_is_kept_is_bounded_by_its_bytes() -> None:
    shelf = LRUCache(most_bytes=10_000)

    for number in range(100):
        shelf.put(str(number), PersistedDocument("x" * 1000, is_registered=False))
        _ = shelf.get("0")
        assert shelf.bytes <= 10_000

    assert len(shelf) == 6
    assert shelf.get("0") is not None, "what was asked for last stays"
    shelf.put("0", PersistedDocument("ł" * 1000, is_registered=False))
    assert shelf.bytes == (len(shelf) - 1) * 1512 + 4512  # a letter may take four bytes
    shelf.drop("0")
    assert shelf.bytes == len(shelf) * 1512
    shelf.put("0", PersistedDocument("x" * 20_000, is_registered=False))
    assert (len(shelf), shelf.bytes) == (0, 0)


async def test_what_is_gone_takes_no_room() -> None:
    found = {digest(ROLES): ROLES}
    persisted = PersistedOperations(Trust.ANY, keeper(found))
    asked = GraphQLRequest("", None, None, name=digest(ROLES))
    assert (await persisted.named(asked, is_anonymous=True)).query == ROLES
    (kept,) = persisted.registered._kept.values()
    kept.fresh_until = 0

    found.clear()

    with pytest.raises(Rejected):
        await persisted.named(asked, is_anonymous=True)
    assert (len(persisted.registered), persisted.registered.bytes) == (0, 0)
