// Tests of the panel's pages in Chromium: a page that collects its problems, a sign-in, and the checks of a page.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { origin, password, url } from "./common.mjs";

export const OWNER = "anna@example.com";
export const ACCOUNTANT = "marek@example.com";
export const SIMPLE_USER = "ola@example.com";
export const BUREAU_OWNER = "ingrid@example.com";
export const WIDTHS = [1200, 360];

const AXE = readFileSync(fileURLToPath(new URL("node_modules/axe-core/axe.min.js", import.meta.url)), "utf8");
/** The rules of WCAG 2.2 AA. */
const AXE_TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];
/** Chromium logs each response with an error status. The tests of refusals expect them. */
const STATUS_MESSAGE = /^Failed to load resource: the server responded with a status of 4\d\d/;
const problemsOf = new WeakMap();

/** Ask the graph without a browser, with a token or null. An input is the variable `$input`. Nothing may be refused. */
export async function ask(token, query, input) {
  const headers = { "Content-Type": "application/json", ...(token && { Authorization: `Bearer ${token}` }) };
  const response = await fetch(url, { method: "POST", headers, body: JSON.stringify({ query, variables: { input } }) });
  const { data, errors } = await response.json();
  assert.equal(errors, undefined);
  for (const payload of Object.values(data)) assert.deepEqual(payload?.errors ?? [], []);
  return data;
}

/** The token of a new session. Its proof of identity is fresh. */
export async function signInWithoutBrowser(email) {
  const { signIn: session } = await ask(null, "mutation ($input: SignInInput!) { signIn(input: $input) { accessToken } }", { email, password });
  return session.accessToken;
}

export const button = (place, name) => place.getByRole("button", { name, exact: true });
export const dialog = (page) => page.getByRole("dialog");
export const row = (page, text) => page.getByRole("row").filter({ hasText: text });

/** Open a window of its own with cookies of its own. `language` is a tag such as `pl-PL`. @param {import("playwright-core").Browser} browser */
export async function openPage(browser, { width = 1200, height = 800, language = "en-GB", colorScheme = "light" } = {}) {
  const context = await browser.newContext({ viewport: { width, height }, locale: language, timezoneId: "Europe/Warsaw", colorScheme });
  await context.addInitScript(() => {
    window.violations = [];
    addEventListener("securitypolicyviolation", (event) => window.violations.push(`${event.violatedDirective}: ${event.blockedURI}`));
  });
  context.setDefaultTimeout(15_000);
  return openTab(context);
}

/** Open another tab with the cookies of a context. @param {import("playwright-core").BrowserContext} context */
export async function openTab(context) {
  const page = await context.newPage();
  const problems = { messages: [], foreignUrls: [] };
  problemsOf.set(page, problems);
  const record = (address) => {
    if (new URL(address).origin !== origin && !address.startsWith("data:")) problems.foreignUrls.push(address);
  };
  page.on("request", (request) => record(request.url()));
  page.on("websocket", (socket) => problems.foreignUrls.push(socket.url())); // The panel uses no WebSocket.
  page.on("pageerror", (error) => problems.messages.push(String(error.stack ?? error)));
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type()) && !STATUS_MESSAGE.test(message.text())) problems.messages.push(message.text());
  });
  return page;
}

/** Sign in through the sign-in page, and wait for the page after it: `path`, or the start page. The texts must be English. */
export async function signIn(page, email, { path = "/", secret = password } = {}) {
  await page.goto(`${origin}/sign-in?next=${encodeURIComponent(path)}`);
  await page.getByLabel("E-mail").fill(email);
  await page.getByLabel("Password").fill(secret);
  await page.getByRole("button", { name: "Sign in", exact: true }).click();
  await page.getByRole("banner").waitFor();
  // Another test can have ended before it restored the language of the profile.
  if ((await page.evaluate(() => document.documentElement.lang)) !== "en") {
    await changeProfile(page, "en");
    await page.reload();
  }
  await settle(page);
}

/** Open an address of the panel, and wait until its page has its data. */
export async function open(page, path) {
  await page.goto(`${origin}${path}`);
  await settle(page);
}

/** Wait until the page has a heading and loads nothing. */
export async function settle(page) {
  await page.locator("h1").first().waitFor();
  await page.waitForFunction(() => document.querySelector("h1") && !document.querySelector('.loading, main [aria-busy="true"]'));
}

/**
 * Show the panel in another language: at the doors by the key that the choice there stores, for a signed-in user by their
 * profile, until the context is closed.
 */
export async function setLanguage(page, locale) {
  const isSignedIn = await page.getByRole("banner").count();
  if (!isSignedIn) await page.evaluate((name) => localStorage.setItem("locale", name), locale);
  else {
    await changeProfile(page, locale);
    const context = page.context();
    const close = context.close.bind(context);
    context.close = async () => {
      await changeProfile(page, "en");
      await close();
    };
  }
  await page.reload();
  await settle(page);
}

async function changeProfile(page, locale) {
  const payload = await page.evaluate(async (name) => {
    const query = "mutation ($input: UpdateProfileInput!) { updateProfile(input: $input) { errors { code message } } }";
    const headers = { "Content-Type": "application/json", "X-Session": "cookie" };
    const response = await fetch("/graphql", { method: "POST", headers, body: JSON.stringify({ query, variables: { input: { locale: name } } }) });
    return response.json();
  }, locale);
  assert.deepEqual(payload.data?.updateProfile.errors, []);
}

/**
 * Assert that the page is in order: axe finds nothing, no error in the console, no report of the content security policy,
 * no request to another host, and no sideways scrolling at the widths. `name` is in the messages. `locale` is the expected language.
 */
export async function checkPage(page, name, { widths = WIDTHS, locale, ignoredRules = [] } = {}) {
  await settle(page);
  const size = page.viewportSize();
  for (const width of widths) {
    await page.setViewportSize({ width, height: size?.height ?? 800 });
    const findings = await page.evaluate(findOverflow);
    assert.deepEqual(findings, [], `${name}: wider than ${width} px`);
    assert.deepEqual(await runAxe(page, ignoredRules), [], `${name}: axe at ${width} px`);
  }
  if (size) await page.setViewportSize(size);
  if (locale) assert.equal(await page.evaluate(() => document.documentElement.lang), locale, `${name}: the language`);
  assert.equal(await page.locator("h1:visible").count(), 1, `${name}: one heading of the first level`);
  await assertNoProblems(page, name);
}

/** Assert that nothing went wrong in the page since it was opened. */
export async function assertNoProblems(page, name) {
  const { messages, foreignUrls } = problemsOf.get(page);
  assert.deepEqual(messages, [], `${name}: the console`);
  assert.deepEqual(foreignUrls, [], `${name}: requests to other hosts`);
  assert.deepEqual(await page.evaluate(() => window.violations), [], `${name}: the content security policy`);
}

/** The findings of axe, one line each. The script runs through the debugger, which the policy of the page does not concern. */
async function runAxe(page, ignoredRules) {
  if (!(await page.evaluate(() => "axe" in window))) await page.evaluate(AXE);
  return page.evaluate(
    async ([tags, ignored]) => {
      const rules = Object.fromEntries(ignored.map((rule) => [rule, { enabled: false }]));
      const { violations } = await window.axe.run(document, { runOnly: { type: "tag", values: tags }, rules, resultTypes: ["violations"] });
      return violations.flatMap(({ id, nodes }) => nodes.map(({ target, failureSummary }) => `${id}: ${target.join(" ")}: ${failureSummary.split("\n").slice(1).join(" ").trim()}`));
    },
    [AXE_TAGS, ignoredRules],
  );
}

/** Elements that stand out of the page to the right. */
function findOverflow() {
  const width = document.documentElement.clientWidth;
  if (document.documentElement.scrollWidth <= width) return [];
  return [...document.querySelectorAll("body *")].filter((element) => element.getBoundingClientRect().right > width + 1).slice(0, 5).map((element) => `${element.localName}.${element.className}: ${Math.round(element.getBoundingClientRect().right)}`);
}
