"""A browser as the server knows it: it keeps one cookie, and tells which page sends a request."""

from collections.abc import Mapping
from typing import Any

import httpx2

from tests.api import PASSWORD, Answer

NAME = "__Host-fullmakt"
ATTRIBUTES = ["Path=/", "Secure", "HttpOnly", "SameSite=Strict"]
ASKS = {"X-Session": "cookie"}
SIGN_IN = (
    "mutation ($input: SignInInput!) { signIn(input: $input) { accessToken viewer { user { id } } errors { code } } }"
)
WHO = "{ viewer { user { id } } }"
SIGN_OUT = "mutation { signOut { errors { code } } }"


class Browser:
    """Keeps what Set-Cookie says; sends it back with the header that a page of ours would set."""

    def __init__(self, http: httpx2.AsyncClient) -> None:
        self.http = http
        self.kept: str | None = None
        self.said: list[str] = []
        """Each Set-Cookie so far."""

    @property
    def cookie(self) -> dict[str, str]:
        """The header by which the cookie travels."""
        return {} if self.kept is None else {"Cookie": f"theme=dark; {NAME}={self.kept}"}

    async def ask(
        self,
        query: str,
        variables: Mapping[str, Any] | None = None,
        *,
        headers: Mapping[str, str] = ASKS,
    ) -> Answer:
        """Send an operation with the cookie, if there is one."""
        body = {"query": query, "variables": dict(variables or {})}
        response = await self.http.post("/graphql", json=body, headers={**self.cookie, **headers})
        self.keep(response)
        return Answer(response.status_code, response.json())

    def keep(self, response: httpx2.Response) -> None:
        """Do what the answer says of cookies."""
        self.http.cookies.clear()  # others ask through it too
        for said in response.headers.get_list("set-cookie"):
            self.said.append(said)
            first, *attributes = said.split("; ")
            name, _, value = first.partition("=")
            assert name == NAME
            assert attributes == (ATTRIBUTES if value else ["Max-Age=0", *ATTRIBUTES])
            self.kept = value or None

    async def sign_in(self, email: str, password: str = PASSWORD) -> dict[str, Any]:
        """Sign in into the cookie. The payload."""
        payload: dict[str, Any] = (await self.ask(SIGN_IN, {"input": {"email": email, "password": password}})).data[
            "signIn"
        ]
        return payload

    async def is_known(self) -> bool:
        """Whether the server takes the cookie for somebody."""
        return (await self.ask(WHO)).data["viewer"] is not None
