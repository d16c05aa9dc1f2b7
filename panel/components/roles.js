// What the roles and permissions mean, in words of the server, and the view of an account as a role.

import { account as accountStore, viewAs, viewAccountAs } from "../core/account.js";
import { formatDate } from "../core/formats.js";
import { describeErrors, describeFailure, execute } from "../core/graph.js";
import { navigate } from "../core/router.js";
import { Store, useStore } from "../core/store.js";
import { locale, translate, translatePlural } from "../core/texts.js";
import { html, useEffect } from "../core/view.js";
import { describeButton, DialogButton } from "./dialog.js";
import { Problem } from "./problem.js";

/** @typedef {{ role: string, name: string, description: string, permissions: { permission: string, description: string, restrictable: boolean }[] }} RoleMeaning */

/** Roles that can be given a list of their permissions. */
export const ROLES_WITH_LIST = ["CONSULTANT", "SIMPLE_USER"];

/** The roles in a language. They do not change while the panel is open. @type {Store<{ locale: string, roles: RoleMeaning[] }>} */
const meanings = new Store({ locale: "", roles: /** @type {RoleMeaning[]} */ ([]) });
/** Why the roles could not be read. Empty if they were. */
const meaningsProblem = new Store("");
/** The language in which the roles are being read. Many parts of a page ask for them at once. */
let requestedLocale = "";

/** @param {string} language */
async function loadMeanings(language) {
  if (meanings.value.locale === language || requestedLocale === language) return;
  requestedLocale = language;
  let problem = "";
  try {
    const { data, errors } = await execute("RoleMeanings", {}, { anyView: true });
    if (!data) problem = describeErrors(errors);
    else if (locale.value === language) meanings.set({ locale: language, roles: data.roles });
  } catch (error) {
    problem = describeFailure(error);
  }
  if (requestedLocale !== language) return;
  requestedLocale = "";
  meaningsProblem.set(problem);
}

/** All roles with their permissions, in the user's language. Empty until they are read. @returns {RoleMeaning[]} */
export function useRoles() {
  const stored = useStore(meanings);
  const language = useStore(locale);
  useEffect(() => {
    loadMeanings(language);
  }, [language]);
  return stored.roles;
}

/** In the place of what needs the roles, as long as useRoles has none. */
export function MissingRoles() {
  const problem = useStore(meaningsProblem);
  if (problem) return html`<${Problem} problem=${problem} retry=${() => loadMeanings(locale.value)} />`;
  return html`<p class="loading">${translate("Loading…")}</p>`;
}

/** A function that gives the meaning of a permission in words, or its name until the meanings are read. */
export function usePermissionText() {
  const texts = new Map(useRoles().flatMap(({ permissions }) => permissions.map(({ permission, description }) => [permission, description])));
  return (/** @type {string} */ permission) => texts.get(permission) ?? permission;
}

/** The number of permissions, which opens to their meanings. A short one is for a column with the title "Permissions". @param {{ permissions: string[], isShort?: boolean }} properties */
export function PermissionDetails({ permissions, isShort = false }) {
  const label = translatePlural("%(n)d permission", "%(n)d permissions", permissions.length);
  const textOf = usePermissionText();
  if (!permissions.length) return html`<span>${translate("No permission")}</span>`;
  return html`<details>
    <summary aria-label=${isShort ? label : undefined}>${isShort ? permissions.length : label}</summary>
    <ul>${permissions.map((permission) => html`<li key=${permission}>${textOf(permission)}</li>`)}</ul>
  </details>`;
}

/** Show the account as a role or as the holder of a grant. @param {{ value: string, label: string }} view */
export function startView(view) {
  navigate(`/a/${accountStore.value?.number}`);
  return viewAccountAs(view);
}

/** The decision about views: they need the rights to give access and to spend days, and work while the account closes. @param {{ decisions: Record<string, any> }} account */
export function viewDecision({ decisions }) {
  return [decisions.USERS_WRITE, decisions.SUBSCRIPTION_WRITE].map(whileClosing).find(({ allowed }) => !allowed) ?? { allowed: true, explanation: "" };
}

/** The decision about a change that only takes access: it can be made while the account closes. @param {any} decision */
export function whileClosing(decision) {
  return decision.reason === "ACCOUNT_CLOSING" ? { ...decision, allowed: true, explanation: "" } : decision;
}

/** The decision about a change that is refused while the account closes, also if its permission stays: owners keep OWNERSHIP to reopen. @param {any} account @param {any} [decision] */
export function unlessClosing({ closesAt }, decision) {
  return closesAt ? { allowed: false, explanation: translate("The account is read-only, because it closes on %(date)s.", { date: formatDate(closesAt) }) } : decision;
}

/** A button that opens the meanings of all roles, each with a button that views the account as the role. @param {{ account: any }} properties */
export function RolesButton({ account }) {
  return html`<${DialogButton} label=${translate("Meaning of the roles")}>
    ${(/** @type {() => void} */ close) => html`<${RoleList} account=${account} close=${close} />`}
  <//>`;
}

function RoleList({ account, close }) {
  const roles = useRoles();
  const isViewing = useStore(viewAs) !== null;
  const canView = viewDecision(account).allowed && !isViewing;
  if (!roles.length) return html`<${MissingRoles} />`;
  return roles.map(
    ({ role, name, description, permissions }) => html`<section key=${role} class="card">
      <h3>${name}</h3>
      <p>${description}</p>
      ${ROLES_WITH_LIST.includes(role) && html`<p><small>${translate("A person in this role can be given a part of these permissions.")}</small></p>`}
      <${PermissionDetails} permissions=${permissions.map(({ permission }) => permission)} />
      ${canView &&
      html`<div class="actions">
        <button
          type="button"
          onClick=${() => {
            close();
            startView({ value: role, label: name });
          }}
        >
          ${describeButton(translate("See as"), name)}
        </button>
      </div>`}
    </section>`,
  );
}
