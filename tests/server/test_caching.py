"""What caches between us and clients may keep."""

import httpx2
import pytest
from graphql import parse, validate

import schema
from server import caching
from tests.server.naming import ROLES, digest, register

KEPT = "public, max-age=300"


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
def test_what_answers_the_same_to_everybody_is_public(query: str, *, expected: bool) -> None:
    built = schema.build()
    assert validate(built, parse(query)) == []

    assert caching.is_public(built, parse(query)) is expected


async def test_a_public_query_asked_by_name_may_be_kept(production: httpx2.AsyncClient) -> None:
    await register(ROLES)

    for method in ("GET", "HEAD", "GET"):
        response = await production.request(method, "/graphql", params={"documentId": digest(ROLES)})

        assert (response.status_code, response.headers["cache-control"]) == (200, KEPT)
        assert set(response.headers["vary"].split(", ")) == {
            "Accept", "Accept-Language", "Authorization", "Cookie", "Origin", "X-Account", "X-Session", "X-View-As"
        }  # fmt: skip
        assert "set-cookie" not in response.headers


async def test_nothing_is_kept_of_who_shows_something(production: httpx2.AsyncClient) -> None:
    await register(ROLES)

    for name in ("Authorization", "Cookie", "X-Account", "X-Session", "X-View-As"):
        response = await production.get("/graphql", params={"documentId": digest(ROLES)}, headers={name: "x"})

        assert response.headers["cache-control"] == "no-store", name


async def test_nothing_else_is_kept(production: httpx2.AsyncClient) -> None:
    mine = "{ viewer { user { id } } }"
    wrong = "{ accounts { totalCount } roles { role } }"
    await register(ROLES, mine, wrong)

    answers = [
        await production.get("/graphql", params={"query": ROLES}),
        await production.get("/graphql", params={"documentId": digest(mine)}),
        await production.get("/graphql", params={"documentId": digest(wrong)}),
        await production.get("/graphql", params={"documentId": digest(ROLES), "operationName": "Other"}),
        await production.get("/graphql", params={"documentId": "unknown"}),
        await production.post("/graphql", json={"documentId": digest(ROLES)}),
        await production.get("/graphql", params={"documentId": digest(ROLES)}, headers={"Accept": "text/plain"}),
    ]

    assert [answer.status_code for answer in answers] == [200, 200, 200, 400, 404, 200, 406]
    assert {answer.headers["cache-control"] for answer in answers} == {"no-store"}
