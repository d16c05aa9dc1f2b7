"""Following a subscription of an application in this process: Server-Sent Events, without a port between."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import orjson
from starlette.types import Message, Scope

from models.live.hub import Hub
from tests.api import Answer, Api, Person
from tests.sockets import running

PATIENCE_SECONDS = 20


@dataclass
class Followed:
    """A response as it comes, part by part."""

    task: asyncio.Task[None]
    hub: Hub
    others: int
    sent: asyncio.Queue[Message] = field(default_factory=asyncio.Queue[Message])
    left: asyncio.Event = field(default_factory=asyncio.Event)
    status: int = 0
    headers: dict[bytes, bytes] = field(default_factory=dict[bytes, bytes])

    async def part(self) -> bytes | None:
        """The next piece of the body as it was sent, None at its end."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                message = await self.sent.get()
                if message["type"] == "http.response.start":
                    self.status, self.headers = message["status"], dict(message["headers"])
                elif message.get("body") or message.get("more_body"):
                    return bytes(message["body"])
                else:
                    return None

    async def opened(self) -> "Followed":
        """Wait until it follows, or has an answer that says why not."""
        assert await self.part() == b":\n\n"
        async with asyncio.timeout(PATIENCE_SECONDS):
            while len(self.hub) == self.others and self.sent.empty():  # noqa: ASYNC110 - the hub tells nobody
                await asyncio.sleep(0.002)
        return self

    async def next(self) -> Answer | None:
        """The next answer; None when it is complete."""
        part = await self.part()
        assert part is not None, "it ended without `complete`"
        if part == b"event: complete\ndata:\n\n":
            assert await self.part() is None
            return None
        head, _, text = part.partition(b"data: ")
        assert (head, part[-2:]) == (b"event: next\n", b"\n\n")
        return Answer(self.status, orjson.loads(text))

    async def answer(self) -> Answer:
        """The next answer, which must come."""
        found = await self.next()
        assert found is not None
        return found


@asynccontextmanager
async def following(
    api: Api,
    query: str,
    variables: Mapping[str, Any] | None = None,
    *,
    by: Person | str | None = None,
    accept: str = "text/event-stream",
    account: str | None = None,
) -> AsyncGenerator[Followed]:
    """Ask for events; gone when the block ends."""
    application = running(api)
    body = orjson.dumps({"query": query, "variables": dict(variables or {})})
    token = by.token if isinstance(by, Person) else by
    headers = {"content-type": "application/json", "accept": accept}
    headers |= {"authorization": f"Bearer {token}"} if token else {}
    headers |= {"x-account": account} if account else {}
    scope: Scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": api.http.base_url.scheme,
        "path": "/graphql",
        "raw_path": b"/graphql",
        "query_string": b"",
        "root_path": "",
        "headers": [(b"host", api.http.base_url.netloc)]
        + [(name.encode(), value.encode()) for name, value in headers.items()],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
    }
    given = [{"type": "http.request", "body": body, "more_body": False}]
    found: Followed

    async def receive() -> Message:
        if given:
            return given.pop()
        await found.left.wait()
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        found.sent.put_nowait(message)

    async def run() -> None:
        await application(scope, receive, send)

    hub: Hub = application.state.hub
    found = Followed(asyncio.create_task(run()), hub, len(hub))
    try:
        yield found
    finally:
        found.left.set()
        async with asyncio.timeout(PATIENCE_SECONDS):
            await found.task
