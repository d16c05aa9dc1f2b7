// The panel's pages about the users of an account: people, invitations, requests, views as somebody else, and linked accounts.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { launch } from "./browser.mjs";
import { password } from "./common.mjs";
import { ask, BUREAU_OWNER, button, checkPage, dialog, open, openPage, OWNER, row, settle, signIn, signInWithoutBrowser, SIMPLE_USER } from "./panel.mjs";

let browser;
/** An account of the owner for these tests. Two other users have access: a simple user and the owner of a bureau. */
let account;
/** The number of the account of the bureau. */
let bureauNumber;
/** The only tab of each user. Each tab has two streams, and Chromium opens six connections to a server. */
const windows = {};

before(async () => {
  browser = await launch();
  const [owner, simpleUser, bureauOwner] = await Promise.all([OWNER, SIMPLE_USER, BUREAU_OWNER].map(signInWithoutBrowser));
  const created = await ask(owner, "mutation ($input: CreateAccountInput!) { createAccount(input: $input) { account { id number name } } }", { name: "Nowak Meble Gdynia" });
  account = created.createAccount.account;
  await share(owner, SIMPLE_USER, "SIMPLE_USER", simpleUser);
  await share(owner, BUREAU_OWNER, "COLLABORATOR", bureauOwner);
  const { accounts } = await ask(bureauOwner, "{ accounts(first: 10) { nodes { number name } } }");
  bureauNumber = accounts.nodes.find(({ name }) => name === "Solheim Regnskap").number;
});
after(() => browser.close());

async function share(owner, email, role, guest) {
  const { inviteUser } = await ask(owner, "mutation ($input: InviteUserInput!) { inviteUser(input: $input) { invitation { id } errors { message } } }", { accountId: account.id, email, role });
  assert.deepEqual(inviteUser.errors, []);
  const invitationId = inviteUser.invitation.id;
  const { acceptInvitation } = await ask(guest, "mutation ($input: AcceptInvitationInput!) { acceptInvitation(input: $input) { errors { message } } }", { invitationId });
  assert.deepEqual(acceptInvitation.errors, []);
}

/** A page of an account, opened by a user who is signed in once for all tests. */
async function enter(email, path, number = account.number) {
  const address = `/a/${number}${path}`;
  if (windows[email]) {
    await open(windows[email], address);
  } else {
    windows[email] = await openPage(browser);
    await signIn(windows[email], email, { path: address });
  }
  return windows[email];
}

/** Press the button that submits the dialog, and wait until the dialog is gone. */
async function confirm(page, name) {
  await button(dialog(page), name).click();
  await dialog(page).waitFor({ state: "hidden" });
}

test("Several people are invited at once, and each address has an outcome", async () => {
  const page = await enter(OWNER, "/users");
  await button(page, "Invite people").click();
  await dialog(page).getByLabel("E-mail addresses").fill("beata@example.com, cezary@example.com\nola@example.com");
  await button(dialog(page), "Invite").click();

  await dialog(page).getByText("ola@example.com: This person already has access to the account.").waitFor();
  await dialog(page).getByText("cezary@example.com: Invited.").waitFor();
  assert.equal(await dialog(page).getByLabel("E-mail addresses").inputValue(), "ola@example.com");
  await checkPage(page, "invitations of several people", { widths: [360] });
  await dialog(page).getByLabel("E-mail addresses").fill("dorota@example.com");
  await confirm(page, "Invite");
  await row(page, "dorota@example.com").waitFor();

  await button(page, "Change: beata@example.com").click();
  await dialog(page).getByLabel("Permissions", { exact: true }).selectOption("LIST");
  await dialog(page).getByLabel("See contacts.").check();
  await confirm(page, "Save");
  await row(page, "beata@example.com").getByText(/\d permissions?/).waitFor();
  await button(page, "Revoke: cezary@example.com").click();
  await confirm(page, "Revoke");
  await row(page, "cezary@example.com").waitFor({ state: "hidden" });
  await button(page, "Send again: beata@example.com").click();
  await confirm(page, "Send again");
});

test("An owner changes, revokes and restores access", async () => {
  const page = await enter(OWNER, "/users");
  await button(page, "Change: Ola Kowalska").click();
  await dialog(page).getByLabel("Role", { exact: true }).selectOption("ACCOUNTANT");
  await dialog(page).getByLabel("Access ends after").fill("2035-05-31");
  await confirm(page, "Save");
  await row(page, "Ola Kowalska").getByText("Until 31 May 2035").waitFor();
  await row(page, "Ola Kowalska").getByText("Accountant", { exact: true }).waitFor();

  await button(page, "Revoke: Ola Kowalska").click();
  await dialog(page).getByText("Ola Kowalska loses the access to Nowak Meble Gdynia at once.").waitFor();
  await confirm(page, "Revoke");
  await row(page, "Ola Kowalska").waitFor({ state: "hidden" });
  await page.getByLabel("Show").selectOption("Without access now");
  await row(page, "Ola Kowalska").getByText("Revoked").waitFor();
  await button(page, "Restore: Ola Kowalska").click();
  await confirm(page, "Restore");
  await page.getByLabel("Show").selectOption("People with access");
  await row(page, "Ola Kowalska").getByText("Until 31 May 2035").waitFor();
  await checkPage(page, "users");
  await page.evaluate(async () => (await import("/static/panel/core/texts.js")).chooseLocale("pl"));
  await page.getByRole("heading", { name: "Użytkownicy" }).waitFor();
  await checkPage(page, "users in Polish", { widths: [360], locale: "pl" });
});

test("An owner sees the account as a person and as a role, changes nothing there, and returns", async () => {
  const page = await enter(OWNER, "/users");
  const mutations = [];
  page.on("request", (request) => {
    if (request.headers()["x-view-as"] && request.postData()?.includes('"query":"mutation')) mutations.push(request.postData());
  });
  await button(page, "See as: Ingrid Solheim").click();
  await page.getByText("You see this account as: Ingrid Solheim (Collaborator). Nothing can be changed.").waitFor();
  await page.getByRole("navigation").getByRole("link", { name: "Users" }).click();
  await row(page, "Ola Kowalska").waitFor();
  assert.ok(await button(page, "Invite people").isDisabled());
  assert.ok(await button(page, "Revoke: Ola Kowalska").isDisabled());
  await checkPage(page, "users, viewed as a collaborator", { widths: [1200] });
  const codes = await page.evaluate(async () => {
    const { mutate } = await import("/static/panel/core/query.js");
    return (await mutate("RevokeInvitation", { invitationId: "none" })).errors.map(({ code }) => code);
  });
  assert.deepEqual(codes, ["VIEW_AS"]);
  await button(page, "End").click();
  await button(page, "See as: Ingrid Solheim").waitFor();
  assert.ok(await button(page, "Invite people").isEnabled());

  await button(page, "Meaning of the roles").click();
  await button(dialog(page), "See as: Administrator").click();
  await page.getByRole("navigation").getByRole("link", { name: "Users" }).click();
  await row(page, "Ola Kowalska").waitFor();
  assert.ok(await button(page, "Invite people").isDisabled());
  await button(page, "End").click();
  await button(page, "See as: Ingrid Solheim").waitFor();

  await button(page, "Meaning of the roles").click();
  await checkPage(page, "meanings of the roles", { widths: [360] });
  await button(dialog(page), "See as: Simple user").click();
  await page.getByText("You see this account as: Simple user. Nothing can be changed.").waitFor();
  await page.getByRole("navigation").getByRole("link", { name: "Users" }).click();
  await page.getByText("This page cannot be shown. Your role does not include this.").waitFor();
  await open(page, `/a/${account.number}/users`);
  await row(page, "Ola Kowalska").waitFor();
  assert.deepEqual(mutations, []);
});

test("Signing out ends a view, so that the next user of the tab sees as themselves", async () => {
  const page = await enter(OWNER, "/users");
  await button(page, "See as: Ingrid Solheim").click();
  await page.getByText("You see this account as: Ingrid Solheim (Collaborator). Nothing can be changed.").waitFor();
  await button(page, "Sign out").click();
  await page.getByLabel("E-mail").fill(OWNER);
  await page.getByLabel("Password").fill(password);
  await button(page, "Sign in").click();
  await page.getByRole("banner").waitFor();
  await settle(page);
  assert.equal(await page.getByText("You see this account as").count(), 0);
});

test("A request for access is approved where it is listed", async () => {
  const token = await signInWithoutBrowser("marek@example.com");
  const { requestAccess } = await ask(token, "mutation ($input: RequestAccessInput!) { requestAccess(input: $input) { errors { message } } }", {
    accountNumber: account.number,
    role: "ACCOUNTANT",
    message: "I keep the books.",
  });
  assert.deepEqual(requestAccess.errors, []);
  const page = await enter(OWNER, "");
  await page.getByText("1 person asks for access.").waitFor();
  await checkPage(page, "overview");
  await page.getByRole("main").getByRole("link", { name: "Users" }).click();
  await row(page, "I keep the books.").waitFor();
  await button(page, "Approve: Marek Lis").click();
  await confirm(page, "Give access");
  await row(page, "I keep the books.").getByText("Approved").waitFor();
  await button(page, "Change: Marek Lis").waitFor();
});

test("The owner of a bureau extends a linked account, enters it, and resigns", async () => {
  const page = await enter(BUREAU_OWNER, "/links", bureauNumber);
  const linked = row(page, String(account.number));
  await linked.getByText("has access there").waitFor();
  await button(linked, "Extend: Nowak Meble Gdynia").click();
  await dialog(page).getByLabel("Days").fill("9");
  await button(dialog(page), "Extend").click();
  await dialog(page).getByText("This must be from 10 to 365.").waitFor();
  await dialog(page).getByLabel("Days").fill("10");
  await confirm(page, "Extend");
  await linked.getByText(/^(9|10) days left$/).waitFor();
  await checkPage(page, "linked accounts");
  await button(linked, "Give access: Nowak Meble Gdynia").click();
  assert.equal(await dialog(page).getByLabel("E-mail addresses").inputValue(), OWNER);
  await button(dialog(page), "Cancel").click();

  await linked.getByRole("link", { name: "Enter: Nowak Meble Gdynia" }).click();
  await page.getByRole("heading", { name: "Nowak Meble Gdynia", level: 1 }).waitFor();
  await settle(page);
  await button(page, "Give up my access").click();
  await confirm(page, "Give up my access");
  await page.waitForURL(/\/accounts$/);
  await open(page, `/a/${account.number}`);
  await page.getByRole("heading", { name: "No access" }).waitFor();
});
