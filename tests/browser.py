"""A simulated browser that stores one cookie and sends the headers of a page."""

from collections.abc import Mapping
from typing import Any

import httpx2

from tests.api import PASSWORD, Response

COOKIE_NAME = "__Host-fullmakt"
COOKIE_ATTRIBUTES = ["Path=/", "Secure", "HttpOnly", "SameSite=Strict"]
SESSION_HEADERS = {"X-Session": "cookie"}
SIGN_IN = (
    "mutation ($input: SignInInput!) { signIn(input: $input) { accessToken viewer { user { id } } errors { code } } }"
)
VIEWER = "{ viewer { user { id } } }"
SIGN_OUT = "mutation { signOut { errors { code } } }"


class Browser:
    """Stores the session cookie and sends it with the header that our own pages set."""

    def __init__(self, http: httpx2.AsyncClient) -> None:
        self.http = http
        self.cookie_value: str | None = None
        self.set_cookie_headers: list[str] = []
        """All Set-Cookie headers received so far."""

    @property
    def cookie_header(self) -> dict[str, str]:
        """The Cookie header, or no header without a cookie."""
        return {} if self.cookie_value is None else {"Cookie": f"theme=dark; {COOKIE_NAME}={self.cookie_value}"}

    async def ask(
        self,
        query: str,
        variables: Mapping[str, Any] | None = None,
        *,
        headers: Mapping[str, str] = SESSION_HEADERS,
    ) -> Response:
        """Send an operation with the cookie."""
        body = {"query": query, "variables": dict(variables or {})}
        response = await self.http.post("/graphql", json=body, headers={**self.cookie_header, **headers})
        self.store_cookie(response)
        return Response(response.status_code, response.json())

    def store_cookie(self, response: httpx2.Response) -> None:
        """Store or delete the cookie as the response says."""
        self.http.cookies.clear()  # Other clients use the same HTTP client.
        for header in response.headers.get_list("set-cookie"):
            self.set_cookie_headers.append(header)
            pair, *attributes = header.split("; ")
            name, _, value = pair.partition("=")
            assert name == COOKIE_NAME
            assert attributes == (COOKIE_ATTRIBUTES if value else ["Max-Age=0", *COOKIE_ATTRIBUTES])
            self.cookie_value = value or None

    async def sign_in(self, email: str, password: str = PASSWORD) -> dict[str, Any]:
        """Sign in with a cookie session. Returns the payload."""
        payload: dict[str, Any] = (await self.ask(SIGN_IN, {"input": {"email": email, "password": password}})).data[
            "signIn"
        ]
        return payload

    async def is_signed_in(self) -> bool:
        """Return True if the server accepts the cookie as a session."""
        return (await self.ask(VIEWER)).data["viewer"] is not None
