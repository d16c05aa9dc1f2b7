// Shared by all scripts: the address of the server, two tokens, and the operations that all clients run.

import assert from "node:assert/strict";
import { randomInt } from "node:crypto";
import { connect } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

const config = JSON.parse(process.env.TEST_SERVER);

export const url = `${config.url}/graphql`;
export const wsUrl = url.replace(/^http/, "ws");
export const origin = config.url;
export const { ownerToken, accountantToken } = config.tokens;
export const accountId = config.accountId;
export const [email, password] = config.owner;

export const VIEWER = "query Viewer { viewer { user { id name } accounts(first: 10) { nodes { id name } } } }";
export const SETTINGS = "query Settings($id: ID!) { account(id: $id) { id name settings { invoicePrefix } } }";
export const UPDATE = `mutation Update($input: UpdateAccountSettingsInput!) {
  updateAccountSettings(input: $input) { account { id settings { invoicePrefix } } errors { code field message } }
}`;

export const EVENTS = `subscription Events($accountId: ID!) {
  accountEvents(accountId: $accountId) { id type actor { name } }
}`;

/** Variables of UPDATE: valid ones, and ones with an invalid value. */
export const validUpdate = (invoicePrefix) => ({ input: { accountId, invoicePrefix } });
export const invalidUpdate = { input: { accountId, defaultCurrency: "GOLD" } };

/** Assert the error in the payload for `invalidUpdate`. */
export function assertRejected(payload) {
  assert.deepEqual(payload.errors.map(({ code, field }) => [code, field]), [["INVALID", ["defaultCurrency"]]]);
  assert.equal(payload.account, null);
}

/** Assert the response to SETTINGS for the accountant: the field is null and has an error, all other data is there. */
export function assertForbidden(data, errors) {
  assert.equal(data.account.name, "Nowak Meble");
  assert.equal(data.account.settings, null);
  assert.equal(errors.length, 1);
  assert.deepEqual(errors[0].path, ["account", "settings"]);
  const { code, permission, requestId } = errors[0].extensions;
  assert.deepEqual([code, permission], ["FORBIDDEN", "SETTINGS_READ"]);
  assert.ok(requestId);
}

/** Record all further requests. Each entry says whether the document was sent, and the length of its hash. */
export function recordRequests() {
  const requests = [];
  const originalFetch = globalThis.fetch;
  globalThis.fetch = (resource, options) => {
    const { query, extensions } = JSON.parse(options.body);
    requests.push([Boolean(query), extensions?.persistedQuery?.sha256Hash.length]);
    return originalFetch(resource, options);
  };
  return requests;
}

/** Return a document that no server has received before. */
export const newDocument = () => `query New${randomInt(2 ** 40)} { viewer { user { id name } } }`;

/** Send a command to the proxy. "cut" ends all connections, "restart" starts another server. */
export async function sendCommand(command) {
  const socket = connect(config.commandPort, "127.0.0.1");
  socket.write(`${command}\n`);
  let reply = "";
  for await (const chunk of socket) reply += chunk;
  assert.equal(reply, "done\n");
}

/** Change the settings by POST as the owner, to a new value each time. */
export async function changeSettings() {
  changes += 1;
  const response = await fetch(url, {
    method: "POST",
    headers: { "Content-Type": "application/json", Authorization: `Bearer ${ownerToken}` },
    body: JSON.stringify({ query: UPDATE, variables: validUpdate(`${process.pid % 10_000}-${changes}/`) }),
  });
  assert.equal((await response.json()).data.updateAccountSettings.errors.length, 0);
}
let changes = 0;

/** Change the settings until an event arrives. No protocol says when a subscription has started. */
export async function assertEventArrives(events) {
  const eventCount = events.length;
  const event = await waitFor(async () => {
    await changeSettings().catch((error) => { if (error.name !== "TypeError") throw error; }); // The connection was cut.
    await sleep(200);
    return events[eventCount];
  }, "an event");
  assert.deepEqual([event.type, event.actor.name], ["account:settings:update", "Anna Nowak"]);
}

/** Wait until `condition` returns a true value, and return it. Fails after 20 seconds. */
export async function waitFor(condition, description) {
  for (const end = Date.now() + 20_000; Date.now() < end; await sleep(20)) {
    const result = await condition();
    if (result) return result;
  }
  assert.fail(`20 seconds passed without ${description}`);
}
