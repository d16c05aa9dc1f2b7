import assert from "node:assert/strict";
import test from "node:test";
import { connect } from "./snippets/graphql-request.mjs";
import { accepted, anna, checkForbidden, checkRefusal, firm, marek, refused, SETTINGS, UPDATE, url, VIEWER } from "./world.mjs";

test("a query", async () => {
  const { data } = await connect(url, anna).rawRequest(VIEWER);

  assert.equal(data.viewer.user.name, "Anna Nowak");
});

test("a mutation, and one that is refused", async () => {
  const client = connect(url, anna);

  const done = await client.request(UPDATE, accepted("GR/"));
  const not = await client.request(UPDATE, refused);

  assert.deepEqual(done.updateAccountSettings.errors, []);
  assert.equal(done.updateAccountSettings.account.settings.invoicePrefix, "GR/");
  checkRefusal(not.updateAccountSettings);
});

test("a forbidden field", async () => {
  const { data, errors } = await connect(url, marek).rawRequest(SETTINGS, { id: firm });

  checkForbidden(data, errors);
});

test("an invalid document is an error with its code", async () => {
  const error = await connect(url, anna).request("{ nothing }").catch((thrown) => thrown);

  assert.equal(error.response.status, 400);
  assert.equal(error.response.errors[0].extensions.code, "GRAPHQL_VALIDATION_FAILED");
});
