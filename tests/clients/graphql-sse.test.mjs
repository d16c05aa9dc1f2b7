import assert from "node:assert/strict";
import { test } from "node:test";
import { connect } from "./snippets/graphql-sse.mjs";
import { anna, checkTold, EVENTS, firm, marek, order, url, VIEWER } from "./world.mjs";

const request = { query: EVENTS, variables: { accountId: firm } };

test("a subscription, which goes on after a cut connection", async () => {
  const told = [];
  let problem = null;
  const client = connect(url, anna);
  client.subscribe(request, {
    next: ({ data }) => told.push(data.accountEvents),
    error: (thrown) => { problem = thrown; },
    complete: () => {},
  });

  await checkTold(told);
  await order("cut");
  await checkTold(told);

  assert.equal(problem, null);
  client.dispose();
});

test("a query is answered as a stream of one", async () => {
  const client = connect(url, anna);

  const answers = [];
  for await (const answer of client.iterate({ query: VIEWER })) answers.push(answer);

  assert.equal(answers.length, 1);
  assert.equal(answers[0].data.viewer.user.name, "Anna Nowak");
  client.dispose();
});

test("a subscription without the permission says so, and ends", async () => {
  const client = connect(url, marek);

  const answers = [];
  for await (const answer of client.iterate(request)) answers.push(answer);

  assert.equal(answers.length, 1);
  assert.equal(answers[0].errors[0].extensions.code, "FORBIDDEN");
  client.dispose();
});

test("a wrong token is nobody", async () => {
  const client = connect(url, "nonsense");

  const answers = [];
  for await (const answer of client.iterate(request)) answers.push(answer);

  assert.equal(answers.length, 1);
  assert.equal(answers[0].errors[0].extensions.code, "UNAUTHENTICATED");
  client.dispose();
});
