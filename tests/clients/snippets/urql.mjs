import { Client, fetchExchange, subscriptionExchange } from "@urql/core";
import { persistedExchange } from "@urql/exchange-persisted";
import { createClient } from "graphql-ws";
import { sha256 } from "./sha256.mjs";

export function connect(url, token) {
  const socket = createClient({
    url: url.replace(/^http/, "ws"),
    connectionParams: { Authorization: `Bearer ${token}` },
    retryAttempts: Infinity,
    shouldRetry: ({ code }) => code !== 4403, // The session has ended. Sign in again.
  });
  const client = new Client({
    url,
    preferGetMethod: false,
    fetchOptions: { headers: { Authorization: `Bearer ${token}` } },
    exchanges: [
      // Sends only the hash of a query. The text follows if the server does not have it.
      persistedExchange({ preferGetForPersistedQueries: false, generateHash: sha256 }),
      fetchExchange,
      subscriptionExchange({
        forwardSubscription: (operation) => ({
          subscribe: (sink) => ({ unsubscribe: socket.subscribe(operation, sink) }),
        }),
      }),
    ],
  });
  return { client, close: () => socket.dispose() };
}
