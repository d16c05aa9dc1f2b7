import assert from "node:assert/strict";
import { after, test } from "node:test";
import { gql } from "@apollo/client";
import { connect } from "./snippets/apollo.mjs";
import { validUpdate, ownerToken, assertForbidden, assertRejected, assertEventArrives, EVENTS, accountId, accountantToken, sendCommand, invalidUpdate, SETTINGS, newDocument, UPDATE, url, VIEWER, recordRequests } from "./common.mjs";

const owner = connect(url, ownerToken);
const accountant = connect(url, accountantToken);
after(() => Promise.all([owner.close(), accountant.close()]));

test("objects of a query are cached by their global ids", async () => {
  const { data } = await owner.client.query({ query: gql(VIEWER) });

  const [account] = data.viewer.accounts.nodes;
  const cached = owner.client.cache.readFragment({ id: `Account:${account.id}`, fragment: gql`fragment A on Account { name }` });
  assert.equal(data.viewer.user.name, "Anna Nowak");
  assert.equal(cached.name, account.name);
});

test("a valid mutation updates the cache and an invalid one has an error in its payload", async () => {
  await owner.client.query({ query: gql(SETTINGS), variables: { id: accountId } });

  const validResult = await owner.client.mutate({ mutation: gql(UPDATE), variables: validUpdate("AP/") });
  const invalidResult = await owner.client.mutate({ mutation: gql(UPDATE), variables: invalidUpdate });

  const cached = owner.client.readQuery({ query: gql(SETTINGS), variables: { id: accountId } });
  assert.deepEqual(validResult.data.updateAccountSettings.errors, []);
  assert.equal(cached.account.settings.invoicePrefix, "AP/");
  assertRejected(invalidResult.data.updateAccountSettings);
});

test("a forbidden field is null and has an error", async () => {
  const { data, error } = await accountant.client.query({ query: gql(SETTINGS), variables: { id: accountId } });

  assertForbidden(data, error.errors);
});

test("an invalid document is an error with its code", async () => {
  const { error } = await owner.client.query({ query: gql("query Unknown { unknown }") });

  assert.equal(error.errors[0].extensions.code, "GRAPHQL_VALIDATION_FAILED");
});

test("a subscription continues after a lost connection", async () => {
  const events = [];
  const stop = owner.client
    .subscribe({ query: gql(EVENTS), variables: { accountId } })
    .subscribe(({ data }) => events.push(data.accountEvents));

  await assertEventArrives(events);
  await sendCommand("cut");
  await assertEventArrives(events);
  stop.unsubscribe();
});

test("a document is sent as a hash only once the server has it", async () => {
  const query = gql(newDocument());
  const [firstClient, secondClient] = [connect(url, ownerToken), connect(url, ownerToken)];
  const requests = recordRequests();

  const first = await firstClient.client.query({ query });
  const second = await secondClient.client.query({ query });
  await Promise.all([firstClient.close(), secondClient.close()]);

  assert.equal(first.data.viewer.user.name, "Anna Nowak");
  assert.deepEqual(second.data, first.data);
  assert.deepEqual(requests, [[false, 64], [true, 64], [false, 64]]);
});
