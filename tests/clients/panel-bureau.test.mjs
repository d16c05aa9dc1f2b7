// The panel's pages of bureaus: clients, consultants, and the bureaus of a client account.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { launch } from "./browser.mjs";
import { ACCOUNTANT, ask, BUREAU_OWNER, button, checkPage, open, openPage, OWNER, setLanguage, settle, signIn, signInWithoutBrowser } from "./panel.mjs";

const CONSULTANT = "Marek Lis (marek@example.com)";
let browser;
/** The bureau of the demo data. The accountant works there too. */
let bureau;
/** An account of the owner for these tests. */
let firm;
/** The window of each user. */
const windows = {};

before(async () => {
  browser = await launch();
  const [bureauOwner, accountant, owner] = await Promise.all([BUREAU_OWNER, ACCOUNTANT, OWNER].map(signInWithoutBrowser));
  const { accounts } = await ask(bureauOwner, "{ accounts(first: 100) { nodes { id number name } } }");
  bureau = accounts.nodes.find(({ name }) => name === "Solheim Regnskap");
  const { inviteUser } = await ask(bureauOwner, "mutation ($input: InviteUserInput!) { inviteUser(input: $input) { invitation { id } } }", { accountId: bureau.id, email: ACCOUNTANT, role: "COLLABORATOR" });
  if (inviteUser.invitation) await ask(accountant, "mutation ($input: AcceptInvitationInput!) { acceptInvitation(input: $input) { errors { message } } }", { invitationId: inviteUser.invitation.id });
  const { createAccount } = await ask(owner, "mutation ($input: CreateAccountInput!) { createAccount(input: $input) { account { id number } } }", { name: "Nowak Dywany" });
  firm = createAccount.account;
  for (const name of ["Bergen Fisk", "Bergen Brus"])
    await ask(bureauOwner, "mutation ($input: CreateClientAccountInput!) { createClientAccount(input: $input) { errors { message } } }", { bureauAccountId: bureau.id, name, ownerName: "Per Dahl", ownerEmail: "per.dahl@example.com" });
});
after(async () => {
  // Closing a window gives its user the former language back.
  for (const page of Object.values(windows)) await page.context().close();
  await browser.close();
});

/** A page of an account in the window of a user, who is signed in once for all tests. */
async function enter(email, address) {
  if (windows[email]) {
    await open(windows[email], address);
    return windows[email];
  }
  windows[email] = await openPage(browser);
  await signIn(windows[email], email, { path: address });
  return windows[email];
}

const dialog = (page) => page.getByRole("dialog").first();
const row = (page, name) => page.getByRole("row", { name });

/** Close a dialog that shows an outcome. */
async function closeDialog(page) {
  await button(dialog(page), "Close").last().click();
  await dialog(page).waitFor({ state: "hidden" });
  await settle(page);
}

/** The lines of the outcome of a change of many clients, sorted. */
async function readOutcome(page) {
  const outcome = dialog(page).getByRole("region", { name: "Outcome" });
  await button(dialog(page), "Close").nth(1).waitFor();
  return (await outcome.getByRole("listitem").allInnerTexts()).map((text) => text.replaceAll(/\s+/g, " ")).sort();
}

/** Choose the clients of a search, and open a dialog that changes a consultant. */
async function changeConsultant(page, name) {
  await button(page, "Choose this page").click();
  await button(page, name).click();
  await settle(page);
  await dialog(page).getByLabel("Consultant").selectOption({ label: CONSULTANT });
}

test("a bureau opens an account for a client", async () => {
  const page = await enter(BUREAU_OWNER, `/a/${bureau.number}/clients`);
  await button(page, "New client account").click();
  await dialog(page).getByLabel("Name of the account").fill("Stavanger Olje");
  await dialog(page).getByLabel("Name of the owner").fill("Kari Lund");
  await dialog(page).getByLabel("E-mail of the owner").fill("kari");
  await button(dialog(page), "Open the account").click();
  await dialog(page).getByLabel("E-mail of the owner").and(page.locator('[aria-invalid="true"]')).waitFor();
  await dialog(page).getByLabel("E-mail of the owner").fill("kari@example.com");
  await button(dialog(page), "Open the account").click();
  await dialog(page).getByRole("link", { name: "Enter the account" }).waitFor();
  await closeDialog(page);

  await page.getByLabel("Search").fill("stavanger");
  await row(page, /Stavanger Olje.*Not activated.*Ingrid Solheim/).waitFor();
  await checkPage(page, "clients");
});

test("a bureau pays for an account, corrects its owner and withdraws it", async () => {
  const page = await enter(BUREAU_OWNER, `/a/${bureau.number}/clients?search=stavanger`);
  await button(page, "Extend the subscription of Stavanger Olje").click();
  await dialog(page).getByLabel("Days").fill("5");
  await button(dialog(page), "Give the days").click();
  await dialog(page).locator("small.problem").waitFor();
  await dialog(page).getByLabel("Days").fill("10");
  await button(dialog(page), "Give the days").click();
  await dialog(page).waitFor({ state: "hidden" });

  await button(page, "Activation of Stavanger Olje").click();
  await dialog(page).getByText("Correct the address of the owner").click();
  await dialog(page).getByLabel("Correct e-mail of the owner").fill("kari.lund@example.com");
  await button(dialog(page), "Correct and send").click();
  await dialog(page).getByRole("status").waitFor();
  await closeDialog(page);
  await row(page, /Stavanger Olje.*kari.lund@example.com/).waitFor();

  await button(page, "Activation of Stavanger Olje").click();
  await button(dialog(page), "Withdraw the account").click();
  await button(page.getByRole("dialog", { name: "Withdraw the account Stavanger Olje" }), "Withdraw the account").click();
  await page.getByText("No entry matches the search.").waitFor();
});

test("many clients change at once, with an outcome for each", async () => {
  const page = await enter(BUREAU_OWNER, `/a/${bureau.number}/clients?search=bergen`);
  await changeConsultant(page, "Assign a consultant");
  await dialog(page).getByText("Permissions and end of the access").click();
  await button(dialog(page), "Only reading").click();
  await button(dialog(page), "Assign").click();
  assert.deepEqual(await readOutcome(page), ["Bergen Brus Active", "Bergen Fisk Active"]);
  await closeDialog(page);
  await row(page, /Bergen Fisk.*Ingrid Solheim.*Marek Lis/).waitFor();

  await button(page, "Assign a consultant").click();
  await settle(page);
  await dialog(page).getByLabel("Consultant").selectOption({ label: CONSULTANT });
  await button(dialog(page), "Assign").click();
  assert.deepEqual(await readOutcome(page), ["Bergen Brus This person already has access to the account.", "Bergen Fisk This person already has access to the account."]);
  await closeDialog(page);

  await changeConsultant(page, "Unassign a consultant");
  await dialog(page).getByLabel("Clients").selectOption({ label: "All clients of the bureau" });
  await button(dialog(page), "Unassign").click();
  assert.deepEqual((await readOutcome(page)).filter((line) => line.startsWith("Bergen")), ["Bergen Brus Revoked", "Bergen Fisk Revoked"]);
  await closeDialog(page);
  await page.getByLabel("Looked after").selectOption({ label: "By no consultant" });
  await page.getByText("No entry matches the search.").waitFor();
});

test("a change that is interrupted goes on with the same input and key", async () => {
  const page = await enter(BUREAU_OWNER, `/a/${bureau.number}/clients?search=bergen`);
  const inputs = [];
  const answers = [
    { json: { data: { assignConsultant: { progress: { doneCount: 0, refusedCount: 0, remainingCount: 2 }, outcomes: [], errors: [] } } } },
    { status: 429, json: { errors: [{ message: "Too many requests.", extensions: { code: "RATE_LIMITED" } }] } },
  ];
  await page.route("**/graphql", (route) => {
    const { operationName, variables } = route.request().postDataJSON();
    if (operationName !== "AssignConsultant") return route.fallback();
    const answer = answers[inputs.length];
    inputs.push(variables.input);
    return answer ? route.fulfill(answer) : route.fallback();
  });
  await button(page, "Assign a consultant").click();
  await settle(page);
  await button(dialog(page), "Assign").click();
  await dialog(page).getByText("Choose clients in the list first, or all clients.").waitFor();
  await page.keyboard.press("Escape");

  await changeConsultant(page, "Assign a consultant");
  await button(dialog(page), "Assign").click();
  await dialog(page).getByText("Too many requests.").waitFor();
  await dialog(page).getByText("2 clients remain.").waitFor();
  await button(dialog(page), "Go on").click();
  assert.deepEqual(await readOutcome(page), ["Bergen Brus Waits for permissions", "Bergen Fisk Waits for permissions"]);
  await page.unroute("**/graphql");
  assert.equal(inputs.length, 3);
  assert.deepEqual(inputs, [inputs[0], inputs[0], inputs[0]]);
  await closeDialog(page);
  await page.getByLabel("Permissions").selectOption({ label: "A consultant waits for permissions" });
  await row(page, /Bergen Brus.*Marek Lis Waits for permissions/).waitFor();
});

test("the clients of a consultant move to another one", async () => {
  const page = await enter(BUREAU_OWNER, `/a/${bureau.number}/consultants`);
  await row(page, /Marek Lis, Collaborator/).waitFor();
  await checkPage(page, "consultants", { widths: [1200] });
  await button(page, "Move the clients of Marek Lis").click();
  const people = dialog(page).getByLabel("New consultant").locator("option");
  await people.first().waitFor({ state: "attached" });
  assert.deepEqual(await people.allInnerTexts(), ["Ingrid Solheim (ingrid@example.com)"]);
  await button(dialog(page), "Move all clients").click();
  assert.ok((await readOutcome(page)).includes("Bergen Fisk This person already has access to the account."));
  await closeDialog(page);

  await open(page, `/a/${bureau.number}/clients?search=bergen`);
  await button(page, "Unassign a consultant from Bergen Fisk").click();
  await dialog(page).getByLabel("Consultant").selectOption({ label: "Ingrid Solheim" });
  await button(dialog(page), "Unassign").click();
  await readOutcome(page);
  await closeDialog(page);
  await open(page, `/a/${bureau.number}/consultants`);
  await page.getByRole("link", { name: "1 client would have no consultant without Marek Lis" }).click();
  await row(page, /Bergen Fisk.*Marek Lis/).waitFor();
  assert.equal(await page.getByLabel("Looked after").inputValue(), "SOLE");
});

test("a client engages a bureau, permits its consultants and ends the engagement", async () => {
  const client = await enter(OWNER, `/a/${firm.number}/bureaus`);
  await button(client, "Engage a bureau").click();
  await settle(client);
  await dialog(client).getByLabel("Account number of the bureau").fill("Solheim");
  await button(dialog(client), "Only reading").click();
  await button(dialog(client), "Send the request").click();
  await dialog(client).getByText("Enter the number of the account, in digits.").waitFor();
  await dialog(client).getByLabel("Account number of the bureau").fill(String(bureau.number));
  await button(dialog(client), "Send the request").click();
  await closeDialog(client);
  await row(client, new RegExp(`${bureau.number}.*Pending`)).waitFor();

  const page = await enter(BUREAU_OWNER, `/a/${bureau.number}/clients?search=dywany`);
  await button(page, "Accept the engagement with Nowak Dywany").click();
  await button(dialog(page), "Accept").click();
  await dialog(page).waitFor({ state: "hidden" });
  await changeConsultant(page, "Assign a consultant");
  await button(dialog(page), "Assign").click();
  assert.deepEqual(await readOutcome(page), ["Nowak Dywany Active"]);

  await row(client, /Solheim Regnskap.*Marek Lis Active/).waitFor();
  await checkPage(client, "bureaus", { widths: [360] });
  await button(client, "Permissions of Solheim Regnskap").click();
  await settle(client);
  await button(dialog(client), "Choose none").click();
  await button(dialog(client), "Save").click();
  await dialog(client).waitFor({ state: "hidden" });
  await row(client, /Marek Lis Waits for permissions/).waitFor();
  await button(client, "Permissions of Marek Lis").click();
  await settle(client);
  await dialog(client).getByLabel("Invite people, and change or revoke their access.").check();
  assert.ok(await dialog(client).getByLabel("See the users with access, and the invitations.").isChecked());
  await button(dialog(client), "Save").click();
  await row(client, /Marek Lis Active/).waitFor();
  await button(client, "End the engagement with Solheim Regnskap").click();
  await button(dialog(client), "End").click();
  await client.getByText("No entry matches the search.").or(client.getByText("No bureau works for this account.")).waitFor();
});

test("a request to an account that the bureau cannot enter is shown and withdrawn", async () => {
  const page = await enter(BUREAU_OWNER, `/a/${bureau.number}/clients`);
  await button(page, "Offer your work to an account").click();
  await dialog(page).getByLabel("Account number of the client").fill("99 999 998");
  await button(dialog(page), "Send the request").click();
  await closeDialog(page);
  await button(page, "Withdraw the request to 99999998").click();
  await button(dialog(page), "Withdraw").click();
  await row(page, /99999998.*Withdrawn/).waitFor();
});

test("the clients are shown in Polish", async () => {
  const page = await enter(BUREAU_OWNER, `/a/${bureau.number}/clients`);
  await setLanguage(page, "pl");
  await page.getByRole("heading", { level: 1, name: "Klienci" }).waitFor();
  await checkPage(page, "clients in Polish", { widths: [360], locale: "pl" });
});
