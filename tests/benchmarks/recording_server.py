"""A server that sends one status to every request and stores the requests."""

from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class RecordingServer(ThreadingHTTPServer):
    """Sends its status to every request and stores the requests."""

    status = 200

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.bodies: list[str] = []
        self.tokens: set[str | None] = set()
        self.connections: set[object] = set()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        server = self.server
        assert isinstance(server, RecordingServer)
        server.bodies.append(self.rfile.read(int(self.headers["Content-Length"])).decode())
        server.tokens.add(self.headers["Authorization"])
        server.connections.add(self.client_address)
        self.send_response(server.status)
        self.send_header("Content-Length", "5")
        self.end_headers()
        self.wfile.write(b"hello")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
        pass
