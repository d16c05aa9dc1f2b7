"""Dispatches each request to the GraphQL endpoint or to the routes."""

from starlette.types import ASGIApp, Receive, Scope, Send

from server import error_response

GRAPHQL = "/graphql"


class Dispatcher:
    """Passes a POST to /graphql straight to the endpoint, because routing and its middleware cost time.

    Requests that the connection rejected arrive here too, so that the rejection is sent like any other response.
    """

    def __init__(self, endpoint: ASGIApp, routes: ASGIApp) -> None:
        self._endpoint = endpoint
        self._routes = routes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Call the endpoint or the routes."""
        if "rejection" in scope:
            await error_response.connection_rejection(scope, receive, send)
            return
        is_graphql_post = scope["type"] == "http" and scope["path"] == GRAPHQL and scope["method"] == "POST"
        await (self._endpoint if is_graphql_post else self._routes)(scope, receive, send)
