"""Trust policies: who may execute operations that are not registered."""

import pytest

from server.errors import RequestError
from server.persisted_operations import PersistedOperations, Trust
from server.request import GraphQLRequest
from tests import sockets
from tests.api import PASSWORD, count_rows
from tests.server.persisted_requests import (
    OWN_EMAIL,
    ROLES,
    SIGN_IN,
    apollo,
    digest,
    lookup,
    post,
    register,
    server,
    sole_error,
)
from tests.sockets import open_socket, serve

NOT_TRUSTED = "QUERY_NOT_IN_SAFELIST"


async def test_anonymous_caller_may_execute_only_registered_operations(database_url: str) -> None:
    async with server(database_url, "any") as api:
        anna = await api.person("anna@example.com")
    async with server(database_url, "trusted-for-anonymous") as api:
        before = await count_rows()
        for headers in ({}, {"Authorization": "Bearer invalid"}):
            rejection = await post(api, {"query": ROLES}, headers=headers)
            assert (rejection[0], sole_error(rejection[1])) == (
                403,
                (NOT_TRUSTED, "Only registered operations are allowed without a sign-in."),
            )
            assert (await post(api, {"query": "{ __schema { types { name } } }"}, headers=headers))[0] == 403
            variables = {"input": {"name": "Bo", "email": "bo@example.com", "password": PASSWORD}}
            registration = "mutation ($input: RegisterInput!) { register(input: $input) { errors { code } } }"
            assert (await post(api, {"query": registration, "variables": variables}, headers=headers))[0] == 403
        assert await count_rows() == before

        assert (await post(api, {"query": OWN_EMAIL}, by=anna))[1]["data"]["viewer"]["user"]["email"] == anna.email

        await register(SIGN_IN)
        variables = {"input": {"email": anna.email, "password": PASSWORD}}
        for body in ({"query": SIGN_IN, "variables": variables}, {"id": digest(SIGN_IN), "variables": variables}):
            for headers in ({}, {"Authorization": "Bearer over"}):
                status, answer = await post(api, body, headers=headers)
                assert (status, answer["data"]["signIn"]["errors"]) == (200, [])


async def test_automatic_operation_of_a_user_is_not_trusted_for_anonymous_callers(database_url: str) -> None:
    async with server(database_url, "any") as api:
        anna = await api.person("anna@example.com")
    async with server(database_url, "trusted-for-anonymous") as api:
        assert (await post(api, {"query": ROLES, **apollo(ROLES)}, by=anna))[0] == 200
        assert (await post(api, apollo(ROLES), by=anna))[0] == 200

        for headers, code in (({}, "PERSISTED_QUERY_NOT_IN_LIST"), ({"Authorization": "Bearer x"}, NOT_TRUSTED)):
            status, answer = await post(api, apollo(ROLES), headers=headers)
            assert (status, sole_error(answer)[0]) == ({NOT_TRUSTED: 403}.get(code, 404), code)

        # The automatic operation does not hide the same text after the operator has registered it.
        await register(ROLES)
        assert (await post(api, apollo(ROLES)))[0] == 200


async def test_rejected_operation_is_not_cached(database_url: str) -> None:
    async with server(database_url, "any") as api:
        anna = await api.person("anna@example.com")
    async with server(database_url, "trusted-for-anonymous") as api:
        for headers in ({}, {"Authorization": "Bearer invalid"}):
            assert (await post(api, {"query": ROLES, **apollo(ROLES)}, headers=headers))[0] == 403

        assert (await post(api, apollo(ROLES), by=anna))[0] == 404


async def test_registered_only_rejects_other_operations_of_all_callers(database_url: str) -> None:
    async with server(database_url, "any") as api:
        anna = await api.person("anna@example.com")
    async with server(database_url, "trusted") as api:
        await register(ROLES)
        for by in (None, anna):
            for body in ({"query": OWN_EMAIL}, {"query": OWN_EMAIL, **apollo(OWN_EMAIL)}):
                status, answer = await post(api, body, by=by)
                assert (status, sole_error(answer)) == (
                    403,
                    (NOT_TRUSTED, "Only registered operations are allowed."),
                )
            assert (await post(api, apollo(OWN_EMAIL), by=by))[0] == 404
            for body in ({"query": ROLES}, {"query": ROLES, **apollo(ROLES)}, apollo(ROLES), {"id": digest(ROLES)}):
                assert (await post(api, body, by=by))[0] == 200, body
            get_response = await api.http.get("/graphql", params={"query": OWN_EMAIL})
            assert get_response.status_code == 403


async def test_registered_only_rejects_other_operations_after_a_registered_one() -> None:
    operations = PersistedOperations(Trust.REGISTERED_ONLY, lookup({digest(ROLES): ROLES}))

    await operations.admit(GraphQLRequest(ROLES, None, None), is_signed_in=True)
    with pytest.raises(RequestError):
        await operations.admit(GraphQLRequest(OWN_EMAIL, None, None), is_signed_in=True)


async def test_untrusted_document_is_rejected_before_parsing(database_url: str) -> None:
    for trust in ("trusted-for-anonymous", "trusted"):
        async with server(database_url, trust) as api:
            status, answer = await post(api, {"query": "{ nothing"})

            assert (status, sole_error(answer)[0]) == (403, NOT_TRUSTED)


ACCESS_CHANGED = "subscription { accessChanged { kind } }"
EVENTS = "subscription ($account: ID!) { accountEvents(accountId: $account) { type } }"
RENAME = "mutation ($input: UpdateAccountInput!) { updateAccount(input: $input) { errors { code } } }"


async def test_socket_enforces_the_trust_policy(database_url: str) -> None:
    async with server(database_url, "any") as api:
        anna = await api.person("anna@example.com")
    async with (
        server(database_url, "trusted") as api,
        serve(sockets.application_of(api)) as port,
        open_socket(port) as connection,
    ):
        await register(EVENTS, RENAME)
        _ = await connection.connect(anna)

        for body, code in (
            ({"query": ACCESS_CHANGED}, NOT_TRUSTED),
            ({"query": ACCESS_CHANGED, **apollo(ACCESS_CHANGED)}, NOT_TRUSTED),
            ({"query": "{ nothing"}, NOT_TRUSTED),
            (apollo(ACCESS_CHANGED), "PERSISTED_QUERY_NOT_IN_LIST"),
            ({"documentId": digest(ACCESS_CHANGED)}, "PERSISTED_QUERY_NOT_IN_LIST"),
        ):
            await connection.send({"type": "subscribe", "id": "refused", "payload": body})
            message = await connection.next("refused")
            assert (message["type"], message["payload"][0]["extensions"]["code"]) == ("error", code), body
        await connection.wait_for_streams(api, 1)  # only the socket itself

        variables = {"variables": {"account": anna.account_id}}
        allowed_bodies = {"text": {"query": EVENTS}, "digest": apollo(EVENTS), "name": {"documentId": digest(EVENTS)}}
        for key, body in allowed_bodies.items():
            await connection.send({"type": "subscribe", "id": key, "payload": body | variables})
        await connection.wait_for_streams(api, 1 + len(allowed_bodies))
        input_ = {"input": {"accountId": anna.account_id, "name": "Ny AS"}}
        assert (await post(api, {"id": digest(RENAME), "variables": input_}, by=anna))[0] == 200
        for key in allowed_bodies:
            payload = (await connection.next(key))["payload"]
            assert payload == {"data": {"accountEvents": {"type": "account:account:update"}}}
