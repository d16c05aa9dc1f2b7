import assert from "node:assert/strict";
import { after, test } from "node:test";
import { gql } from "@apollo/client";
import { connect } from "./snippets/apollo.mjs";
import { accepted, anna, checkForbidden, checkRefusal, checkTold, EVENTS, firm, marek, order, refused, SETTINGS, unseen, UPDATE, url, VIEWER, watchRequests } from "./world.mjs";

const owner = connect(url, anna);
const accountant = connect(url, marek);
after(() => Promise.all([owner.close(), accountant.close()]));

test("a query, and its objects in the cache by their global ids", async () => {
  const { data } = await owner.client.query({ query: gql(VIEWER) });

  const [account] = data.viewer.accounts.nodes;
  const cached = owner.client.cache.readFragment({ id: `Account:${account.id}`, fragment: gql`fragment A on Account { name }` });
  assert.equal(data.viewer.user.name, "Anna Nowak");
  assert.equal(cached.name, account.name);
});

test("a mutation, which brings the cache up to date, and one that is refused", async () => {
  await owner.client.query({ query: gql(SETTINGS), variables: { id: firm } });

  const done = await owner.client.mutate({ mutation: gql(UPDATE), variables: accepted("AP/") });
  const not = await owner.client.mutate({ mutation: gql(UPDATE), variables: refused });

  const cached = owner.client.readQuery({ query: gql(SETTINGS), variables: { id: firm } });
  assert.deepEqual(done.data.updateAccountSettings.errors, []);
  assert.equal(cached.account.settings.invoicePrefix, "AP/");
  checkRefusal(not.data.updateAccountSettings);
});

test("a forbidden field", async () => {
  const { data, error } = await accountant.client.query({ query: gql(SETTINGS), variables: { id: firm } });

  checkForbidden(data, error.errors);
});

test("an invalid document is an error with its code", async () => {
  const { error } = await owner.client.query({ query: gql("query Nothing { nothing }") });

  assert.equal(error.errors[0].extensions.code, "GRAPHQL_VALIDATION_FAILED");
});

test("a subscription, which goes on after a cut connection", async () => {
  const told = [];
  const stop = owner.client
    .subscribe({ query: gql(EVENTS), variables: { accountId: firm } })
    .subscribe(({ data }) => told.push(data.accountEvents));

  await checkTold(told);
  await order("cut");
  await checkTold(told);
  stop.unsubscribe();
});

test("a document is sent by its hash alone once the server knows it", async () => {
  const query = gql(unseen());
  const [one, another] = [connect(url, anna), connect(url, anna)];
  const sent = watchRequests();

  const first = await one.client.query({ query });
  const again = await another.client.query({ query });
  await Promise.all([one.close(), another.close()]);

  assert.equal(first.data.viewer.user.name, "Anna Nowak");
  assert.deepEqual(again.data, first.data);
  assert.deepEqual(sent, [[false, 64], [true, 64], [false, 64]]);
});
