"""Error messages do not contain values of the client."""

import httpx2
import pytest

from tests.api import Api

SECRET = "hunter2-and-the-rest"
INVITE = "mutation ($input: InviteUserInput!) { inviteUser(input: $input) { errors { code } } }"
SIGN_IN = "mutation ($input: SignInInput!) { signIn(input: $input) { errors { code } } }"
INVALID_VALUES: list[tuple[str, dict[str, object]]] = [
    (SIGN_IN, {"input": {"email": "a", "password": [SECRET]}}),
    (SIGN_IN, {"input": {"email": "a", "pasword": SECRET}}),
    (SIGN_IN, {"input": SECRET}),
    (SIGN_IN, {"input": [SECRET]}),
    (INVITE, {"input": {"accountId": "x", "email": "a", "role": SECRET}}),
    (INVITE, {"input": {"accountId": "x", "email": "a", "role": SECRET * 1000}}),
    (INVITE, {"input": {"accountId": "x", "email": "a", "role": "OWNER", "grantValidUntil": f"{SECRET}; x"}}),
    (INVITE, {"input": {"accountId": {SECRET: 1}, "email": "a", "role": "OWNER"}}),
    ("query ($n: Int) { viewer { accounts(first: $n) { totalCount } } }", {"n": SECRET}),
    (f'mutation {{ signIn(input: {{ email: "a", password: ["{SECRET}"] }}) {{ errors {{ code }} }} }}', {}),
    (f'mutation {{ signIn(input: {{ email: "a", pasword: "{SECRET}" }}) {{ errors {{ code }} }} }}', {}),
    (f'mutation {{ signIn(input: "{SECRET}") {{ errors {{ code }} }} }}', {}),
    (f'mutation {{ signIn(input: ["{SECRET}"]) {{ errors {{ code }} }} }}', {}),
    (f'mutation {{ signIn(input: {{ password: "{SECRET}" }}) {{ nothing }} }}', {}),
    (f'{{ viewer {{ accounts(first: "{SECRET}") {{ totalCount }} }} }}', {}),
    (f'query ($n: Int = "{SECRET}") {{ viewer {{ accounts(first: $n) {{ totalCount }} }} }}', {}),
    (f'{{ viewer @skip(if: "{SECRET}") {{ user {{ id }} }} }}', {}),
    (f'{{ signIn "{SECRET}" }}', {}),
    (f'{{ signIn """{SECRET}""" }}', {}),
    (f'mutation {{ signIn(input: {{ password: "{SECRET}', {}),
    ("mutation { signIn(input: { password: hunter2 and 4 }) { errors { code } } }", {}),
]


@pytest.mark.parametrize(("query", "variables"), INVALID_VALUES)
async def test_invalid_value_is_not_echoed(
    production: httpx2.AsyncClient, query: str, variables: dict[str, object]
) -> None:
    response = await production.post("/graphql", json={"query": query, "variables": variables})

    errors = response.json()["errors"]
    assert "hunter2" not in response.text
    assert "data" not in response.json()
    assert 1 <= len(errors) <= 5
    for error in errors:
        assert 10 < len(error["message"]) <= 300
        assert error["extensions"]["code"]
        assert error["extensions"]["requestId"] == response.headers["x-request-id"]


async def test_suggestion_contains_no_value(api: Api) -> None:
    answer = await api.ask(SIGN_IN, {"input": {"email": "a", "password": "b", "pasword": SECRET}})

    (error,) = answer.errors
    assert error["message"] == (
        "Variable '$input' has invalid value: Expected value of type 'SignInInput' not to include unknown field "
        "'pasword'. Did you mean 'password'?"
    )


@pytest.mark.parametrize("query", ["{ %s }", "{ roles { %s } }", "{ ...%s }", "query ($%s: Int) { roles { role } }"])
async def test_long_name_is_truncated_in_messages(production: httpx2.AsyncClient, query: str) -> None:
    response = await production.post("/graphql", json={"query": query % ("n" * 60_000)})

    assert response.status_code == 400
    assert len(response.content) < 1000
    assert len(response.json()["errors"][0]["message"]) <= 300
