// All pages by their addresses. A page is loaded when it is opened first.
//
// `permission`: without it the page says why it cannot be shown. `title` is in the navigation of an account and of the user.

import { translate } from "./core/texts.js";

/** @typedef {{ pattern: string, load: () => Promise<{ default: any }>, isPublic?: boolean, title?: () => string, permission?: string, kind?: string, group?: string }} PageRoute */

const doors = () => import("./pages/doors.js");

/** @param {() => Promise<any>} load @param {string} name @returns {() => Promise<{ default: any }>} */
const named = (load, name) => async () => ({ default: (await load())[name] });

/** Pages that need no session. @type {PageRoute[]} */
export const PUBLIC_PAGES = [
  { pattern: "/sign-in", load: named(doors, "SignIn"), isPublic: true },
  { pattern: "/sign-up", load: named(doors, "SignUp"), isPublic: true },
  { pattern: "/activate", load: named(doors, "Activate"), isPublic: true },
  { pattern: "/forgot", load: named(doors, "ForgotPassword"), isPublic: true },
  { pattern: "/reset", load: named(doors, "ResetPassword"), isPublic: true },
  { pattern: "/invitation", load: () => import("./pages/invitation.js"), isPublic: true },
  { pattern: "/email", load: named(doors, "ConfirmEmail"), isPublic: true },
  { pattern: "/email-undo", load: named(doors, "UndoEmail"), isPublic: true },
];

/** Pages of the user. @type {PageRoute[]} */
export const USER_PAGES = [
  { pattern: "/accounts", load: () => import("./pages/accounts.js"), title: () => translate("Accounts") },
  { pattern: "/me", load: () => import("./pages/me/profile.js"), title: () => translate("Profile") },
  { pattern: "/me/security", load: () => import("./pages/me/security.js"), title: () => translate("Security") },
  { pattern: "/me/access", load: () => import("./pages/me/access.js"), title: () => translate("Your access") },
  { pattern: "/me/events", load: () => import("./pages/me/events.js"), title: () => translate("Your events") },
  { pattern: "/me/data", load: () => import("./pages/me/data.js"), title: () => translate("Your data") },
];

/** Pages of an account, below `/a/NUMBER`, in the order of the navigation. @type {PageRoute[]} */
export const ACCOUNT_PAGES = [
  { pattern: "", load: () => import("./pages/overview.js"), title: () => translate("Overview") },
  { pattern: "/users", load: () => import("./pages/users.js"), title: () => translate("Users"), permission: "USERS_READ" },
  { pattern: "/links", load: () => import("./pages/links.js"), title: () => translate("Linked accounts"), permission: "USERS_READ" },
  { pattern: "/clients", load: () => import("./pages/clients.js"), title: () => translate("Clients"), permission: "USERS_READ", kind: "BUREAU" },
  { pattern: "/consultants", load: () => import("./pages/consultants.js"), title: () => translate("Consultants"), permission: "USERS_READ", kind: "BUREAU" },
  { pattern: "/bureaus", load: () => import("./pages/bureaus.js"), title: () => translate("Bureaus"), permission: "USERS_READ" },
  { pattern: "/subscription", load: () => import("./pages/subscription.js"), title: () => translate("Subscription"), permission: "SUBSCRIPTION_READ" },
  { pattern: "/settings", load: () => import("./pages/settings.js"), title: () => translate("Settings"), permission: "SETTINGS_READ" },
  { pattern: "/events", load: () => import("./pages/events.js"), title: () => translate("Events"), permission: "EVENTS_READ" },
  { pattern: "/mails", load: () => import("./pages/mails.js"), title: () => translate("Mails"), permission: "MESSAGES_READ" },
  { pattern: "/ownership", load: () => import("./pages/ownership.js"), title: () => translate("Ownership and closing") },
];

/** Pages of the workspace. They are joined to those of an account if the workspace is installed. @type {PageRoute[]} */
export const WORKSPACE_PAGES = [
  { pattern: "/documents", load: () => import("./pages/workspace/documents.js"), title: () => translate("Documents"), permission: "DOCUMENTS_READ" },
  { pattern: "/documents/:id", load: () => import("./pages/workspace/document.js"), permission: "DOCUMENTS_READ" },
  { pattern: "/contacts", load: () => import("./pages/workspace/contacts.js"), title: () => translate("Contacts"), permission: "CONTACTS_READ" },
  { pattern: "/products", load: () => import("./pages/workspace/products.js"), title: () => translate("Products"), permission: "PRODUCTS_READ" },
  { pattern: "/expenses", load: () => import("./pages/workspace/expenses.js"), title: () => translate("Expenses"), permission: "EXPENSES_READ" },
  { pattern: "/reports", load: () => import("./pages/workspace/reports.js"), title: () => translate("Reports"), permission: "REPORTS_READ" },
  { pattern: "/exports", load: () => import("./pages/workspace/exports.js"), title: () => translate("Exports"), permission: "EXPORTS_CREATE" },
];

/** The pages that an account has: those of a bureau only in bureaus, those of a module only where it is installed. @param {{ kind: string, decisions: Record<string, any> }} account */
export function pagesOf(account) {
  return ACCOUNT_PAGES.filter(({ kind, permission }) => (!kind || kind === account.kind) && (!permission || account.decisions[permission] !== undefined));
}
