import { ApolloClient, ApolloLink, HttpLink, InMemoryCache } from "@apollo/client";
import { PersistedQueryLink } from "@apollo/client/link/persisted-queries";
import { GraphQLWsLink } from "@apollo/client/link/subscriptions";
import { OperationTypeNode } from "graphql";
import { createClient } from "graphql-ws";
import { sha256 } from "./sha256.mjs";

export function connect(url, token) {
  const socket = createClient({
    url: url.replace(/^http/, "ws"),
    connectionParams: { Authorization: `Bearer ${token}` },
    retryAttempts: Infinity,
    shouldRetry: ({ code }) => code !== 4403, // The session has ended. Sign in again.
  });
  const http = new HttpLink({ uri: url, headers: { Authorization: `Bearer ${token}` } });
  // Sends only the hash of a document. The text follows if the server does not have it.
  const hashed = new PersistedQueryLink({ sha256 }).concat(http);
  const client = new ApolloClient({
    cache: new InMemoryCache(),
    link: ApolloLink.split(
      ({ operationType }) => operationType === OperationTypeNode.SUBSCRIPTION,
      new GraphQLWsLink(socket),
      hashed,
    ),
    // A field with an error is null. All other data stays.
    defaultOptions: { query: { errorPolicy: "all" }, mutate: { errorPolicy: "all" } },
  });
  return { client, close: () => { client.stop(); return socket.dispose(); } };
}
