// The Relay compiler on schema.graphql, and the compiled operations on the server.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { registerHooks } from "node:module";
import { after, before, test } from "node:test";
import runtime from "relay-runtime";
import { connect } from "./snippets/relay.mjs";
import { validUpdate, ownerToken, assertRejected, assertEventArrives, accountId, sendCommand, invalidUpdate, url } from "./common.mjs";

const { commitMutation, createOperationDescriptor, fetchQuery, getSingularSelector, requestSubscription } = runtime;
const folder = new URL("relay/", import.meta.url);
const compiler = new URL("node_modules/relay-compiler/cli.js", import.meta.url).pathname;
const { environment, close } = connect(url, ownerToken);
after(close);

// Compiled files import each other without an extension, which bundlers resolve and Node.js does not.
registerHooks({
  resolve: (name, context, next) => next(name.endsWith(".graphql") ? `${name}.js` : name, context),
});

before(() => {
  rmSync(new URL("__generated__", folder), { recursive: true, force: true });
  mkdirSync(new URL("__generated__", folder));
  execFileSync(process.execPath, [compiler, "relay.config.json"], { cwd: folder, stdio: "pipe" });
});

const load = async (name) => (await import(new URL(`__generated__/${name}.graphql.js`, folder))).default;
const ask = async (name, variables) => fetchQuery(environment, await load(name), variables).toPromise();
const read = (fragment, owner) => environment.lookup(getSingularSelector(fragment, owner)).data;

test("every operation and fragment of the example compiles", () => {
  const tags = readdirSync(new URL("src/", folder))
    .map((name) => readFileSync(new URL(`src/${name}`, folder), "utf8"))
    .flatMap((text) => [...text.matchAll(/^ +(?:query|mutation|subscription|fragment) (\w+)/gm)].map(([, name]) => name));
  const files = readdirSync(new URL("__generated__/", folder)).map((name) => name.replace(".graphql.js", ""));

  assert.ok(tags.length >= 7);
  assert.deepEqual(files.toSorted(), [...tags, "AccountDaysRefetchQuery", "AccountListPaginationQuery"].toSorted());
});

test("the store joins the pages of a connection", async () => {
  const query = createOperationDescriptor(await load("AccountListQuery"), {});
  const fragment = await load("AccountList_viewer");
  const readAccounts = () => read(fragment, environment.lookup(query.fragment).data.viewer).accounts;
  const retention = environment.retain(query);

  const first = await ask("AccountListQuery", {});
  const { pageInfo, totalCount, edges } = readAccounts();
  await ask("AccountListPaginationQuery", { count: 10, cursor: pageInfo.endCursor });
  const accounts = readAccounts();
  retention.dispose();

  assert.equal(first.viewer.user.name, "Anna Nowak");
  assert.deepEqual([totalCount, edges.length, pageInfo.hasNextPage], [2, 1, true]);
  assert.deepEqual([accounts.edges.length, accounts.pageInfo.hasNextPage], [2, false]);
  const [firstAccount, secondAccount] = await Promise.all(
    accounts.edges.map(async ({ node }) => read(await load("AccountRow_account"), node)),
  );
  assert.deepEqual([firstAccount.name, secondAccount.name], ["Nowak Meble", "Nowak Transport"]);
  assert.equal(firstAccount.viewerGrant.role, "OWNER");
});

test("a fragment is refetched through node", async () => {
  const response = await ask("AccountDaysRefetchQuery", { id: accountId });

  const days = read(await load("AccountDays_account"), response.node);
  assert.equal(days.id, accountId);
  assert.ok(days.subscription.daysLeft > 0);
});

test("node returns an object by its global id", async () => {
  const response = await ask("AccountPageQuery", { id: accountId });

  assert.equal(response.node.name, "Nowak Meble");
  assert.ok(response.node.grants.edges.length >= 3);
});

test("a valid mutation succeeds and an invalid one has an error in its payload", async () => {
  const mutation = await load("AccountPageUpdateMutation");
  const commit = (variables) =>
    new Promise((resolve, reject) => {
      commitMutation(environment, { mutation, variables, onCompleted: resolve, onError: reject });
    });

  const validResult = await commit(validUpdate("RE/"));
  const invalidResult = await commit(invalidUpdate);

  assert.deepEqual(validResult.updateAccountSettings.errors, []);
  assert.equal(validResult.updateAccountSettings.account.settings.invoicePrefix, "RE/");
  assertRejected(invalidResult.updateAccountSettings);
});

test("a subscription continues after a lost connection", async () => {
  const events = [];
  const { dispose } = requestSubscription(environment, {
    subscription: await load("AccountPageEventsSubscription"),
    variables: { accountId },
    onNext: ({ accountEvents }) => events.push(accountEvents),
  });

  await assertEventArrives(events);
  await sendCommand("cut");
  await assertEventArrives(events);
  dispose();
});
