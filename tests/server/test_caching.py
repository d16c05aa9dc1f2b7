"""Cache-Control of responses: only public persisted queries may be stored by shared caches."""

import httpx2
import pytest
from graphql import parse, validate

import schema
from server import caching
from tests.server.persisted_requests import ROLES, digest, register

PUBLIC = "public, max-age=300"


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (ROLES, True),
        (
            "{ roles { __typename ...R } } fragment R on RoleDefinition { ... @skip(if: true) { name } }",
            True,
        ),
        ("{ __typename }", True),
        ("query A { roles { role } } query B { viewer { user { id } } }", False),
        ("{ viewer { __typename } }", False),
        ("{ viewer { user { id } } }", False),
        ('{ invitation(token: "x") { role } }', False),
        ("{ accounts { totalCount } }", False),
        ("{ roles { role } ... F } fragment F on Query { accounts { totalCount } }".replace("... F", "...F"), False),
        ('{ node(id: "x") { id } }', False),
        ("{ __schema { types { name } } }", False),
        ("mutation { signOut { errors { code } } }", False),
    ],
)
def test_document_is_public_if_all_its_fields_are(query: str, *, expected: bool) -> None:
    executable_schema = schema.build()
    assert validate(executable_schema, parse(query)) == []

    assert caching.is_public(executable_schema, parse(query)) is expected


async def test_persisted_public_query_is_cacheable(production: httpx2.AsyncClient) -> None:
    await register(ROLES)

    for method in ("GET", "HEAD", "GET"):
        response = await production.request(method, "/graphql", params={"documentId": digest(ROLES)})

        assert (response.status_code, response.headers["cache-control"]) == (200, PUBLIC)
        assert set(response.headers["vary"].split(", ")) == {
            "Accept", "Accept-Language", "Authorization", "Cookie", "Origin", "X-Account", "X-Session", "X-View-As"
        }  # fmt: skip
        assert "set-cookie" not in response.headers


async def test_request_with_credentials_is_not_cacheable(production: httpx2.AsyncClient) -> None:
    await register(ROLES)

    for name in ("Authorization", "Cookie", "X-Account", "X-Session", "X-View-As"):
        response = await production.get("/graphql", params={"documentId": digest(ROLES)}, headers={name: "x"})

        assert response.headers["cache-control"] == "no-store", name


async def test_other_responses_are_not_cacheable(production: httpx2.AsyncClient) -> None:
    private_query = "{ viewer { user { id } } }"
    error_query = "{ accounts { totalCount } roles { role } }"
    await register(ROLES, private_query, error_query)

    answers = [
        await production.get("/graphql", params={"query": ROLES}),
        await production.get("/graphql", params={"documentId": digest(private_query)}),
        await production.get("/graphql", params={"documentId": digest(error_query)}),
        await production.get("/graphql", params={"documentId": digest(ROLES), "operationName": "Other"}),
        await production.get("/graphql", params={"documentId": "unknown"}),
        await production.post("/graphql", json={"documentId": digest(ROLES)}),
        await production.get("/graphql", params={"documentId": digest(ROLES)}, headers={"Accept": "text/plain"}),
    ]

    assert [answer.status_code for answer in answers] == [200, 200, 200, 400, 404, 200, 406]
    assert {answer.headers["cache-control"] for answer in answers} == {"no-store"}
