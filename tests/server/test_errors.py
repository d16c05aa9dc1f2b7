import httpx2
import pytest

import models.acceptance
from models import db
from settings import Settings
from tests.api import Api

SECRET = "hunter2-and-the-rest"
PREVIEW = "query ($t: String!) { invitation(token: $t) { role } roles { role } }"


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> None:
    async def preview(token: str, **_: object) -> None:
        raise RuntimeError(f"SELECT * FROM invitations WHERE token = {token}")

    monkeypatch.setattr(models.acceptance, "preview", preview)


async def test_what_nobody_expected_says_nothing_but_its_id(broken: None, production: httpx2.AsyncClient) -> None:
    response = await production.post("/graphql", json={"query": PREVIEW, "variables": {"t": SECRET}})

    assert response.status_code == 200
    assert len(response.json()["data"]["roles"]) == 6
    assert response.json()["errors"] == [
        {
            "message": "Something went wrong on our side.",
            "locations": [{"line": 1, "column": 23}],
            "path": ["invitation"],
            "extensions": {"code": "INTERNAL_SERVER_ERROR", "requestId": response.headers["x-request-id"]},
        }
    ]


async def test_a_probe_that_fails_is_masked_too(
    production: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken() -> bool:
        raise RuntimeError(SECRET)

    monkeypatch.setattr(db, "is_reachable", broken)

    response = await production.get("/readyz")

    assert response.status_code == 500
    assert response.headers["x-content-type-options"] == "nosniff"
    (error,) = response.json()["errors"]
    assert error == {
        "message": "Something went wrong on our side.",
        "extensions": {"code": "INTERNAL_SERVER_ERROR", "requestId": response.headers["x-request-id"]},
    }


async def test_only_development_is_helped_along(production: httpx2.AsyncClient, api: Api) -> None:
    query = '{ role rolls { role } invitation(tocken: "x") { roel } }'

    strict = await production.post("/graphql", json={"query": query})
    helpful = await api.ask(query)

    assert {error["extensions"]["code"] for error in strict.json()["errors"]} == {"GRAPHQL_VALIDATION_FAILED"}
    assert "Did you mean" not in strict.text
    assert any("Did you mean" in error["message"] for error in helpful.errors)


async def test_a_document_has_five_errors_at_most(production: httpx2.AsyncClient) -> None:
    query = "{ " + " ".join(f"nothing{n}" for n in range(50)) + " }"

    response = await production.post("/graphql", json={"query": query})

    assert len(response.json()["errors"]) == 5


@pytest.mark.parametrize(
    ("query", "operation"),
    [
        ("query A { __typename } query B { __typename }", None),
        ("query A { __typename }", "B"),
        ("fragment A on Query { __typename }", None),
    ],
)
async def test_an_operation_must_be_named_where_it_is_not_clear(
    production: httpx2.AsyncClient, query: str, operation: str | None
) -> None:
    response = await production.post("/graphql", json={"query": query, "operationName": operation})

    assert response.status_code == 400


async def test_a_token_that_does_not_work_is_nobodys(production: httpx2.AsyncClient) -> None:
    for token in (b"x", b"x" * 10_000, b"ey.ey.ey", b"\xc3\xa9\xff"):
        headers = [(b"Authorization", b"Bearer " + token)]
        response = await production.post("/graphql", json={"query": "{ viewer { user { id } } }"}, headers=headers)

        assert (response.status_code, response.json()) == (200, {"data": {"viewer": None}})


async def test_the_settings_show_no_secret() -> None:
    settings = Settings(
        database_url=f"asyncpg://fullmakt:{SECRET}@db/fullmakt",
        secret_key=SECRET,
        smtp_url=f"smtp://mail:{SECRET}@mail",
    )

    assert SECRET not in repr(settings)
