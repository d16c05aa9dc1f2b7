// What every script shares: where the server is, who is signed in, and the operations that all clients run.

import assert from "node:assert/strict";
import { randomInt } from "node:crypto";
import { connect } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

const site = JSON.parse(process.env.SITE);

export const url = `${site.url}/graphql`;
export const wsUrl = url.replace(/^http/, "ws");
export const origin = site.url;
export const { anna, marek } = site.people;
export const firm = site.firm;
export const [email, password] = site.owner;

export const VIEWER = "query Viewer { viewer { user { id name } accounts(first: 10) { nodes { id name } } } }";
export const SETTINGS = "query Settings($id: ID!) { account(id: $id) { id name settings { invoicePrefix } } }";
export const UPDATE = `mutation Update($input: UpdateAccountSettingsInput!) {
  updateAccountSettings(input: $input) { account { id settings { invoicePrefix } } errors { code field message } }
}`;

export const EVENTS = `subscription Events($accountId: ID!) {
  accountEvents(accountId: $accountId) { id type actor { name } }
}`;

/** Variables of UPDATE that succeed, and others that are refused. */
export const accepted = (invoicePrefix) => ({ input: { accountId: firm, invoicePrefix } });
export const refused = { input: { accountId: firm, defaultCurrency: "GOLD" } };

/** The refusal that the second ones get, in the payload. */
export function checkRefusal(payload) {
  assert.deepEqual(payload.errors.map(({ code, field }) => [code, field]), [["INVALID", ["defaultCurrency"]]]);
  assert.equal(payload.account, null);
}

/** What the accountant gets for SETTINGS: the answer stands, its guarded field is null, and the error says why. */
export function checkForbidden(data, errors) {
  assert.equal(data.account.name, "Nowak Meble");
  assert.equal(data.account.settings, null);
  assert.equal(errors.length, 1);
  assert.deepEqual(errors[0].path, ["account", "settings"]);
  const { code, permission, requestId } = errors[0].extensions;
  assert.deepEqual([code, permission], ["FORBIDDEN", "SETTINGS_READ"]);
  assert.ok(requestId);
}

/** What is sent from here on: of each request, whether it had the text of its document, and its hash. */
export function watchRequests() {
  const sent = [];
  const real = globalThis.fetch;
  globalThis.fetch = (to, options) => {
    const { query, extensions } = JSON.parse(options.body);
    sent.push([Boolean(query), extensions?.persistedQuery?.sha256Hash.length]);
    return real(to, options);
  };
  return sent;
}

/** A document that no server has seen. */
export const unseen = () => `query Unseen${randomInt(2 ** 40)} { viewer { user { id name } } }`;

/** Tell the test's wire: "cut" ends every connection, "restart" brings up another server. */
export async function order(word) {
  const socket = connect(site.orders, "127.0.0.1");
  socket.write(`${word}\n`);
  let said = "";
  for await (const part of socket) said += part;
  assert.equal(said, "done\n");
}

/** Change the settings by POST, as the owner, each time into something else. */
export async function change() {
  changes += 1;
  const answer = await fetch(url, {
    method: "POST",
    headers: { "Content-Type": "application/json", Authorization: `Bearer ${anna}` },
    body: JSON.stringify({ query: UPDATE, variables: accepted(`${process.pid % 10_000}-${changes}/`) }),
  });
  assert.equal((await answer.json()).data.updateAccountSettings.errors.length, 0);
}
let changes = 0;

/** Wait until EVENTS tells of a change. No protocol says when a subscription has begun, so there are several. */
export async function checkTold(told) {
  const before = told.length;
  const event = await until(async () => {
    await change().catch((error) => { if (error.name !== "TypeError") throw error; }); // the wire was cut
    await sleep(200);
    return told[before];
  }, "an event");
  assert.deepEqual([event.type, event.actor.name], ["account:settings:update", "Anna Nowak"]);
}

/** Wait until `holds` gives something true. */
export async function until(holds, what) {
  for (const end = Date.now() + 20_000; Date.now() < end; await sleep(20)) {
    const found = await holds();
    if (found) return found;
  }
  assert.fail(`20 seconds went by without ${what}`);
}
