import assert from "node:assert/strict";
import { test } from "node:test";
import { createClient } from "graphql-ws";
import { connect } from "./snippets/graphql-ws.mjs";
import { anna, checkTold, email, EVENTS, firm, marek, order, password, until, url, VIEWER, wsUrl } from "./world.mjs";

const request = { query: EVENTS, variables: { accountId: firm } };

/** Follow the events: what was told, what went wrong, and how often it connected. */
function follow(client) {
  const seen = { told: [], errors: [], problem: null, isOver: false, connections: 0 };
  client.on("connected", () => { seen.connections += 1; });
  client.subscribe(request, {
    next: ({ data, errors = [] }) => {
      if (data) seen.told.push(data.accountEvents);
      seen.errors.push(...errors);
    },
    error: (problem) => { seen.problem = problem; },
    complete: () => { seen.isOver = true; },
  });
  return seen;
}

async function post(query, token) {
  const headers = { "Content-Type": "application/json", ...(token && { Authorization: `Bearer ${token}` }) };
  return (await fetch(url, { method: "POST", headers, body: JSON.stringify({ query }) })).json();
}

test("a subscription goes on after a cut connection, and with a server that was started anew", async () => {
  const client = connect(url, anna);
  const seen = follow(client);

  await checkTold(seen.told);
  await order("cut");
  await checkTold(seen.told);
  await order("restart");
  await checkTold(seen.told);

  assert.ok(seen.connections >= 3);
  assert.deepEqual([seen.problem, seen.isOver], [null, false]);
  await client.dispose();
});

test("a wrong token is refused for good", async () => {
  const client = connect(url, "nonsense");
  const seen = follow(client);

  const closed = await until(() => seen.problem, "a refusal");
  assert.equal(closed.code, 4403);
  assert.equal(seen.connections, 0);
});

test("whoever signs out hears no more", async () => {
  const input = `{ email: ${JSON.stringify(email)}, password: ${JSON.stringify(password)} }`;
  const signedIn = await post(`mutation { signIn(input: ${input}) { accessToken } }`);
  const token = signedIn.data.signIn.accessToken;
  const seen = follow(connect(url, token));
  await checkTold(seen.told);

  await post("mutation { signOut { errors { code } } }", token);

  await until(() => seen.problem || seen.isOver, "an end");
  const heard = seen.told.length;
  const again = follow(connect(url, token));
  assert.equal((await until(() => again.problem, "a refusal")).code, 4403);
  assert.equal(seen.told.length, heard);
});

test("a subscription without the permission says so, and ends", async () => {
  const client = connect(url, marek);
  const seen = follow(client);

  await until(() => seen.isOver, "an end");
  const [{ path, extensions }] = seen.errors;
  assert.deepEqual([path, extensions.code, extensions.permission], [["accountEvents"], "FORBIDDEN", "EVENTS_READ"]);
  assert.ok(extensions.requestId);
  assert.equal(seen.told.length, 0);
  await client.dispose();
});

test("a query belongs to POST", async () => {
  const client = connect(url, anna);

  const [error] = await client.iterate({ query: VIEWER }).next().catch((thrown) => thrown);
  assert.equal(error.extensions.code, "BAD_USER_INPUT");
  await client.dispose();
});

test("a ping is answered", async () => {
  let pongs = 0;
  const client = createClient({
    url: wsUrl,
    connectionParams: { Authorization: `Bearer ${anna}` },
    keepAlive: 50,
    lazy: false,
    on: { pong: (received) => { pongs += received; } },
  });

  await until(() => pongs >= 3, "pongs");
  await client.dispose();
});

test("who subscribes before he has said who he is gets 4401", async () => {
  const socket = new WebSocket(wsUrl, "graphql-transport-ws");
  socket.addEventListener("open", () => socket.send(JSON.stringify({ id: "1", type: "subscribe", payload: request })));

  const code = await new Promise((resolve) => socket.addEventListener("close", (event) => resolve(event.code)));
  assert.equal(code, 4401);
});
