// The user's own pages of the panel: profile, security with an authenticator app and a passkey, access, events and data.

import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { after, afterEach, before, test } from "node:test";
import { launch } from "./browser.mjs";
import { origin, password } from "./common.mjs";
import { ask, button, checkPage, dialog, open, openPage, OWNER, settle, signIn, signInWithoutBrowser, SIMPLE_USER } from "./panel.mjs";

const ACCOUNTS = "query Accounts { viewer { accounts(first: 10) { nodes { id number name } } } }";
const INVITE = "mutation Invite($input: InviteUserInput!) { inviteUser(input: $input) { errors { code message } } }";
const BASE32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
const STEP_SECONDS = 30;

let browser;
before(async () => { browser = await launch(); });
after(() => browser.close());
afterEach(async () => { for (const context of browser.contexts()) await context.close(); });

/** The code that an authenticator app shows now. */
function appCode(secret) {
  const bits = [...secret].map((letter) => BASE32.indexOf(letter).toString(2).padStart(5, "0")).join("");
  const key = Buffer.from(bits.match(/.{8}/g).map((byte) => Number.parseInt(byte, 2)));
  const counter = Buffer.alloc(8);
  counter.writeBigUInt64BE(BigInt(Math.floor(Date.now() / 1000 / STEP_SECONDS)));
  const hash = createHmac("sha1", key).update(counter).digest();
  return String((hash.readUInt32BE(hash[19] & 15) & 0x7fffffff) % 1_000_000).padStart(6, "0");
}

test("the user's pages are in order at two widths", async () => {
  const page = await openPage(browser);
  await signIn(page, OWNER, { path: "/me" });
  for (const path of ["/me", "/me/security", "/me/access", "/me/events", "/me/data"]) {
    await open(page, path);
    await checkPage(page, path, { locale: "en" });
  }
});

test("a user chooses a language, and the panel is in it at once", async () => {
  const page = await openPage(browser);
  await signIn(page, SIMPLE_USER, { path: "/me" });
  await page.locator("select[name=language]").selectOption("pl");
  await button(page, "Save").click();
  await page.getByText("Twój profil jest zapisany.").waitFor();
  await checkPage(page, "/me in Polish", { locale: "pl" });
  await open(page, "/me/security");
  await checkPage(page, "/me/security in Polish", { locale: "pl" });
  await open(page, "/me");
  await page.locator("select[name=language]").selectOption("en");
  await button(page, "Zapisz").click();
  await page.getByText("Your profile is saved.").waitFor();
});

test("an authenticator app is set up, a recovery code replaces it, and it is removed", async () => {
  const page = await openPage(browser);
  await signIn(page, SIMPLE_USER, { path: "/me/security" });
  await page.getByText("Set up an authenticator app").click();
  const app = page.getByRole("region", { name: "Authenticator app" });
  await app.getByLabel("Password").fill(password);
  await button(app, "Begin").click();
  const secret = (await app.locator(".secret").innerText()).replaceAll(" ", "");
  assert.equal(await app.getByRole("img").count(), 1);
  await app.getByLabel("Code of the app").fill(appCode(secret));
  await button(app, "Activate").click();
  const codes = page.getByRole("region", { name: "Your recovery codes" });
  await codes.waitFor();
  const recoveryCodes = await codes.getByRole("listitem").allInnerTexts();
  assert.equal(new Set(recoveryCodes).size, 10);
  await checkPage(page, "recovery codes", { locale: "en" });
  const [file] = await Promise.all([page.waitForEvent("download"), button(codes, "Save as a file").click()]);
  assert.equal(file.suggestedFilename(), "fullmakt-recovery-codes.txt");
  await button(codes, "I have stored them").click();
  await button(page, "Sign out").click();

  await page.getByLabel("E-mail").fill(SIMPLE_USER);
  await page.getByLabel("Password").fill(password);
  await button(page, "Sign in").click();
  await page.getByLabel("Code of your authenticator app, or a recovery code").fill(recoveryCodes[0]);
  await button(page, "Sign in").click();
  await page.getByRole("banner").waitFor();

  await open(page, "/me/security");
  await page.getByText("9 recovery codes are left.").waitFor();
  await button(page, "Remove the app").click();
  await dialog(page).getByLabel("Password").fill(password);
  await button(dialog(page), "Remove the app").click();
  await page.getByText("Set up an authenticator app").waitFor();
});

test("a passkey signs in without address and password, and is removed", async () => {
  const page = await openPage(browser);
  // Passkeys belong to a name of a site. A loopback address counts as this one.
  const site = origin.replace("127.0.0.1", "localhost");
  const debuggerSession = await page.context().newCDPSession(page);
  await debuggerSession.send("WebAuthn.enable");
  const options = { protocol: "ctap2", transport: "internal", hasResidentKey: true, hasUserVerification: true, isUserVerified: true, automaticPresenceSimulation: true };
  await debuggerSession.send("WebAuthn.addVirtualAuthenticator", { options });
  await page.goto(`${site}/sign-in?next=/me/security`);
  await page.getByLabel("E-mail").fill(SIMPLE_USER);
  await page.getByLabel("Password").fill(password);
  await button(page, "Sign in").click();
  await button(page, "Add a passkey").click();
  await dialog(page).getByLabel("Name").fill("Laptop");
  await button(dialog(page), "Add the passkey").click();
  await button(page, "I have stored them").click();
  await button(page, "Sign out").click();

  await button(page, "Sign in with a passkey").click();
  await page.getByRole("banner").waitFor();

  await page.goto(`${site}/me/security`);
  await button(page, "Remove the passkey Laptop").click();
  await button(dialog(page), "Remove").click();
  await page.getByText("You have no passkey yet.").waitFor();
});

test("a user declines an invitation, and withdraws a request for access", async () => {
  const token = await signInWithoutBrowser(OWNER);
  const accounts = (await ask(token, ACCOUNTS)).viewer.accounts.nodes;
  const account = accounts.find(({ name }) => name === "Nowak Transport");
  const { inviteUser } = await ask(token, INVITE, { accountId: account.id, email: SIMPLE_USER, role: "ACCOUNTANT" });
  assert.deepEqual(inviteUser.errors, []);
  const page = await openPage(browser);
  await signIn(page, SIMPLE_USER, { path: "/me/access" });
  await button(page, "Decline the invitation of Nowak Transport").click();
  await button(dialog(page), "Decline").click();
  await page.getByText("You have no invitations at the moment.").waitFor();

  await button(page, "Ask for access").click();
  await dialog(page).getByLabel("Number of the account").fill("one");
  await button(dialog(page), "Ask for access").click();
  await dialog(page).getByText("Enter the number of the account, in digits.").waitFor();
  await dialog(page).getByLabel("Number of the account").fill(String(account.number));
  await button(dialog(page), "Ask for access").dblclick();
  await button(page, `Withdraw the request for ${account.number}`).click();
  await button(dialog(page), "Withdraw").click();
  await page.getByRole("cell", { name: "Withdrawn" }).first().waitFor();
  await checkPage(page, "/me/access", { locale: "en" });
});

test("a user takes a copy of their data, and reads why their login cannot be erased", async () => {
  const page = await openPage(browser);
  await signIn(page, OWNER, { path: "/me/data" });
  await page.getByLabel("Password").fill(password);
  const [file] = await Promise.all([page.waitForEvent("download"), button(page, "Download the file").click()]);
  assert.match(file.suggestedFilename(), /^fullmakt-[-\d]+\.json$/);
  const erasure = page.getByRole("region", { name: "Erase your login" });
  await erasure.getByRole("link", { name: /^Nowak Meble/ }).waitFor();

  assert.equal(await button(page, "Erase my login").count(), 0);
  await settle(page);
});
