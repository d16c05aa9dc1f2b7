// The panel's doors and its frame: sign-in, quick switch, language, two tabs in two accounts, and an access that ends.

import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import { launch } from "./browser.mjs";
import { origin, ownerToken, waitFor } from "./common.mjs";
import { ACCOUNTANT, ask, assertNoProblems, checkPage, open, openPage, openTab, OWNER, setLanguage, settle, signIn, SIMPLE_USER } from "./panel.mjs";

const GRANTS = `query Grants { viewer { accounts(first: 10) { nodes { number name grants(first: 20) { nodes { id user { email } } } } } } }`;
const REVOKE = "mutation Revoke($input: RevokeGrantInput!) { revokeGrant(input: $input) { errors { code message } } }";
const RESTORE = "mutation Restore($input: RestoreGrantInput!) { restoreGrant(input: $input) { errors { code message } } }";

let browser;
before(async () => { browser = await launch(); });
after(() => browser.close());
afterEach(async () => { for (const context of browser.contexts()) await context.close(); });

async function findAccounts() {
  return (await ask(ownerToken, GRANTS)).viewer.accounts.nodes;
}

const heading = (page) => page.locator("main h1").innerText();

test("the doors are in order in two languages and at two widths", async () => {
  const page = await openPage(browser);
  for (const path of ["/sign-in", "/sign-up", "/forgot", "/activate#x", "/reset#x", "/email#x", "/email-undo#x", "/invitation#x", "/invitation"]) {
    await page.goto("about:blank"); // A change of the token alone would load nothing.
    await open(page, path);
    await checkPage(page, path, { locale: "en" });
  }
  await setLanguage(page, "pl");
  for (const path of ["/sign-in", "/sign-up", "/forgot"]) {
    await open(page, path);
    await checkPage(page, `${path} in Polish`, { locale: "pl" });
  }
});

test("a visitor signs in and returns to the address that they wanted", async () => {
  const page = await openPage(browser);
  await open(page, "/accounts?search=Nowak");
  assert.equal(await heading(page), "Sign in");
  await page.getByLabel("E-mail").fill(OWNER);
  await page.getByLabel("Password").fill("not the password");
  await page.getByRole("button", { name: "Sign in", exact: true }).click();
  await page.getByRole("alert").filter({ hasText: /password/i }).waitFor();
  await page.getByLabel("Password").fill("kestrel-orbit-lantern");
  await page.keyboard.press("Enter");
  await page.getByRole("cell", { name: "Nowak Meble" }).waitFor();

  assert.equal(new URL(page.url()).pathname + new URL(page.url()).search, "/accounts?search=Nowak");
  assert.equal(await page.getByRole("searchbox", { name: "Search" }).inputValue(), "Nowak");
  await checkPage(page, "accounts", { locale: "en" });
});

test("an address after the sign-in cannot lead to another host", async () => {
  const page = await openPage(browser);
  for (const target of ["//example.com/", "/\\example.com/", "/\t/example.com/", "https://example.com/"]) {
    await signIn(page, OWNER, { path: target });
    assert.equal(new URL(page.url()).origin, origin);
    await page.getByRole("button", { name: "Sign out" }).click();
    await page.getByLabel("Password").waitFor();
  }
  await assertNoProblems(page, "sign-in");
});

test("signing out takes away what a reload would show", async () => {
  const page = await openPage(browser);
  await signIn(page, OWNER, { path: "/accounts" });
  await page.getByRole("button", { name: "Sign out" }).click();
  await page.getByLabel("Password").waitFor();
  await open(page, "/accounts");

  assert.equal(await heading(page), "Sign in");
  assert.deepEqual(await page.context().cookies(), []);
  await assertNoProblems(page, "sign-out");
});

test("the keyboard alone switches to another account", async () => {
  const page = await openPage(browser);
  await signIn(page, OWNER, { path: "/accounts" });
  await page.keyboard.press("ControlOrMeta+k");
  const search = page.getByRole("combobox", { name: "Name or number" });
  await search.waitFor();
  await page.getByRole("option", { name: /Nowak Transport/ }).waitFor();
  await checkPage(page, "quick switch");
  assert.equal(await search.evaluate((element) => element === document.activeElement), true);
  await page.keyboard.type("transport");
  await page.getByRole("option", { name: /Nowak Meble/ }).waitFor({ state: "detached" });
  await page.keyboard.press("Enter");
  await page.waitForURL(/\/a\/\d+$/);
  await settle(page);
  assert.equal(await heading(page), "Nowak Transport");

  await page.keyboard.press("ControlOrMeta+k");
  await page.getByRole("option", { name: /Nowak Meble/ }).waitFor();
  await page.keyboard.press("Escape");
  await page.getByRole("dialog").waitFor({ state: "detached" });
  assert.equal(await heading(page), "Nowak Transport");
  await assertNoProblems(page, "quick switch");
});

test("a visitor chooses a language, and the choice stays", async () => {
  const page = await openPage(browser, { language: "it-IT" });
  await open(page, "/sign-in");
  assert.equal(await page.evaluate(() => document.documentElement.lang), "it");
  await page.getByRole("combobox").selectOption("pl");
  await page.waitForFunction(() => document.documentElement.lang === "pl");
  await page.reload();
  await settle(page);

  assert.equal(await heading(page), "Zaloguj się");
  await checkPage(page, "sign-in in Polish", { locale: "pl" });
});

test("two tabs show two accounts of one session", async () => {
  const [first, second] = await findAccounts();
  const page = await openPage(browser);
  await signIn(page, OWNER, { path: `/a/${first.number}` });
  const otherPage = await openTab(page.context());
  await open(otherPage, `/a/${second.number}`);

  assert.deepEqual([await heading(page), await heading(otherPage)], [first.name, second.name]);
  await page.reload();
  await settle(page);
  assert.equal(await heading(page), first.name);
  await assertNoProblems(page, "first tab");
  await assertNoProblems(otherPage, "second tab");
});

test("a revoked access takes the page away while the user looks at it", async () => {
  const accounts = await findAccounts();
  const [account, grant] = accounts.flatMap((node) => node.grants.nodes.filter(({ user }) => user.email === SIMPLE_USER).map((found) => [node, found]))[0];
  const page = await openPage(browser);
  await signIn(page, SIMPLE_USER, { path: `/a/${account.number}` });
  assert.equal(await heading(page), account.name);
  await page.waitForTimeout(500); // No protocol says when a subscription has started.
  try {
    await ask(ownerToken, REVOKE, { grantId: grant.id });
    const revokedAt = Date.now();
    await page.getByRole("heading", { name: "No access" }).waitFor();
    console.log(`note: the page was gone ${Date.now() - revokedAt} ms after the access was revoked`);
    await page.getByText(`You have no access to the account ${account.number}`).waitFor();
    await checkPage(page, "no access");
  } finally {
    await ask(ownerToken, RESTORE, { grantId: grant.id });
  }
  await waitFor(async () => (await heading(page)) === account.name, "the account, which the user may enter again");
});

test("an account of other users is not shown, and an unknown address says so", async () => {
  const page = await openPage(browser);
  await signIn(page, ACCOUNTANT, { path: "/a/1" });
  assert.equal(await heading(page), "No access");
  await checkPage(page, "account of another user");
  await open(page, "/me/nothing-of-this-name");
  assert.equal(await heading(page), "Page not found");
  await checkPage(page, "unknown address");
});
