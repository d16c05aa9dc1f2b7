"""The way in: the one endpoint at once, everything else by its route."""

from starlette.types import ASGIApp, Receive, Scope, Send

from server import error_response

GRAPHQL = "/graphql"


class Dispatcher:
    """Gives a POST to /graphql to the endpoint; the routes and their middlewares would add nothing to it.

    What the connection refuses comes here too, to be answered like anything else.
    """

    def __init__(self, endpoint: ASGIApp, routes: ASGIApp) -> None:
        self._endpoint = endpoint
        self._routes = routes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer as one of the two does."""
        if "refused" in scope:
            await error_response.refused(scope, receive, send)
            return
        is_asked = scope["type"] == "http" and scope["path"] == GRAPHQL and scope["method"] == "POST"
        await (self._endpoint if is_asked else self._routes)(scope, receive, send)
