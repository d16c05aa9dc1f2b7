"""A client of subscriptions over Server-Sent Events. It calls the application in this process, without a port."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import orjson
from starlette.types import Message, Scope

from models.live.hub import Hub
from tests.api import Api, Person, Response
from tests.sockets import application_of

PATIENCE_SECONDS = 20


@dataclass
class EventStream:
    """A streamed response, read part by part."""

    task: asyncio.Task[None]
    hub: Hub
    count_before: int
    messages: asyncio.Queue[Message] = field(default_factory=asyncio.Queue[Message])
    disconnect_event: asyncio.Event = field(default_factory=asyncio.Event)
    status: int = 0
    headers: dict[bytes, bytes] = field(default_factory=dict[bytes, bytes])

    async def part(self) -> bytes | None:
        """The next part of the body. None at its end."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                message = await self.messages.get()
                if message["type"] == "http.response.start":
                    self.status, self.headers = message["status"], dict(message["headers"])
                elif message.get("body") or message.get("more_body"):
                    return bytes(message["body"])
                else:
                    return None

    async def wait_until_open(self) -> "EventStream":
        """Wait until the hub has the stream, or the response has an error."""
        assert await self.part() == b":\n\n"
        async with asyncio.timeout(PATIENCE_SECONDS):
            while len(self.hub) == self.count_before and self.messages.empty():  # noqa: ASYNC110 - the hub has no event for it
                await asyncio.sleep(0.002)
        return self

    async def next(self) -> Response | None:
        """The next result. None after `complete`."""
        part = await self.part()
        assert part is not None, "the stream ended without `complete`"
        if part == b"event: complete\ndata:\n\n":
            assert await self.part() is None
            return None
        head, _, text = part.partition(b"data: ")
        assert (head, part[-2:]) == (b"event: next\n", b"\n\n")
        return Response(self.status, orjson.loads(text))

    async def answer(self) -> Response:
        """The next result. Fails after `complete`."""
        answer = await self.next()
        assert answer is not None
        return answer

    async def last_codes(self) -> list[str]:
        """The codes of the result that ends the stream. Events from before the end may come first."""
        while "data" in (last := await self.answer()).body:
            pass
        return last.codes


@asynccontextmanager
async def follow(
    api: Api,
    query: str,
    variables: Mapping[str, Any] | None = None,
    *,
    by: Person | str | None = None,
    accept: str = "text/event-stream",
    account: str | None = None,
) -> AsyncGenerator[EventStream]:
    """Start a subscription. The client disconnects when the block ends."""
    application = application_of(api)
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
    requests = [{"type": "http.request", "body": body, "more_body": False}]
    stream: EventStream

    async def receive() -> Message:
        if requests:
            return requests.pop()
        await stream.disconnect_event.wait()
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        stream.messages.put_nowait(message)

    async def run() -> None:
        await application(scope, receive, send)

    hub: Hub = application.state.hub
    stream = EventStream(asyncio.create_task(run()), hub, len(hub))
    try:
        yield stream
    finally:
        stream.disconnect_event.set()
        async with asyncio.timeout(PATIENCE_SECONDS):
            await stream.task
