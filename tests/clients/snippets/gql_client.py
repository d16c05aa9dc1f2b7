from gql import Client
from gql.transport.httpx import HTTPXAsyncTransport
from gql.transport.websockets import WebsocketsTransport


def connect(url: str, token: str) -> Client:
    """Queries and mutations: `async with connect(url, token) as session: await session.execute(...)`."""
    return Client(transport=HTTPXAsyncTransport(url, headers={"Authorization": f"Bearer {token}"}))


def listen(url: str, token: str) -> Client:
    """Subscriptions: `async with listen(url, token) as session: async for result in session.subscribe(...)`."""
    return Client(
        transport=WebsocketsTransport(
            url.replace("http", "ws", 1),
            init_payload={"Authorization": f"Bearer {token}"},
            subprotocols=[WebsocketsTransport.GRAPHQLWS_SUBPROTOCOL],
        )
    )
