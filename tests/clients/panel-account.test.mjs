// The panel's pages about one account: subscription, settings, events, mails, ownership and closing.

import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import { launch } from "./browser.mjs";
import { accountantToken, accountId, ownerToken, password, waitFor } from "./common.mjs";
import { ACCOUNTANT, ask, button, checkPage, dialog, open, openPage, OWNER, settle, signIn } from "./panel.mjs";

let browser;
/** The accounts of the owner by name. Days go from the second to the first. */
let accounts;
/** A signed-in window of each user. */
const windows = {};

before(async () => {
  browser = await launch();
  const { accounts: list } = await ask(ownerToken, "{ accounts(first: 10) { nodes { id number name } } }");
  accounts = { furniture: list.nodes.find(({ id }) => id === accountId), transport: list.nodes.find(({ name }) => name === "Nowak Transport") };
});
after(() => browser.close());
afterEach(async () => {
  // A browser opens few connections to a server, and each open page has two streams.
  for (const page of Object.values(windows)) await page.goto("about:blank");
});

/** A page of an account, opened by a user who is signed in once for all tests. */
async function enter(email, account, path) {
  const address = `/a/${account.number}${path}`;
  if (!windows[email]) {
    windows[email] = await openPage(browser);
    await signIn(windows[email], email, { path: address });
  } else await open(windows[email], address);
  return windows[email];
}

test("An owner gives days to another account, reads it in the ledger, and gets them back", async () => {
  const page = await enter(OWNER, accounts.transport, "/subscription");
  await checkPage(page, "subscription");

  await button(page, "Give days to another account").click();
  await dialog(page).getByLabel("Account that receives the days").selectOption(accounts.furniture.id);
  await dialog(page).getByLabel("Days", { exact: true }).fill("9");
  await button(dialog(page), "Give the days").click();
  await dialog(page).locator("small.problem").waitFor();
  assert.equal(await dialog(page).getByLabel("Account that receives the days").inputValue(), accounts.furniture.id);
  await dialog(page).getByLabel("Days", { exact: true }).fill("10");
  await button(dialog(page), "Give the days").click();

  await page.getByRole("row", { name: /Given to another account.*Nowak Meble.*-10/ }).first().waitFor();
  await page.getByText("The other account's subscription now ends on").waitFor();
  await open(page, `/a/${accounts.furniture.number}/subscription`);
  await page.getByRole("row", { name: /Received from another account.*Nowak Transport.*\+10/ }).first().waitFor();

  // The other account gives them back.
  await open(page, `/a/${accounts.transport.number}/subscription`);
  await button(page, "Extend this account").click();
  assert.match(await dialog(page).getByRole("option", { name: /Nowak Meble/ }).innerText(), /can give \d+ days/);
  await dialog(page).getByLabel("Account that pays").selectOption(accounts.furniture.id);
  await dialog(page).getByLabel("Days", { exact: true }).fill("10");
  await button(dialog(page), "Extend").click();
  await page.getByText("The subscription now ends on").waitFor();
});

test("A wrong voucher is refused at its field", async () => {
  const page = await enter(OWNER, accounts.transport, "/subscription");
  await button(page, "Redeem a voucher").click();
  await dialog(page).getByLabel("Code of the voucher").fill("WRONG-WRONG-WRONG");
  await button(dialog(page), "Redeem").click();

  await dialog(page).locator("small.problem").waitFor();
  await checkPage(page, "voucher");
});

test("Settings are changed, refused at their field, and read in the events", async () => {
  const page = await enter(OWNER, accounts.transport, "/settings");
  await checkPage(page, "settings");
  const identity = page.getByRole("region", { name: "Name and numbers" });
  const invoicing = page.getByRole("region", { name: "Invoicing" });
  const restrictions = page.getByRole("region", { name: "Restrictions and locks" });

  await identity.getByLabel("Country").fill("PL");
  await identity.getByLabel("Organization number").fill("123");
  await button(identity, "Save").click();
  await identity.locator("small.problem").waitFor();
  await invoicing.getByLabel("Start of invoice numbers").fill("T/");
  await button(invoicing, "Save").click();
  await invoicing.getByText("Saved.").waitFor();
  // A saved field shows what others change, so that the next save does not undo it.
  await ask(ownerToken, "mutation ($input: UpdateAccountSettingsInput!) { updateAccountSettings(input: $input) { errors { code } } }", { accountId: accounts.transport.id, invoicePrefix: "U/" });
  await waitFor(async () => (await invoicing.getByLabel("Start of invoice numbers").inputValue()) === "U/", "the change of another session");
  await restrictions.getByLabel("Locked for all: Export data.").check();
  await button(restrictions, "Save").click();
  await restrictions.getByText("Saved.").waitFor();
  await restrictions.getByLabel("Locked for all: Export data.").uncheck();
  await button(restrictions, "Save").click();
  await page.waitForFunction(() => document.querySelectorAll('[aria-busy="true"]').length === 0);

  await open(page, `/a/${accounts.transport.number}/events?type=account:settings`);
  await page.getByRole("row", { name: /The settings changed.*Anna Nowak.*Owner.*Start of invoice numbers: .*T\// }).first().waitFor();
  await page.getByRole("row", { name: /Locked for all: None.*Export data\./ }).first().waitFor();
  assert.equal(await page.getByRole("row", { name: /The account was opened/ }).count(), 0);
  await checkPage(page, "events");
});

test("The owner cannot shut themselves out by demanding a second factor", async () => {
  const page = await enter(OWNER, accounts.furniture, "/settings");
  const section = page.getByRole("region", { name: "Second factor" });
  await section.locator("summary").click();

  await section.getByText("You would lock yourself out.").waitFor();
  assert.ok(await button(section, "Demand a second factor").isDisabled());
  await section.getByText("marek@example.com").waitFor();
});

test("An account becomes a bureau and a business again", async () => {
  const page = await enter(OWNER, accounts.transport, "/settings");
  for (const [label, outcome] of [["Make it a bureau", "This account is a bureau"], ["Make it a business", "This account is a business"]]) {
    await button(page, label).click();
    await button(dialog(page), label).click();
    await page.getByText(outcome).waitFor();
  }
});

test("What others do appears in the events", async () => {
  const setCountry = (country) =>
    ask(ownerToken, "mutation ($input: UpdateAccountInput!) { updateAccount(input: $input) { errors { code } } }", { accountId: accounts.transport.id, country });
  const page = await enter(OWNER, accounts.transport, "/events");
  await page.waitForTimeout(1_000); // No protocol says when a subscription has started.
  await setCountry("NO");
  await page.getByRole("row", { name: /The name or the numbers changed.*Country: .*NO/ }).first().waitFor();
  await setCountry(null);

  await page.getByLabel("Event", { exact: true }).selectOption({ label: "Subscription" });
  await settle(page);
  await page.getByLabel("From").fill("2020-01-01");
  await page.getByLabel("Until").fill("2020-01-02");
  await page.getByText("No entry matches the search.").waitFor();
});

test("Mails are listed with what became of them", async () => {
  const page = await enter(OWNER, accounts.furniture, "/mails");
  await page.getByRole("row", { name: /new\.colleague@example\.com.*invites you/ }).first().waitFor();
  await checkPage(page, "mails");
});

test("Ownership is offered, declined by the receiver, offered again and withdrawn", async () => {
  const page = await enter(OWNER, accounts.furniture, "/ownership");
  await checkPage(page, "ownership");
  const offer = async () => {
    await page.getByLabel("New owner").selectOption({ label: "Marek Lis · Accountant · marek@example.com" });
    await page.getByLabel("Your password").fill(password);
    await button(page, "Offer the account").click();
    await page.getByText("The account is offered to Marek Lis.").waitFor();
  };
  await offer();

  const receiver = await enter(ACCOUNTANT, accounts.furniture, "/ownership");
  await receiver.getByText("Anna Nowak offers this account to you.").waitFor();
  await checkPage(receiver, "offer");
  await button(receiver, "Decline").click();
  await button(dialog(receiver), "Decline").click();
  await receiver.getByText("Only the owner can offer the account to another user.").waitFor();

  await page.getByLabel("New owner").waitFor();
  await offer();
  await button(page, "Withdraw the offer").click();
  await button(dialog(page), "Withdraw the offer").click();
  await page.getByLabel("New owner").waitFor();
});

test("An account is closed with the lost days said before, and reopened", async () => {
  const page = await enter(OWNER, accounts.transport, "/ownership");
  await button(page, "Close the account").click();
  await dialog(page).getByText(/\d+ days of the subscription will be lost\./).waitFor();
  await dialog(page).getByLabel("Your password").fill("wrong-wrong-wrong");
  await button(dialog(page), "Close the account").click();
  await dialog(page).locator("small.problem").waitFor();
  await dialog(page).getByLabel("Your password").fill(password);
  await button(dialog(page), "Close the account").click();

  await page.getByText("Until then it can be read, and its owner can reopen it.").waitFor();
  await page.getByText("Until then it is read-only.").waitFor();
  await checkPage(page, "closing");
  await open(page, `/a/${accounts.transport.number}/settings`);
  assert.ok(await button(page, "Make it a bureau").isDisabled());
  await open(page, `/a/${accounts.transport.number}/ownership`);
  await button(page, "Reopen the account").click();
  await button(dialog(page), "Reopen the account").click();
  await button(page, "Close the account").waitFor();
});

test("An accountant reads why pages are closed to them, in Polish too", async () => {
  const page = await enter(ACCOUNTANT, accounts.furniture, "/events");
  await page.getByText("This page cannot be shown. Your role does not include this.").waitFor();
  await open(page, `/a/${accounts.furniture.number}/subscription`);
  assert.ok(await button(page, "Redeem a voucher").isDisabled());
  const setLocale = (locale) =>
    ask(accountantToken, "mutation ($input: UpdateProfileInput!) { updateProfile(input: $input) { errors { code } } }", { locale });
  await setLocale("pl");
  try {
    await page.reload();
    await checkPage(page, "subscription in Polish", { locale: "pl" });
  } finally {
    await setLocale("en");
  }
});
