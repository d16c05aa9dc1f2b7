"""Where only registered documents are answered: to whom, and by which way they come."""

import pytest

from server.errors import Rejected
from server.persisted_operations import PersistedOperations, Trust
from server.request import GraphQLRequest
from tests import sockets
from tests.api import PASSWORD, counts
from tests.server.naming import MINE, ROLES, SIGN_IN, apollo, digest, keeper, post, refusal, register, server
from tests.sockets import listening, socket

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
    persisted = PersistedOperations(Trust.TRUSTED, keeper({digest(ROLES): ROLES}))

    await persisted.admit(GraphQLRequest(ROLES, None, None), is_signed_in=True)
    with pytest.raises(Rejected):
        await persisted.admit(GraphQLRequest(MINE, None, None), is_signed_in=True)


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
