// GraphiQL as a person meets it, in a real browser: everything from this server, nothing refused, nothing kept.

import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, test } from "node:test";
import { launch } from "./browser.mjs";
import { change, email, EVENTS, firm, origin, password, until, url } from "./world.mjs";

let browser;
let page;
let asked;
let complaints;

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
  asked = [];
  complaints = [];
  page.on("request", (request) => asked.push(request.url()));
  page.on("websocket", (socket) => asked.push(socket.url()));
  page.on("pageerror", (error) => complaints.push(String(error)));
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) complaints.push(message.text());
  });
  await page.goto(url);
  await page.getByRole("button", { name: /^Execute query/ }).waitFor();
});

afterEach(async (t) => {
  if (process.env.TEST_SCREENSHOTS) await page.screenshot({ path: `${process.env.TEST_SCREENSHOTS}/${t.name}.png` });
  await page.context().close();
});

/** Put a document in place of what is in the editor, and run it. */
async function run(document) {
  await page.locator(".graphiql-query-editor .CodeMirror").click();
  await page.keyboard.press("ControlOrMeta+A");
  await page.keyboard.insertText(document);
  // GraphiQL looks a moment later which operations the text holds, and sends the old one's name until then.
  await page.waitForTimeout(500);
  await page.getByRole("button", { name: /^Execute query/ }).click();
}

const answer = () => page.locator(".result-window .CodeMirror").innerText();
const answered = (text) => page.locator(".result-window .CodeMirror", { hasText: text }).waitFor();

async function signIn() {
  await page.getByLabel("E-mail").fill(email);
  await page.getByLabel("Password").fill(password);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.locator("#who", { hasText: "Anna Nowak" }).waitFor();
}

/** That everything came from here, and that neither the browser nor its policy had anything to say. */
async function checkPeace() {
  const elsewhere = asked.filter((address) => new URL(address).origin !== origin);

  assert.ok(asked.length >= 9);
  assert.deepEqual(elsewhere.filter((address) => !address.startsWith("data:")), []);
  assert.deepEqual(complaints, []);
  assert.deepEqual(await page.evaluate(() => window.violations), []);
}

/** What the browser keeps of the page. */
const kept = () =>
  page.evaluate(async () => ({
    local: { ...localStorage },
    session: { ...sessionStorage },
    databases: await indexedDB.databases(),
    caches: await caches.keys(),
    cookie: document.cookie,
  }));

test("it signs in, runs a query, and keeps nothing", async () => {
  await signIn();
  await page.getByRole("button", { name: /^Execute query/ }).click();
  await answered("Nowak Meble");
  await page.getByRole("button", { name: "Headers" }).click();
  await page.locator(".graphiql-editor-tool .CodeMirror").last().click();
  await page.keyboard.insertText('{"X-Note": "canary"}');
  await run("{ viewer { user { email } } }");
  await answered(email);

  assert.deepEqual(await kept(), { local: {}, session: {}, databases: [], caches: [], cookie: "" });
  await checkPeace();
});

test("a reload leaves the session as it is, in a cookie that no script can read", async () => {
  await signIn();
  await page.reload();
  await page.locator("#who", { hasText: "Anna Nowak" }).waitFor();

  const [{ name, httpOnly, secure, sameSite }, ...others] = await page.context().cookies();
  assert.match(name, /^__Host-/);
  assert.deepEqual([httpOnly, secure, others], [true, true, []]);
  assert.notEqual(sameSite, "None");
  assert.deepEqual(await kept(), { local: {}, session: {}, databases: [], caches: [], cookie: "" });
  await checkPeace();
});

test("a subscription shows what happens, until it is stopped", async () => {
  await signIn();
  await run(EVENTS.replace(/\(\$accountId: ID!\)/, "").replace("$accountId", JSON.stringify(firm)));
  const stop = page.getByRole("button", { name: /^Stop query/ });
  await stop.waitFor();
  await until(async () => {
    await change();
    return (await answer()).includes("account:settings:update");
  }, "an event");
  assert.ok(await stop.isVisible());
  await stop.click();
  await page.getByRole("button", { name: /^Execute query/ }).waitFor();

  await checkPeace();
});

test("a wrong password is told", async () => {
  await page.getByLabel("E-mail").fill(email);
  await page.getByLabel("Password").fill("not the password");
  await page.getByRole("button", { name: "Sign in" }).click();

  await page.getByRole("status").filter({ hasText: /password/i }).waitFor();
  await checkPeace();
});

test("signing out ends the session", async () => {
  await signIn();
  await page.getByRole("button", { name: "Sign out" }).click();
  await page.getByRole("button", { name: "Sign in" }).waitFor();
  await run("{ viewer { user { email } } }");
  await answered("viewer");

  assert.ok(!(await answer()).includes(email));
  await checkPeace();
});

test("the documentation names the rule of a field", async () => {
  await page.getByRole("button", { name: "Show Documentation Explorer" }).click();
  await page.locator(".graphiql-doc-explorer-search").click();
  await page.keyboard.type("settings");
  await page.getByRole("option", { name: /^Account\W*settings/ }).first().click();

  const shown = await page.locator(".graphiql-doc-explorer-content").innerText();
  assert.match(shown, /Needs SETTINGS_READ: owner, administrator, collaborator; consultant where given\./);
  await checkPeace();
});

test("a script that got into the page does not run", async () => {
  await page.evaluate(() => {
    const script = document.createElement("script");
    script.textContent = "window.broken = true";
    document.body.append(script);
  });

  assert.equal(await page.evaluate(() => window.broken), undefined);
  assert.deepEqual(await page.evaluate(() => window.violations), ["script-src-elem: inline"]);
});

test("no other page can frame it", async () => {
  const other = await page.context().newPage();
  await other.setContent(`<iframe src="${url}"></iframe>`);
  await other.waitForLoadState("networkidle");

  const [frame] = other.frames().filter((found) => found !== other.mainFrame());
  assert.equal(await frame.locator("#graphiql").count(), 0);
});
