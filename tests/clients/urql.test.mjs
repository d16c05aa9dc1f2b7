import assert from "node:assert/strict";
import { after, test } from "node:test";
import { connect } from "./snippets/urql.mjs";
import { validUpdate, ownerToken, assertForbidden, assertRejected, assertEventArrives, EVENTS, accountId, accountantToken, sendCommand, invalidUpdate, SETTINGS, newDocument, UPDATE, url, VIEWER, recordRequests } from "./common.mjs";

const owner = connect(url, ownerToken);
const accountant = connect(url, accountantToken);
after(() => Promise.all([owner.close(), accountant.close()]));

test("a query returns its data", async () => {
  const { data, error } = await owner.client.query(VIEWER, {});

  assert.equal(error, undefined);
  assert.equal(data.viewer.user.name, "Anna Nowak");
});

test("a valid mutation succeeds and an invalid one has an error in its payload", async () => {
  const validResult = await owner.client.mutation(UPDATE, validUpdate("UR/"));
  const invalidResult = await owner.client.mutation(UPDATE, invalidUpdate);

  assert.deepEqual(validResult.data.updateAccountSettings.errors, []);
  assert.equal(validResult.data.updateAccountSettings.account.settings.invoicePrefix, "UR/");
  assertRejected(invalidResult.data.updateAccountSettings);
});

test("a forbidden field is null and has an error", async () => {
  const { data, error } = await accountant.client.query(SETTINGS, { id: accountId });

  assertForbidden(data, error.graphQLErrors);
});

test("an invalid document is an error with its code", async () => {
  const { error } = await owner.client.query("query Unknown { unknown }", {});

  assert.equal(error.graphQLErrors[0].extensions.code, "GRAPHQL_VALIDATION_FAILED");
});

test("a subscription continues after a lost connection", async () => {
  const events = [];
  const { unsubscribe } = owner.client
    .subscription(EVENTS, { accountId })
    .subscribe(({ data }) => events.push(data.accountEvents));

  await assertEventArrives(events);
  await sendCommand("cut");
  await assertEventArrives(events);
  unsubscribe();
});

test("a document is sent as a hash only once the server has it", async () => {
  const query = newDocument();
  const requests = recordRequests();

  const first = await owner.client.query(query, {});
  const second = await owner.client.query(query, {}, { requestPolicy: "network-only" });

  assert.deepEqual(second.data, first.data);
  assert.deepEqual(requests, [[false, 64], [true, 64], [false, 64]]);
});
