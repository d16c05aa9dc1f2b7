// What the roles and permissions mean, in words of the server, and the view of an account as a role.

import { account as accountStore, viewAs, viewAccountAs } from "../core/account.js";
import { execute } from "../core/graph.js";
import { navigate } from "../core/router.js";
import { Store, useStore } from "../core/store.js";
import { locale, translate, translatePlural } from "../core/texts.js";
import { html, useEffect } from "../core/view.js";
import { describeButton, DialogButton } from "./dialog.js";

/** @typedef {{ role: string, name: string, description: string, permissions: { permission: string, description: string, restrictable: boolean }[] }} RoleMeaning */

/** Roles that can be given a list of their permissions. */
export const ROLES_WITH_LIST = ["CONSULTANT", "SIMPLE_USER"];

/** The roles in a language. They do not change while the panel is open. @type {Store<{ locale: string, roles: RoleMeaning[] }>} */
const meanings = new Store({ locale: "", roles: /** @type {RoleMeaning[]} */ ([]) });

/** All roles with their permissions, in the user's language. Empty until they are read. @returns {RoleMeaning[]} */
export function useRoles() {
  const stored = useStore(meanings);
  const language = useStore(locale);
  useEffect(() => {
    if (meanings.value.locale === language) return;
    execute("RoleMeanings").then(
      ({ data }) => data && meanings.set({ locale: language, roles: data.roles }),
      () => undefined,
    );
  }, [language]);
  return stored.roles;
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
  if (!roles.length) return html`<p class="loading">${translate("Loading…")}</p>`;
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
