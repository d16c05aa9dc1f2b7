// The panel's pages of the workspace: contacts, products, documents, expenses, reports and exports.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, afterEach, before, test } from "node:test";
import { launch } from "./browser.mjs";
import { ask, button, checkPage, dialog, open, openPage, OWNER, row, setLanguage, settle, signIn, signInWithoutBrowser, SIMPLE_USER } from "./panel.mjs";

let browser;
/** The account. It has the documents of the demo. */
let accountId;
let number;
/** In the names of what these tests create, so that they can run again on the same server. */
const run = Date.now().toString(36);
const CONTACT = `Fjord Hotell ${run}`;
const PRODUCT = `Oak board ${run}`;
const REFERENCE = `R-${run}`;

before(async () => {
  browser = await launch();
  const { accounts } = await ask(await signInWithoutBrowser(OWNER), "{ accounts(first: 10) { nodes { id number name } } }");
  ({ id: accountId, number } = accounts.nodes.find(({ name }) => name === "Nowak Meble"));
});
after(() => browser.close());
afterEach(() => Promise.all(browser.contexts().map((context) => context.close())));

async function enter(email, path) {
  const page = await openPage(browser);
  await signIn(page, email, { path: `/a/${number}${path}` });
  return page;
}

/** Press the button that submits the dialog, and wait until the dialog is gone. */
async function confirm(page, name) {
  await button(dialog(page), name).click();
  await dialog(page).waitFor({ state: "detached" });
  await settle(page);
}

/** Fill the fields of the dialog by their labels. */
async function fill(page, values) {
  for (const [label, value] of Object.entries(values)) await dialog(page).getByLabel(label, { exact: true }).fill(value);
}

/** Choose an entry of a field with a search. */
async function choose(page, label, text) {
  await dialog(page).getByRole("combobox", { name: label }).fill(text);
  await dialog(page).getByRole("option", { name: text }).click();
}

test("an invoice is written, issued, sent, paid and credited", async () => {
  const page = await enter(OWNER, "/contacts");
  await button(page, "New contact").click();
  await button(dialog(page), "Create the contact").click();
  await dialog(page).locator('input[name="name"][aria-invalid="true"]').waitFor();
  await fill(page, { Name: CONTACT, Country: "NO", "E-mail for documents": "fjord@example.com" });
  await dialog(page).getByLabel("Kind").selectOption("CUSTOMER");
  await confirm(page, "Create the contact");
  await row(page, CONTACT).waitFor();
  await checkPage(page, "contacts", { widths: [360] });

  await open(page, `/a/${number}/products`);
  await button(page, "New product").click();
  await fill(page, { Name: PRODUCT, Unit: "pcs", "Price of one unit without VAT": "a lot", "VAT rate in percent": "23", "Purchase price of one unit": "40" });
  await button(dialog(page), "Create the product").click();
  await dialog(page).getByText("Write a number").waitFor();
  await fill(page, { "Price of one unit without VAT": "100.50" });
  await confirm(page, "Create the product");
  await row(page, PRODUCT).waitFor();

  await open(page, `/a/${number}/documents`);
  await button(page, "New invoice").click();
  await choose(page, "Buyer", CONTACT);
  await button(dialog(page), "Create the draft").click();
  await page.waitForURL(/\/documents\/\w+$/);
  await page.getByRole("heading", { name: "Draft of an invoice" }).waitFor();
  await button(page, "Add a line").click();
  await choose(page, "Product", PRODUCT);
  await fill(page, { Quantity: "2" });
  await checkPage(page, "the dialog of a line", { widths: [1200] });
  await confirm(page, "Add the line");
  await row(page, PRODUCT).getByText("201.00").first().waitFor();
  await button(page, `Change the line ${PRODUCT}`).click();
  await fill(page, { "Price of one unit without VAT": "" });
  await button(dialog(page), "Save").click();
  await dialog(page).getByText("This cannot be empty.").waitFor();
  await fill(page, { "Price of one unit without VAT": "100.50" });
  await fill(page, { Quantity: "3", "Discount in percent": "10" });
  await confirm(page, "Save");
  await row(page, PRODUCT).getByText("271.35").first().waitFor();
  await checkPage(page, "a draft", { widths: [360] });

  await button(page, "Issue").first().click();
  await confirm(page, "Issue");
  await page.getByText("Issued", { exact: true }).first().waitFor();
  assert.equal(await button(page, "Add a line").count(), 0);
  await button(page, "Send by mail").click();
  await confirm(page, "Send");
  await page.getByRole("button", { name: /^PDF of/ }).waitFor();
  const [pdf] = await Promise.all([page.waitForEvent("download"), page.getByRole("button", { name: /^PDF of/ }).click()]);
  assert.match((await readFile(await pdf.path())).subarray(0, 5).toString(), /^%PDF-/);
  const [invoice] = await Promise.all([page.waitForEvent("download"), page.getByRole("button", { name: /^UBL of/ }).click()]);
  assert.match(invoice.suggestedFilename(), /\.xml$/);

  await button(page, "Record a payment").click();
  await fill(page, { "Amount in PLN": "100000" });
  await button(dialog(page), "Record the payment").click();
  await dialog(page).locator('input[name="amount"][aria-invalid="true"]').waitFor();
  await fill(page, { "Amount in PLN": "100" });
  await confirm(page, "Record the payment");
  await page.getByText("Partly paid").first().waitFor();
  await checkPage(page, "an invoice", { widths: [1200] });
  await button(page, "Create a credit note").click();
  await button(dialog(page), "Create the draft").click();
  await page.getByRole("heading", { name: "Draft of a credit note" }).waitFor();
  await settle(page);
  await button(page, "Delete the draft").click();
  await button(dialog(page), "Delete the draft").click();
  await page.waitForURL(/\/documents$/);
  await row(page, CONTACT).waitFor();
  assert.equal(await row(page, CONTACT).count(), 1);
});

test("expenses, reports and exports show what the account has", async () => {
  const page = await enter(OWNER, "/expenses");
  await button(page, "New expense").click();
  await fill(page, { "Number of the supplier's invoice": REFERENCE, "VAT rate in percent": "23", "Amount without VAT": "100" });
  await button(dialog(page), "Add another VAT rate").click();
  await dialog(page).getByLabel("VAT rate in percent").nth(1).fill("23");
  await dialog(page).getByLabel("Amount without VAT").nth(1).fill("200");
  await button(dialog(page), "Create the expense").click();
  await dialog(page).locator('[aria-invalid="true"], [role="alert"] p').first().waitFor();
  await dialog(page).getByLabel("VAT rate in percent").nth(1).fill("8");
  await confirm(page, "Create the expense");
  await row(page, REFERENCE).getByText("339.00").waitFor();
  await checkPage(page, "expenses", { widths: [1200] });

  await open(page, `/a/${number}/reports?from=2020-01-01&to=2020-12-31`);
  await page.getByText("No document was issued in this range.").first().waitFor();
  await page.goto(page.url().replace(/\?.*/, ""));
  await page.getByRole("img", { name: /^Revenue by month in PLN/ }).waitFor();
  await page.getByRole("heading", { name: "Margin by contact" }).waitFor();
  await checkPage(page, "reports", { widths: [360] });

  await open(page, `/a/${number}/exports`);
  await button(page, "New export").click();
  await dialog(page).getByLabel("Content").selectOption("EXPENSES");
  await confirm(page, "Create the export");
  await row(page, "Expenses").first().getByText("Ready").waitFor();
  await checkPage(page, "exports", { widths: [360] });
  const [file] = await Promise.all([page.waitForEvent("download"), page.getByRole("button", { name: /^Download Expenses/ }).first().click()]);
  assert.match((await readFile(await file.path())).toString(), new RegExp(REFERENCE));
});

test("a simple user sees their own documents, and nothing of what they may not read", async () => {
  const owner = await signInWithoutBrowser(OWNER);
  const restrict = (permissions) =>
    ask(owner, "mutation ($input: UpdateAccountSettingsInput!) { updateAccountSettings(input: $input) { errors { message } } }", { accountId, simpleUserRestrictions: permissions });
  const { account } = await ask(owner, `{ account(number: ${number}) { settings { simpleUserRestrictions } } }`);
  await restrict(["DOCUMENTS_READ_ALL", "PURCHASE_PRICES_READ", "CONTACTS_WRITE", "EXPORTS_CREATE"]);
  try {
    const page = await enter(SIMPLE_USER, "/documents");
    await page.getByText("You see the documents that you created, and no others.").waitFor();
    await row(page, "Draft of an invoice").waitFor();
    assert.equal(await page.getByText("Anna Nowak").count(), 0);
    await open(page, `/a/${number}/products`);
    await row(page, "Oak table").waitFor();
    assert.equal(await page.getByText("Purchase price").count(), 0);
    await open(page, `/a/${number}/contacts`);
    assert.ok(await button(page, "New contact").isDisabled());
    await page.getByText("The account does not give this to simple users.").first().waitFor();
    await open(page, `/a/${number}/exports`);
    await page.getByText("This page cannot be shown.").waitFor();
    await checkPage(page, "a page that a simple user may not see", { widths: [1200] });
  } finally {
    await restrict(account.settings.simpleUserRestrictions);
  }
});

test("lists are filtered and ordered by their address", async () => {
  const page = await enter(OWNER, "/documents?status=PAID&order=GROSS_AMOUNT");
  await page.getByLabel("Status").selectOption("DRAFT");
  await page.getByText("2 entries").waitFor();
  await page.getByLabel("Search").fill("no such document");
  await page.getByText("No entry matches the search.").waitFor();
  assert.match(page.url(), /status=DRAFT.*order=GROSS_AMOUNT.*search=no/);
});

test("the pages are there in Polish", async () => {
  const page = await enter(OWNER, "/documents");
  await setLanguage(page, "pl");
  for (const [path, heading] of [["documents", "Dokumenty"], ["contacts", "Kontrahenci"], ["products", "Produkty"], ["expenses", "Wydatki"], ["reports", "Raporty"], ["exports", "Eksporty"]]) {
    await open(page, `/a/${number}/${path}`);
    await page.getByRole("heading", { name: heading, level: 1 }).waitFor();
    if (path === "documents") await checkPage(page, `${path} in Polish`, { locale: "pl" });
  }
});
