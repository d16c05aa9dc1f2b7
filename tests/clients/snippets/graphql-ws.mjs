import { createClient } from "graphql-ws";

export function connect(url, token) {
  return createClient({
    url: url.replace(/^http/, "ws"),
    connectionParams: { Authorization: `Bearer ${token}` },
    keepAlive: 10_000, // A ping every ten seconds detects a lost connection.
    retryAttempts: Infinity,
    // Retries after a lost connection or a restart of the server. 4403: the session has ended. Sign in again.
    shouldRetry: ({ code }) => code !== 4403,
  });
}
