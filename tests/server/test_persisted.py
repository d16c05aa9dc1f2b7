"""Documents that a request names: registered by the operator, or kept for the clients that sent them."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, Literal

import pytest

import app
from models import db, document
from models.caller import Caller, Site
from models.document import Document
from server.documents import Named
from server.errors import Rejected
from server.persisted import FRESH_SECONDS, LONGEST, Persisted, Shelf, Trust
from server.request import Asked
from settings import Settings
from tests import sockets
from tests.api import KEY, PASSWORD, Api, Clock, Person, counts, running
from tests.sockets import listening, socket

URL = "http://fullmakt.example.com"
ROLES = "query Roles { roles { role } }"
MINE = "{ viewer { user { email } } }"
SIGN_IN = "mutation ($input: SignInInput!) { signIn(input: $input) { accessToken errors { code } } }"
GRAPHQL_JSON = {"Accept": "application/graphql-response+json"}
OPERATOR = Caller(now=datetime(2026, 1, 1, tzinfo=UTC), site=Site(KEY))


def digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()


def apollo(text: str, **more: object) -> dict[str, Any]:
    """What Apollo's protocol adds to a request."""
    return {"extensions": {"persistedQuery": {"version": 1, "sha256Hash": digest(text), **more}}}


async def register(*texts: str, alias: str | None = None) -> None:
    await document.add(OPERATOR, "web", [Document(text, alias) for text in texts])


@asynccontextmanager
async def server(url: str, trust: Literal["any", "trusted-for-anonymous", "trusted"]) -> AsyncGenerator[Api]:
    """A client of an application that trusts so many documents."""
    clock = Clock()
    settings = Settings(env="development", database_url=url, secret_key=KEY, public_url=URL, documents=trust)
    application = app.create(settings, clock=clock)
    async with running(application, URL, headers=GRAPHQL_JSON) as http:
        yield Api(http, clock)


async def post(
    api: Api, body: object, *, by: Person | None = None, headers: Mapping[str, str] | None = None
) -> tuple[int, Any]:
    sent = {**GRAPHQL_JSON, **({"Authorization": f"Bearer {by.token}"} if by else {}), **(headers or {})}
    response = await api.http.post("/graphql", json=body, headers=sent)
    return response.status_code, response.json()


def refusal(body: dict[str, Any]) -> tuple[str, str]:
    """Code and message of an answer that is one error and nothing else."""
    assert body.keys() == {"errors"}
    (error,) = body["errors"]
    return error["extensions"]["code"], error["message"]


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
    monkeypatch.setattr("server.persisted.time.monotonic", lambda: now)
    await register(ROLES)
    found = await post(api, {"id": digest(ROLES)})

    assert await document.remove(OPERATOR, [digest(ROLES)], client=None) == 1

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
    shelf = Shelf(most_bytes=10_000)

    for number in range(100):
        shelf.put(str(number), Named("x" * 1000, is_registered=False))
        _ = shelf.get("0")
        assert shelf.bytes <= 10_000

    assert len(shelf) == 6
    assert shelf.get("0") is not None, "what was asked for last stays"
    shelf.put("0", Named("ł" * 1000, is_registered=False))
    assert shelf.bytes == (len(shelf) - 1) * 1512 + 4512  # a letter may take four bytes
    shelf.drop("0")
    assert shelf.bytes == len(shelf) * 1512
    shelf.put("0", Named("x" * 20_000, is_registered=False))
    assert (len(shelf), shelf.bytes) == (0, 0)


async def test_what_is_gone_takes_no_room() -> None:
    found = {digest(ROLES): ROLES}
    persisted = Persisted(Trust.ANY, keeper(found))
    asked = Asked("", None, None, name=digest(ROLES))
    assert (await persisted.named(asked, is_anonymous=True)).query == ROLES
    (kept,) = persisted.registered._kept.values()
    kept.fresh_until = 0

    found.clear()

    with pytest.raises(Rejected):
        await persisted.named(asked, is_anonymous=True)
    assert (len(persisted.registered), persisted.registered.bytes) == (0, 0)


def keeper(found: Mapping[str, str]) -> Callable[[str], Awaitable[str | None]]:
    """Where registered documents are."""

    async def find(key: str) -> str | None:
        return found.get(key)

    return find


# ---- Trusted documents -----------------------------------------------------------------------

NOT_TRUSTED = "QUERY_NOT_IN_SAFELIST"


async def test_whoever_is_not_signed_in_has_registered_documents_only(database_url: str) -> None:
    async with server(database_url, "any") as api:
        anna = await api.person("anna@example.com")
    async with server(database_url, "trusted-for-anonymous") as api:
        before = await counts()
        for headers in ({}, {"Authorization": "Bearer nobody's"}):
            refused = await post(api, {"query": ROLES}, headers=headers)
            assert (refused[0], refusal(refused[1])) == (
                403,
                (NOT_TRUSTED, "Only registered documents are answered to who is not signed in; this is none of them."),
            )
            assert (await post(api, {"query": "{ __schema { types { name } } }"}, headers=headers))[0] == 403
            given = {"input": {"name": "Bo", "email": "bo@example.com", "password": PASSWORD}}
            signing_up = "mutation ($input: RegisterInput!) { register(input: $input) { errors { code } } }"
            assert (await post(api, {"query": signing_up, "variables": given}, headers=headers))[0] == 403
        assert await counts() == before

        assert (await post(api, {"query": MINE}, by=anna))[1]["data"]["viewer"]["user"]["email"] == anna.email

        await register(SIGN_IN)
        given = {"input": {"email": anna.email, "password": PASSWORD}}
        for body in ({"query": SIGN_IN, "variables": given}, {"id": digest(SIGN_IN), "variables": given}):
            for headers in ({}, {"Authorization": "Bearer over"}):
                status, answer = await post(api, body, headers=headers)
                assert (status, answer["data"]["signIn"]["errors"]) == (200, [])


async def test_what_one_signed_in_has_sent_is_not_trusted_for_that(database_url: str) -> None:
    async with server(database_url, "any") as api:
        anna = await api.person("anna@example.com")
    async with server(database_url, "trusted-for-anonymous") as api:
        assert (await post(api, {"query": ROLES, **apollo(ROLES)}, by=anna))[0] == 200
        assert (await post(api, apollo(ROLES), by=anna))[0] == 200

        for headers, code in (({}, "PERSISTED_QUERY_NOT_IN_LIST"), ({"Authorization": "Bearer x"}, NOT_TRUSTED)):
            status, answer = await post(api, apollo(ROLES), headers=headers)
            assert (status, refusal(answer)[0]) == ({NOT_TRUSTED: 403}.get(code, 404), code)

        # Nor is it in the way of the same text, once somebody has looked at that.
        await register(ROLES)
        assert (await post(api, apollo(ROLES)))[0] == 200


async def test_nothing_is_kept_of_who_is_refused(database_url: str) -> None:
    async with server(database_url, "any") as api:
        anna = await api.person("anna@example.com")
    async with server(database_url, "trusted-for-anonymous") as api:
        for headers in ({}, {"Authorization": "Bearer nobody's"}):
            assert (await post(api, {"query": ROLES, **apollo(ROLES)}, headers=headers))[0] == 403

        assert (await post(api, apollo(ROLES), by=anna))[0] == 404


async def test_where_all_are_trusted_nobody_sends_others(database_url: str) -> None:
    async with server(database_url, "any") as api:
        anna = await api.person("anna@example.com")
    async with server(database_url, "trusted") as api:
        await register(ROLES)
        for by in (None, anna):
            for body in ({"query": MINE}, {"query": MINE, **apollo(MINE)}):
                status, answer = await post(api, body, by=by)
                assert (status, refusal(answer)) == (
                    403,
                    (NOT_TRUSTED, "Only registered documents are answered; this is none of them."),
                )
            assert (await post(api, apollo(MINE), by=by))[0] == 404
            for body in ({"query": ROLES}, {"query": ROLES, **apollo(ROLES)}, apollo(ROLES), {"id": digest(ROLES)}):
                assert (await post(api, body, by=by))[0] == 200, body
            got = await api.http.get("/graphql", params={"query": MINE})
            assert got.status_code == 403


async def test_who_is_signed_in_is_not_admitted_with_others_whatever_was_asked_before() -> None:
    persisted = Persisted(Trust.TRUSTED, keeper({digest(ROLES): ROLES}))

    await persisted.admit(Asked(ROLES, None, None), is_signed_in=True)
    with pytest.raises(Rejected):
        await persisted.admit(Asked(MINE, None, None), is_signed_in=True)


async def test_a_text_that_is_not_trusted_is_not_even_parsed(database_url: str) -> None:
    for trust in ("trusted-for-anonymous", "trusted"):
        async with server(database_url, trust) as api:
            status, answer = await post(api, {"query": "{ nothing"})

            assert (status, refusal(answer)[0]) == (403, NOT_TRUSTED)


CHANGED = "subscription { accessChanged { kind } }"
EVENTS = "subscription ($account: ID!) { accountEvents(accountId: $account) { type } }"
RENAME = "mutation ($input: UpdateAccountInput!) { updateAccount(input: $input) { errors { code } } }"


async def test_over_a_socket_too_others_are_not_followed(database_url: str) -> None:
    async with server(database_url, "any") as api:
        anna = await api.person("anna@example.com")
    async with (
        server(database_url, "trusted") as api,
        listening(sockets.running(api)) as port,
        socket(port) as one,
    ):
        await register(EVENTS, RENAME)
        _ = await one.begin(anna)

        for body, code in (
            ({"query": CHANGED}, NOT_TRUSTED),
            ({"query": CHANGED, **apollo(CHANGED)}, NOT_TRUSTED),
            ({"query": "{ nothing"}, NOT_TRUSTED),
            (apollo(CHANGED), "PERSISTED_QUERY_NOT_IN_LIST"),
            ({"documentId": digest(CHANGED)}, "PERSISTED_QUERY_NOT_IN_LIST"),
        ):
            await one.say({"type": "subscribe", "id": "refused", "payload": body})
            refused = await one.next("refused")
            assert (refused["type"], refused["payload"][0]["extensions"]["code"]) == ("error", code), body
        await one.opened(api, 1)  # the socket itself

        variables = {"variables": {"account": anna.account_id}}
        known = {"text": {"query": EVENTS}, "digest": apollo(EVENTS), "name": {"documentId": digest(EVENTS)}}
        for key, body in known.items():
            await one.say({"type": "subscribe", "id": key, "payload": body | variables})
        await one.opened(api, 1 + len(known))
        given = {"input": {"accountId": anna.account_id, "name": "Ny AS"}}
        assert (await post(api, {"id": digest(RENAME), "variables": given}, by=anna))[0] == 200
        for key in known:
            shown = (await one.next(key))["payload"]
            assert shown == {"data": {"accountEvents": {"type": "account:account:update"}}}
