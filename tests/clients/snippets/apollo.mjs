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
    shouldRetry: ({ code }) => code !== 4403, // the session is over: sign in again
  });
  const http = new HttpLink({ uri: url, headers: { Authorization: `Bearer ${token}` } });
  // Sends a document's hash alone, and its text only when the server does not know it yet.
  const hashed = new PersistedQueryLink({ sha256 }).concat(http);
  const client = new ApolloClient({
    cache: new InMemoryCache(),
    link: ApolloLink.split(
      ({ operationType }) => operationType === OperationTypeNode.SUBSCRIPTION,
      new GraphQLWsLink(socket),
      hashed,
    ),
    // A refused field is null, and the rest of the answer stands.
    defaultOptions: { query: { errorPolicy: "all" }, mutate: { errorPolicy: "all" } },
  });
  return { client, close: () => { client.stop(); return socket.dispose(); } };
}
