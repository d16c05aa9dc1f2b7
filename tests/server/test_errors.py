"""Errors of responses: codes, masking, languages and suggestions."""

import httpx2
import pytest

import models.sharing.acceptance
from database import db
from settings import Settings
from tests.api import Api

SECRET = "hunter2-and-the-rest"
INVITE = "mutation ($input: InviteUserInput!) { inviteUser(input: $input) { errors { code } } }"
PREVIEW = "query ($t: String!) { invitation(token: $t) { role } roles { role } }"


@pytest.fixture
def failing_preview(monkeypatch: pytest.MonkeyPatch) -> None:
    async def preview(token: str, **_: object) -> None:
        raise RuntimeError(f"SELECT * FROM invitations WHERE token = {token}")

    monkeypatch.setattr(models.sharing.acceptance, "preview", preview)


async def test_unexpected_error_discloses_only_the_request_id(
    failing_preview: None, production: httpx2.AsyncClient
) -> None:
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


async def test_unexpected_error_of_a_probe_is_masked(
    production: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail() -> bool:
        raise RuntimeError(SECRET)

    monkeypatch.setattr(db, "is_reachable", fail)

    response = await production.get("/readyz")

    assert response.status_code == 500
    assert response.headers["x-content-type-options"] == "nosniff"
    (error,) = response.json()["errors"]
    assert error == {
        "message": "Something went wrong on our side.",
        "extensions": {"code": "INTERNAL_SERVER_ERROR", "requestId": response.headers["x-request-id"]},
    }


async def test_suggestions_are_made_only_in_development(production: httpx2.AsyncClient, api: Api) -> None:
    query = '{ role rolls { role } invitation(tocken: "x") { roel } }'

    strict = await production.post("/graphql", json={"query": query})
    helpful = await api.ask(query)

    assert {error["extensions"]["code"] for error in strict.json()["errors"]} == {"GRAPHQL_VALIDATION_FAILED"}
    assert "Did you mean" not in strict.text
    assert any("Did you mean" in error["message"] for error in helpful.errors)


async def test_response_has_at_most_five_validation_errors(production: httpx2.AsyncClient) -> None:
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
async def test_ambiguous_or_unknown_operation_name_is_rejected(
    production: httpx2.AsyncClient, query: str, operation: str | None
) -> None:
    response = await production.post("/graphql", json={"query": query, "operationName": operation})

    assert response.status_code == 400


async def test_invalid_bearer_token_is_anonymous(production: httpx2.AsyncClient) -> None:
    for token in (b"x", b"x" * 10_000, b"ey.ey.ey", b"\xc3\xa9\xff"):
        headers = [(b"Authorization", b"Bearer " + token)]
        response = await production.post("/graphql", json={"query": "{ viewer { user { id } } }"}, headers=headers)

        assert (response.status_code, response.json()) == (
            200,
            {"data": {"viewer": None}, "extensions": {"code": "SESSION_ENDED"}},
        )


async def test_repr_of_settings_contains_no_secret() -> None:
    settings = Settings(
        database_url=f"asyncpg://fullmakt:{SECRET}@db/fullmakt",
        secret_key=SECRET,
        smtp_url=f"smtp://mail:{SECRET}@mail",
    )

    assert SECRET not in repr(settings)


@pytest.mark.parametrize(
    "query",
    [
        "{ rolls { role } }",
        "{ roles { rol } }",
        '{ invitation(tokn: "x") { role } }',
        "{ roles @skp(if: true) { role } }",
        "{ roles @skip(iff: true) { role } }",
        "query ($x: Strin) { roles { role } }",
        "{ viewer { ... on Usr { id } } }",
        "fragment F on Rolle { role } { roles { ...F } }",
        '{ __type(nam: "x") { name } }',
        "{ viewer { user { grants } } }",
        'mutation { inviteUser(input: { accountId: "x", email: "a", role: OWNR }) { errors { code } } }',
        'mutation { inviteUser(input: { accountId: "x", email: "a", rol: OWNER }) { errors { code } } }',
        'mutation { inviteUser(input: { accountId: "x", email: "a", role: "OWNR" }) { errors { code } } }',
        'query ($r: Role = OWNR) { roles { role } node(id: "x") { ... on Grant { role } } }',
        "subscription { accesChanged }",
    ],
)
async def test_production_suggests_no_names(production: httpx2.AsyncClient, query: str) -> None:
    response = await production.post("/graphql", json={"query": query})

    assert response.json()["errors"][0]["extensions"]["code"] == "GRAPHQL_VALIDATION_FAILED"
    assert "did you mean" not in response.text.lower()


@pytest.mark.parametrize(
    "input_", [{"accountId": "x", "email": "a", "role": "OWNR"}, {"accountId": "x", "email": "a", "rol": "OWNER"}]
)
async def test_production_suggests_no_names_for_variables(
    production: httpx2.AsyncClient, input_: dict[str, str]
) -> None:
    response = await production.post("/graphql", json={"query": INVITE, "variables": {"input": input_}})

    assert response.json()["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"
    assert "did you mean" not in response.text.lower()


async def test_message_is_in_the_language_of_the_caller(api: Api, failing_preview: None) -> None:
    polish = {"Accept-Language": "pl"}
    signed_out = await api.ask("mutation { eraseMe(input: { password: 1 }) { errors { code } } }", headers=polish)
    internal_error = await api.ask(PREVIEW, {"t": SECRET}, headers=polish)
    anna = await api.person("anna@example.com")
    bo, _ = await api.guest(anna, "bo@example.com", "SIMPLE_USER", locale="fr")
    forbidden = await api.ask(
        "query ($id: ID!) { account(id: $id) { settings { invoicePrefix } } }", {"id": anna.account_id}, by=bo
    )
    elsewhere = await api.ask("{ viewer { currentAccount { id } } }", by=bo, account="999", headers=polish)

    assert signed_out.codes == ["GRAPHQL_VALIDATION_FAILED"]
    assert internal_error.errors[0]["message"] == "Coś poszło nie tak po naszej stronie."
    assert forbidden.errors[0]["message"] == "Nécessite l'autorisation SETTINGS_READ."
    assert elsewhere.errors[0]["message"] == "X-Account ne désigne aucun compte auquel vous avez accès."
