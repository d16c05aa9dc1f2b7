"""The open connections of one process, and how many of them are allowed in total and from one network.

    accepted --room--> regular --> serves any request
        |                  ^
        `--no room--> surplus --head of a request--> a probe is answered; any other request gets 429 or 503

A waiting connection is closed to make room: its client has sent no complete request, so that no work is lost. A busy
connection stays. So there is always a connection for a probe: an orchestrator must not restart a process that is only
busy. An IPv6 client is counted by its /64, /56 and /48, and each larger network has twice the limit, because one client
may have all of its addresses. No network has more than half of the connections.

Behind a trusted proxy, the client is known only after the head of a request. A proxy's connection belongs to the
client whose request it carries, until the response is complete, and is not counted for a network while it is idle.
"""

from collections.abc import Collection
from typing import Final, Protocol

from models.base.network import networks_of
from server.errors import RATE_LIMITED, SERVICE_UNAVAILABLE, RequestError, rate_limit

STATE_KEY: Final = "connection_limits"
"""The key of the ConnectionLimits in the lifespan state of the application."""
MAX_CONNECTIONS: Final = 2000
MAX_CONNECTIONS_PER_NETWORK: Final = 400
MAX_SURPLUS_CONNECTIONS: Final = 64
"""Connections above the limits that wait for the head of a request, which may be a probe."""


class Connection(Protocol):
    """An open connection: of HTTP, or a WebSocket."""

    @property
    def is_waiting(self) -> bool:
        """True if the server waits for the client, and no work is lost if the connection is closed."""
        ...

    @property
    def deadline(self) -> float:
        """The time of the event loop until which the server waits."""
        ...

    def abort(self) -> None:
        """Close the connection at once."""
        ...


class ConnectionLimits:
    """The open connections of one process, with the limits on their number."""

    def __init__(
        self,
        max_connections: int = MAX_CONNECTIONS,
        max_per_network: int = MAX_CONNECTIONS_PER_NETWORK,
        max_surplus: int = MAX_SURPLUS_CONNECTIONS,
    ) -> None:
        """`max_per_network` is the limit of an IPv4 address or a /64 network of IPv6."""
        self._max_connections = max_connections
        self._max_per_network = max_per_network
        self._max_surplus = max_surplus
        self._networks: dict[Connection, tuple[str, ...]] = {}
        self._connections_by_network: dict[str, set[Connection]] = {}
        self._surplus_connections: set[Connection] = set()

    def __len__(self) -> int:
        """The number of open connections, with those above the limits."""
        return len(self._networks)

    def add(self, connection: Connection, address: str | None) -> None:
        """Add a new connection from an address. None if the address is a proxy's or unknown."""
        self._networks[connection] = ()
        self._set_networks(connection, networks_of(address))
        if self._make_room(connection) is None:
            return
        self._surplus_connections.add(connection)
        has_room = len(self._surplus_connections) <= self._max_surplus
        if not has_room and not self._close_waiting(self._surplus_connections - {connection}):
            self._close(connection)

    def check(self, connection: Connection) -> RequestError | None:
        """Return the error of a request on a connection for which there is still no room, or None."""
        return self._make_room(connection) if connection in self._surplus_connections else None

    def assign(self, connection: Connection, address: str | None) -> RequestError | None:
        """Count a proxy's connection for the client of its request. Return the error if the client has too many."""
        self._set_networks(connection, networks_of(address))
        return self._make_room(connection)

    def unassign(self, connection: Connection) -> None:
        """Count a proxy's connection for no client any more: the response is complete."""
        self._set_networks(connection, ())

    def is_surplus(self, connection: Connection) -> bool:
        """True if there was no room for a connection. It serves probes only."""
        return connection in self._surplus_connections

    def replace(self, connection: Connection, successor: Connection) -> None:
        """Count a WebSocket instead of the connection of its handshake."""
        networks = self._networks.get(connection, ())
        self.remove(connection)
        self._networks[successor] = ()
        self._set_networks(successor, networks)

    def remove(self, connection: Connection) -> None:
        """Forget a closed connection."""
        if connection in self._networks:
            self._set_networks(connection, ())
            del self._networks[connection]
            self._surplus_connections.discard(connection)

    def _set_networks(self, connection: Connection, networks: tuple[str, ...]) -> None:
        if connection not in self._networks:
            return  # It was closed to make room.
        for network in self._networks[connection]:
            members = self._connections_by_network[network]
            members.discard(connection)
            if not members:
                del self._connections_by_network[network]
        self._networks[connection] = networks
        for network in networks:
            self._connections_by_network.setdefault(network, set()).add(connection)

    def _make_room(self, connection: Connection) -> RequestError | None:
        """Close another connection if there is no room for this one. Return the error if none can be closed."""
        half = max(1, self._max_connections // 2)
        for level, network in enumerate(self._networks.get(connection, ())):
            limit = min(self._max_per_network << level, half)
            if not self._is_room_among(self._connections_by_network[network], limit, connection):
                return RequestError(
                    429, "Too many connections from your network.", RATE_LIMITED, **rate_limit("CONNECTIONS", 1)
                )
        if not self._is_room_among(self._networks, self._max_connections, connection):
            return RequestError(
                503, "Too many connections. Try again in a moment.", SERVICE_UNAVAILABLE, headers={"Retry-After": "1"}
            )
        self._surplus_connections.discard(connection)
        return None

    def _is_room_among(self, connections: Collection[Connection], limit: int, connection: Connection) -> bool:
        if len(connections) <= limit:
            return True
        rivals = [rival for rival in connections if rival is not connection and rival not in self._surplus_connections]
        return len(rivals) < limit or self._close_waiting(rivals)

    def _close_waiting(self, connections: Collection[Connection]) -> bool:
        """Close the waiting connection with the earliest deadline of the network with most connections."""
        waiting_connections = [connection for connection in connections if connection.is_waiting]
        if not waiting_connections:
            return False
        self._close(max(waiting_connections, key=lambda connection: (self._size(connection), -connection.deadline)))
        return True

    def _close(self, connection: Connection) -> None:
        # Removed at once, because the event loop reports the closed connection only later.
        connection.abort()
        self.remove(connection)

    def _size(self, connection: Connection) -> int:
        """The number of connections of a connection's largest network."""
        networks = self._networks[connection]
        return len(self._connections_by_network[networks[-1]]) if networks else 0
