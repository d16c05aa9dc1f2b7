// The Relay compiler against the printed schema, then what it made against the server.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { registerHooks } from "node:module";
import { after, before, test } from "node:test";
import runtime from "relay-runtime";
import { connect } from "./snippets/relay.mjs";
import { accepted, anna, checkRefusal, checkTold, firm, order, refused, url } from "./world.mjs";

const { commitMutation, createOperationDescriptor, fetchQuery, getSingularSelector, requestSubscription } = runtime;
const folder = new URL("relay/", import.meta.url);
const compiler = new URL("node_modules/relay-compiler/cli.js", import.meta.url).pathname;
const { environment, close } = connect(url, anna);
after(close);

// As bundlers do: what the compiler makes imports its like without an extension.
registerHooks({
  resolve: (name, context, next) => next(name.endsWith(".graphql") ? `${name}.js` : name, context),
});

before(() => {
  rmSync(new URL("__generated__", folder), { recursive: true, force: true });
  mkdirSync(new URL("__generated__", folder));
  execFileSync(process.execPath, [compiler, "relay.config.json"], { cwd: folder, stdio: "pipe" });
});

const compiled = async (name) => (await import(new URL(`__generated__/${name}.graphql.js`, folder))).default;
const ask = async (name, variables) => fetchQuery(environment, await compiled(name), variables).toPromise();
const read = (fragment, owner) => environment.lookup(getSingularSelector(fragment, owner)).data;

test("every operation and fragment of the app compiles", () => {
  const tags = readdirSync(new URL("src/", folder))
    .map((name) => readFileSync(new URL(`src/${name}`, folder), "utf8"))
    .flatMap((text) => [...text.matchAll(/^ +(?:query|mutation|subscription|fragment) (\w+)/gm)].map(([, name]) => name));
  const made = readdirSync(new URL("__generated__/", folder)).map((name) => name.replace(".graphql.js", ""));

  assert.ok(tags.length >= 7);
  assert.deepEqual(made.toSorted(), [...tags, "AccountDaysRefetchQuery", "AccountListPaginationQuery"].toSorted());
});

test("the pages of a connection come together in the store", async () => {
  const query = createOperationDescriptor(await compiled("AccountListQuery"), {});
  const fragment = await compiled("AccountList_viewer");
  const listed = () => read(fragment, environment.lookup(query.fragment).data.viewer).accounts;
  const kept = environment.retain(query);

  const first = await ask("AccountListQuery", {});
  const { pageInfo, totalCount, edges } = listed();
  await ask("AccountListPaginationQuery", { count: 10, cursor: pageInfo.endCursor });
  const whole = listed();
  kept.dispose();

  assert.equal(first.viewer.user.name, "Anna Nowak");
  assert.deepEqual([totalCount, edges.length, pageInfo.hasNextPage], [2, 1, true]);
  assert.deepEqual([whole.edges.length, whole.pageInfo.hasNextPage], [2, false]);
  const [one, other] = await Promise.all(
    whole.edges.map(async ({ node }) => read(await compiled("AccountRow_account"), node)),
  );
  assert.deepEqual([one.name, other.name], ["Nowak Meble", "Nowak Transport"]);
  assert.equal(one.viewerGrant.role, "OWNER");
});

test("a fragment is fetched again through node", async () => {
  const answer = await ask("AccountDaysRefetchQuery", { id: firm });

  const days = read(await compiled("AccountDays_account"), answer.node);
  assert.equal(days.id, firm);
  assert.ok(days.subscription.daysLeft > 0);
});

test("an object by its global id", async () => {
  const answer = await ask("AccountPageQuery", { id: firm });

  assert.equal(answer.node.name, "Nowak Meble");
  assert.ok(answer.node.grants.edges.length >= 3);
});

test("a mutation, and one that is refused", async () => {
  const mutation = await compiled("AccountPageUpdateMutation");
  const commit = (variables) =>
    new Promise((resolve, reject) => {
      commitMutation(environment, { mutation, variables, onCompleted: resolve, onError: reject });
    });

  const done = await commit(accepted("RE/"));
  const not = await commit(refused);

  assert.deepEqual(done.updateAccountSettings.errors, []);
  assert.equal(done.updateAccountSettings.account.settings.invoicePrefix, "RE/");
  checkRefusal(not.updateAccountSettings);
});

test("a subscription, which goes on after a cut connection", async () => {
  const told = [];
  const { dispose } = requestSubscription(environment, {
    subscription: await compiled("AccountPageEventsSubscription"),
    variables: { accountId: firm },
    onNext: ({ accountEvents }) => told.push(accountEvents),
  });

  await checkTold(told);
  await order("cut");
  await checkTold(told);
  dispose();
});
