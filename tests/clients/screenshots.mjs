// Pictures of ten pages of the panel, for the documentation: node screenshots.mjs FOLDER. `make screenshots` runs it on a server with demo data.

import { mkdirSync } from "node:fs";
import { launch } from "./browser.mjs";
import { assertNoProblems, BUREAU_OWNER, open, openPage, OWNER, settle, signIn } from "./panel.mjs";

const folder = process.argv[2];
const DESK = { width: 1280, height: 720 };

const openQuickSwitch = async (page) => {
  await page.keyboard.press("ControlOrMeta+k");
  await page.getByRole("option").first().waitFor();
};

/** The picture's name, the page, who looks at it, and what they do first. A path without a slash is below the user's first account. */
const PICTURES = [
  ["sign-in", { path: "/sign-in", language: "pl-PL" }],
  ["accounts-on-a-phone", { email: OWNER, path: "/accounts", width: 360, height: 720 }],
  ["quick-switch", { email: OWNER, path: "", act: openQuickSwitch }],
  ["users", { email: OWNER, path: "users" }],
  ["linked-accounts", { email: OWNER, path: "links" }],
  ["clients-of-a-bureau", { email: BUREAU_OWNER, path: "clients" }],
  ["subscription", { email: OWNER, path: "subscription" }],
  ["security", { email: OWNER, path: "/me/security", colorScheme: "dark" }],
  ["reports", { email: OWNER, path: "reports" }],
  ["documents", { email: OWNER, path: "documents" }],
];

mkdirSync(folder, { recursive: true });
const browser = await launch();
try {
  for (const [name, { email, path, act, ...options }] of PICTURES) {
    const page = await openPage(browser, { ...DESK, ...options });
    if (email) await signIn(page, email);
    const isAccountPage = !path.startsWith("/");
    await open(page, isAccountPage ? `${await accountPath(page)}/${path}`.replace(/\/$/, "") : path);
    if (act) await act(page);
    await settle(page);
    await page.mouse.move(0, 0);
    await page.screenshot({ path: `${folder}/${name}.png`, animations: "disabled", caret: "hide" });
    await assertNoProblems(page, name);
    await page.context().close();
  }
} finally {
  await browser.close();
}

/** The path of the account that the start page has chosen, or of the first one in the list. */
async function accountPath(page) {
  if (!/\/a\/\d+/.test(page.url())) {
    await open(page, "/accounts");
    await page.locator("main table a").first().click();
    await page.waitForURL(/\/a\/\d+/);
  }
  return /\/a\/\d+/.exec(new URL(page.url()).pathname)[0];
}
