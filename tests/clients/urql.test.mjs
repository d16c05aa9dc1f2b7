import assert from "node:assert/strict";
import { after, test } from "node:test";
import { connect } from "./snippets/urql.mjs";
import { accepted, anna, checkForbidden, checkRefusal, checkTold, EVENTS, firm, marek, order, refused, SETTINGS, unseen, UPDATE, url, VIEWER, watchRequests } from "./world.mjs";

const owner = connect(url, anna);
const accountant = connect(url, marek);
after(() => Promise.all([owner.close(), accountant.close()]));

test("a query", async () => {
  const { data, error } = await owner.client.query(VIEWER, {});

  assert.equal(error, undefined);
  assert.equal(data.viewer.user.name, "Anna Nowak");
});

test("a mutation, and one that is refused", async () => {
  const done = await owner.client.mutation(UPDATE, accepted("UR/"));
  const not = await owner.client.mutation(UPDATE, refused);

  assert.deepEqual(done.data.updateAccountSettings.errors, []);
  assert.equal(done.data.updateAccountSettings.account.settings.invoicePrefix, "UR/");
  checkRefusal(not.data.updateAccountSettings);
});

test("a forbidden field", async () => {
  const { data, error } = await accountant.client.query(SETTINGS, { id: firm });

  checkForbidden(data, error.graphQLErrors);
});

test("an invalid document is an error with its code", async () => {
  const { error } = await owner.client.query("query Nothing { nothing }", {});

  assert.equal(error.graphQLErrors[0].extensions.code, "GRAPHQL_VALIDATION_FAILED");
});

test("a subscription, which goes on after a cut connection", async () => {
  const told = [];
  const { unsubscribe } = owner.client
    .subscription(EVENTS, { accountId: firm })
    .subscribe(({ data }) => told.push(data.accountEvents));

  await checkTold(told);
  await order("cut");
  await checkTold(told);
  unsubscribe();
});

test("a document is sent by its hash alone once the server knows it", async () => {
  const query = unseen();
  const sent = watchRequests();

  const first = await owner.client.query(query, {});
  const again = await owner.client.query(query, {}, { requestPolicy: "network-only" });

  assert.deepEqual(again.data, first.data);
  assert.deepEqual(sent, [[false, 64], [true, 64], [false, 64]]);
});
