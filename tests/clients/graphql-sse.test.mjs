import assert from "node:assert/strict";
import { test } from "node:test";
import { connect } from "./snippets/graphql-sse.mjs";
import { ownerToken, assertEventArrives, EVENTS, accountId, accountantToken, sendCommand, url, VIEWER } from "./common.mjs";

const request = { query: EVENTS, variables: { accountId } };

test("a subscription continues after a lost connection", async () => {
  const events = [];
  let error = null;
  const client = connect(url, ownerToken);
  client.subscribe(request, {
    next: ({ data }) => events.push(data.accountEvents),
    error: (reason) => { error = reason; },
    complete: () => {},
  });

  await assertEventArrives(events);
  await sendCommand("cut");
  await assertEventArrives(events);

  assert.equal(error, null);
  client.dispose();
});

test("a query gives one response in its stream", async () => {
  const client = connect(url, ownerToken);

  const responses = [];
  for await (const response of client.iterate({ query: VIEWER })) responses.push(response);

  assert.equal(responses.length, 1);
  assert.equal(responses[0].data.viewer.user.name, "Anna Nowak");
  client.dispose();
});

test("a subscription without permission ends with an error", async () => {
  const client = connect(url, accountantToken);

  const responses = [];
  for await (const response of client.iterate(request)) responses.push(response);

  assert.equal(responses.length, 1);
  assert.equal(responses[0].errors[0].extensions.code, "FORBIDDEN");
  client.dispose();
});

test("a subscription with an invalid token ends with an error", async () => {
  const client = connect(url, "invalid");

  const responses = [];
  for await (const response of client.iterate(request)) responses.push(response);

  assert.equal(responses.length, 1);
  assert.equal(responses[0].errors[0].extensions.code, "UNAUTHENTICATED");
  client.dispose();
});
