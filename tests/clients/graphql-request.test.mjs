import assert from "node:assert/strict";
import test from "node:test";
import { connect } from "./snippets/graphql-request.mjs";
import { validUpdate, ownerToken, assertForbidden, assertRejected, accountId, accountantToken, invalidUpdate, SETTINGS, UPDATE, url, VIEWER } from "./common.mjs";

test("a query returns its data", async () => {
  const { data } = await connect(url, ownerToken).rawRequest(VIEWER);

  assert.equal(data.viewer.user.name, "Anna Nowak");
});

test("a valid mutation succeeds and an invalid one has an error in its payload", async () => {
  const client = connect(url, ownerToken);

  const validResult = await client.request(UPDATE, validUpdate("GR/"));
  const invalidResult = await client.request(UPDATE, invalidUpdate);

  assert.deepEqual(validResult.updateAccountSettings.errors, []);
  assert.equal(validResult.updateAccountSettings.account.settings.invoicePrefix, "GR/");
  assertRejected(invalidResult.updateAccountSettings);
});

test("a forbidden field is null and has an error", async () => {
  const { data, errors } = await connect(url, accountantToken).rawRequest(SETTINGS, { id: accountId });

  assertForbidden(data, errors);
});

test("an invalid document is an error with its code", async () => {
  const error = await connect(url, ownerToken).request("{ unknown }").catch((thrown) => thrown);

  assert.equal(error.response.status, 400);
  assert.equal(error.response.errors[0].extensions.code, "GRAPHQL_VALIDATION_FAILED");
});
