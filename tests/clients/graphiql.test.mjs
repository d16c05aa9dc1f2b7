// GraphiQL in a real browser. It loads everything from this server, violates no policy, and stores nothing.

import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, test } from "node:test";
import { launch } from "./browser.mjs";
import { changeSettings, email, EVENTS, accountId, origin, password, waitFor, url } from "./common.mjs";

let browser;
let page;
let requestUrls;
let messages;

before(async () => { browser = await launch(); });
after(() => browser.close());

beforeEach(async () => {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, locale: "en-GB" });
  await context.addInitScript(() => {
    window.violations = [];
    addEventListener("securitypolicyviolation", (event) => {
      window.violations.push(`${event.violatedDirective}: ${event.blockedURI}`);
    });
  });
  context.setDefaultTimeout(15_000);
  page = await context.newPage();
  requestUrls = [];
  messages = [];
  page.on("request", (request) => requestUrls.push(request.url()));
  page.on("websocket", (socket) => requestUrls.push(socket.url()));
  page.on("pageerror", (error) => messages.push(String(error)));
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) messages.push(message.text());
  });
  await page.goto(url);
  await page.getByRole("button", { name: /^Execute query/ }).waitFor();
});

afterEach(async (t) => {
  if (process.env.TEST_SCREENSHOTS) await page.screenshot({ path: `${process.env.TEST_SCREENSHOTS}/${t.name}.png` });
  await page.context().close();
});

/** Replace the document in the editor, and run it. */
async function run(document) {
  await page.locator(".graphiql-query-editor .CodeMirror").click();
  await page.keyboard.press("ControlOrMeta+A");
  await page.keyboard.insertText(document);
  // GraphiQL parses the new text with a delay. Until then it sends the name of the old operation.
  await page.waitForTimeout(500);
  await page.getByRole("button", { name: /^Execute query/ }).click();
}

const responseText = () => page.locator(".result-window .CodeMirror").innerText();
const waitForResponse = (text) => page.locator(".result-window .CodeMirror", { hasText: text }).waitFor();

async function signIn() {
  await page.getByLabel("E-mail").fill(email);
  await page.getByLabel("Password").fill(password);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.locator("#user", { hasText: "Anna Nowak" }).waitFor();
}

/** Assert that all requests went to this server, without an error, a warning or a policy violation. */
async function assertNoProblems() {
  const foreignUrls = requestUrls.filter((address) => new URL(address).origin !== origin);

  assert.ok(requestUrls.length >= 9);
  assert.deepEqual(foreignUrls.filter((address) => !address.startsWith("data:")), []);
  assert.deepEqual(messages, []);
  assert.deepEqual(await page.evaluate(() => window.violations), []);
}

/** Read the data that the browser stores for the page. */
const readStorage = () =>
  page.evaluate(async () => ({
    local: { ...localStorage },
    session: { ...sessionStorage },
    databases: await indexedDB.databases(),
    caches: await caches.keys(),
    cookie: document.cookie,
  }));

test("signing in and running a query stores nothing", async () => {
  await signIn();
  await page.getByRole("button", { name: /^Execute query/ }).click();
  await waitForResponse("Nowak Meble");
  await page.getByRole("button", { name: "Headers" }).click();
  await page.locator(".graphiql-editor-tool .CodeMirror").last().click();
  await page.keyboard.insertText('{"X-Note": "canary"}');
  await run("{ viewer { user { email } } }");
  await waitForResponse(email);

  assert.deepEqual(await readStorage(), { local: {}, session: {}, databases: [], caches: [], cookie: "" });
  await assertNoProblems();
});

test("a session survives a reload in a cookie that no script can read", async () => {
  await signIn();
  await page.reload();
  await page.locator("#user", { hasText: "Anna Nowak" }).waitFor();

  const [{ name, httpOnly, secure, sameSite }, ...otherCookies] = await page.context().cookies();
  assert.match(name, /^__Host-/);
  assert.deepEqual([httpOnly, secure, otherCookies], [true, true, []]);
  assert.notEqual(sameSite, "None");
  assert.deepEqual(await readStorage(), { local: {}, session: {}, databases: [], caches: [], cookie: "" });
  await assertNoProblems();
});

test("a subscription shows events until it is stopped", async () => {
  await signIn();
  await run(EVENTS.replace(/\(\$accountId: ID!\)/, "").replace("$accountId", JSON.stringify(accountId)));
  const stop = page.getByRole("button", { name: /^Stop query/ });
  await stop.waitFor();
  await waitFor(async () => {
    await changeSettings();
    return (await responseText()).includes("account:settings:update");
  }, "an event");
  assert.ok(await stop.isVisible());
  await stop.click();
  await page.getByRole("button", { name: /^Execute query/ }).waitFor();

  await assertNoProblems();
});

test("a wrong password shows an error", async () => {
  await page.getByLabel("E-mail").fill(email);
  await page.getByLabel("Password").fill("not the password");
  await page.getByRole("button", { name: "Sign in" }).click();

  await page.getByRole("status").filter({ hasText: /password/i }).waitFor();
  await assertNoProblems();
});

test("signing out ends the session", async () => {
  await signIn();
  await page.getByRole("button", { name: "Sign out" }).click();
  await page.getByRole("button", { name: "Sign in" }).waitFor();
  await run("{ viewer { user { email } } }");
  await waitForResponse("viewer");

  assert.ok(!(await responseText()).includes(email));
  await assertNoProblems();
});

test("the documentation shows the rule of a field", async () => {
  await page.getByRole("button", { name: "Show Documentation Explorer" }).click();
  await page.locator(".graphiql-doc-explorer-search").click();
  await page.keyboard.type("settings");
  await page.getByRole("option", { name: /^Account\W*settings/ }).first().click();

  const text = await page.locator(".graphiql-doc-explorer-content").innerText();
  assert.match(text, /Needs SETTINGS_READ: owner, administrator, collaborator; consultant if granted\./);
  await assertNoProblems();
});

test("an injected script does not run", async () => {
  await page.evaluate(() => {
    const script = document.createElement("script");
    script.textContent = "window.broken = true";
    document.body.append(script);
  });

  assert.equal(await page.evaluate(() => window.broken), undefined);
  assert.deepEqual(await page.evaluate(() => window.violations), ["script-src-elem: inline"]);
});

test("another page cannot frame GraphiQL", async () => {
  const framingPage = await page.context().newPage();
  await framingPage.setContent(`<iframe src="${url}"></iframe>`);
  await framingPage.waitForLoadState("networkidle");

  const [frame] = framingPage.frames().filter((candidate) => candidate !== framingPage.mainFrame());
  assert.equal(await frame.locator("#graphiql").count(), 0);
});
