import { createClient } from "graphql-ws";

export function connect(url, token) {
  return createClient({
    url: url.replace(/^http/, "ws"),
    connectionParams: { Authorization: `Bearer ${token}` },
    keepAlive: 10_000, // a ping every ten seconds finds a connection that died in silence
    retryAttempts: Infinity,
    // A lost network, a server that restarts: come back. 4403: the session is over, so sign in again.
    shouldRetry: ({ code }) => code !== 4403,
  });
}
