import assert from "node:assert/strict";
import { test } from "node:test";
import { createClient } from "graphql-ws";
import { connect } from "./snippets/graphql-ws.mjs";
import { ownerToken, assertEventArrives, email, EVENTS, accountId, accountantToken, sendCommand, password, waitFor, url, VIEWER, wsUrl } from "./common.mjs";

const request = { query: EVENTS, variables: { accountId } };

/** Subscribe. Returns the events, the errors, the closing reason and the number of connections, updated as they come. */
function subscribe(client) {
  const stream = { events: [], errors: [], reason: null, isOver: false, connections: 0 };
  client.on("connected", () => { stream.connections += 1; });
  client.subscribe(request, {
    next: ({ data, errors = [] }) => {
      if (data) stream.events.push(data.accountEvents);
      stream.errors.push(...errors);
    },
    error: (reason) => { stream.reason = reason; },
    complete: () => { stream.isOver = true; },
  });
  return stream;
}

async function post(query, token) {
  const headers = { "Content-Type": "application/json", ...(token && { Authorization: `Bearer ${token}` }) };
  return (await fetch(url, { method: "POST", headers, body: JSON.stringify({ query }) })).json();
}

test("a subscription continues after a lost connection and after a restart of the server", async () => {
  const client = connect(url, ownerToken);
  const stream = subscribe(client);

  await assertEventArrives(stream.events);
  await sendCommand("cut");
  await assertEventArrives(stream.events);
  await sendCommand("restart");
  await assertEventArrives(stream.events);

  assert.ok(stream.connections >= 3);
  assert.deepEqual([stream.reason, stream.isOver], [null, false]);
  await client.dispose();
});

test("an invalid token closes the socket without a retry", async () => {
  const client = connect(url, "invalid");
  const stream = subscribe(client);

  const closeEvent = await waitFor(() => stream.reason, "a closed socket");
  assert.equal(closeEvent.code, 4403);
  assert.equal(stream.connections, 0);
});

test("signing out ends the stream", async () => {
  const input = `{ email: ${JSON.stringify(email)}, password: ${JSON.stringify(password)} }`;
  const response = await post(`mutation { signIn(input: ${input}) { accessToken } }`);
  const token = response.data.signIn.accessToken;
  const stream = subscribe(connect(url, token));
  await assertEventArrives(stream.events);

  await post("mutation { signOut { errors { code } } }", token);

  await waitFor(() => stream.reason || stream.isOver, "an end");
  const eventCount = stream.events.length;
  const secondStream = subscribe(connect(url, token));
  assert.equal((await waitFor(() => secondStream.reason, "a closed socket")).code, 4403);
  assert.equal(stream.events.length, eventCount);
});

test("a subscription without permission ends with an error", async () => {
  const client = connect(url, accountantToken);
  const stream = subscribe(client);

  await waitFor(() => stream.isOver, "an end");
  const [{ path, extensions }] = stream.errors;
  assert.deepEqual([path, extensions.code, extensions.permission], [["accountEvents"], "FORBIDDEN", "EVENTS_READ"]);
  assert.ok(extensions.requestId);
  assert.equal(stream.events.length, 0);
  await client.dispose();
});

test("a query over a socket is rejected", async () => {
  const client = connect(url, ownerToken);

  const [error] = await client.iterate({ query: VIEWER }).next().catch((reason) => reason);
  assert.equal(error.extensions.code, "BAD_USER_INPUT");
  await client.dispose();
});

test("the server answers a ping with a pong", async () => {
  let pongs = 0;
  const client = createClient({
    url: wsUrl,
    connectionParams: { Authorization: `Bearer ${ownerToken}` },
    keepAlive: 50,
    lazy: false,
    on: { pong: (received) => { pongs += received; } },
  });

  await waitFor(() => pongs >= 3, "pongs");
  await client.dispose();
});

test("a subscription before connection_init closes the socket with 4401", async () => {
  const socket = new WebSocket(wsUrl, "graphql-transport-ws");
  socket.addEventListener("open", () => socket.send(JSON.stringify({ id: "1", type: "subscribe", payload: request })));

  const code = await new Promise((resolve) => socket.addEventListener("close", (event) => resolve(event.code)));
  assert.equal(code, 4401);
});
