import { createClient } from "graphql-ws";
import runtime from "relay-runtime";

const { Environment, Network, Observable, RecordSource, Store } = runtime;

export function connect(url, token) {
  const socket = createClient({
    url: url.replace(/^http/, "ws"),
    connectionParams: { Authorization: `Bearer ${token}` },
    retryAttempts: Infinity,
    shouldRetry: ({ code }) => code !== 4403, // The session has ended. Sign in again.
  });
  const execute = async ({ text, name }, variables) => {
    const response = await fetch(url, {
      method: "POST",
      headers: { "Content-Type": "application/json", Authorization: `Bearer ${token}` },
      body: JSON.stringify({ query: text, operationName: name, variables }),
    });
    return response.json();
  };
  const subscribe = ({ text, name }, variables) =>
    Observable.create((sink) => socket.subscribe({ query: text, operationName: name, variables }, sink));
  const environment = new Environment({
    network: Network.create(execute, subscribe),
    store: new Store(new RecordSource()),
    relayFieldLogger: () => {}, // Called for fields with an error.
  });
  return { environment, close: () => socket.dispose() };
}
