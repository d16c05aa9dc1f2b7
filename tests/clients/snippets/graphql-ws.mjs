import { createClient } from "graphql-ws";

export function connect(url, token) {
  return createClient({
    url: url.replace(/^http/, "ws"),
    connectionParams: { Authorization: `Bearer ${token}` },
    keepAlive: 10_000, // a ping every ten seconds finds a connection that died in silence
    retryAttempts: Infinity,
    shouldRetry: () => true, // also what was not closed in order: a lost network, a server that restarts
  });
}
