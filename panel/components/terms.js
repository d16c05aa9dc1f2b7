// The fields of what a grant gives: a role, the only permissions of it, and an end.

import { roleName } from "../core/decisions.js";
import { endOfDay, toDay } from "../core/formats.js";
import { translate } from "../core/texts.js";
import { html, useState } from "../core/view.js";
import { Choices, Field } from "./form.js";
import { MissingRoles, ROLES_WITH_LIST, useRoles } from "./roles.js";

/** Names of inputs that these fields have by other names. */
export const TERMS_FIELDS = { grantValidUntil: "end", validUntil: "end" };

/** How a list of permissions is chosen. */
const KEEP = "KEEP";
const WHOLE_ROLE = "ALL";
const LIST = "LIST";

/**
 * The fields. `role` is the present or proposed role; `permissions` are marked at first. A grant that exists has `isChange`:
 * its list can be kept as it is, because the graph does not say whether it has one.
 * @param {{ role: string, permissions?: string[] | null, end?: string | null, isChange?: boolean }} properties
 */
export function TermsFields({ role: formerRole, permissions = null, end = null, isChange = false }) {
  const roles = useRoles();
  const [role, setRole] = useState(formerRole);
  const isSame = isChange && role === formerRole;
  const [choice, setChoice] = useState(isChange ? KEEP : permissions ? LIST : WHOLE_ROLE);
  const meaning = roles.find((entry) => entry.role === role);
  const offered = roles.filter((entry) => entry.role !== "OWNER");
  const isConsultant = role === "CONSULTANT";
  const usedChoice = (choice === KEEP && !isSame) || (choice === WHOLE_ROLE && isConsultant) ? (isConsultant ? LIST : WHOLE_ROLE) : choice;
  if (!roles.length) return html`<${MissingRoles} />`;
  return html`
    <${Field}
      name="role"
      label=${translate("Role")}
      type="select"
      value=${role}
      hint=${meaning?.description}
      onChange=${(/** @type {any} */ event) => setRole(event.target.value)}
    >
      ${offered.map((entry) => html`<option value=${entry.role}>${roleName(entry.role)}</option>`)}
    <//>
    ${ROLES_WITH_LIST.includes(role) &&
    html`<${Field}
      name="choice"
      label=${translate("Permissions")}
      type="select"
      value=${usedChoice}
      onChange=${(/** @type {any} */ event) => setChoice(event.target.value)}
    >
      ${isSame && html`<option value=${KEEP}>${translate("As they are")}</option>`}
      ${!isConsultant && html`<option value=${WHOLE_ROLE}>${translate("All of the role")}</option>`}
      <option value=${LIST}>${translate("Only the ones marked below")}</option>
    <//>`}
    ${ROLES_WITH_LIST.includes(role) &&
    usedChoice === LIST &&
    html`<${Choices}
      key=${role}
      name="permissions"
      label=${translate("The only permissions")}
      hint=${isSame ? translate("Marked is what the person may do now.") : undefined}
      options=${(meaning?.permissions ?? []).map(({ permission, description }) => [permission, description])}
      values=${permissions && role === formerRole ? permissions : []}
    />`}
    <${Field} name="end" label=${translate("Access ends after")} type="date" value=${toDay(end)} hint=${translate("Empty: the access has no end.")} />
  `;
}

/** The input of new terms from the values of the fields. @param {Record<string, any>} values */
export function newTerms({ role, choice, permissions, end }) {
  return { role, permissions: choice === LIST ? (permissions ?? []) : null, grantValidUntil: endOfDay(end) };
}

/**
 * The input of changed terms from the values of the fields and the former terms: only what was changed.
 * @param {Record<string, any>} values @param {{ role: string, end: string | null }} former @param {string} endName
 */
export function changedTerms({ role, choice, permissions, end }, former, endName) {
  // A form that is sent before it has its fields changes nothing.
  const isNewEnd = end !== undefined && end !== toDay(former.end);
  return {
    role: role && role !== former.role ? role : null,
    permissions: choice === LIST ? (permissions ?? []) : null,
    // A new role starts without a list.
    removePermissionList: choice === WHOLE_ROLE && role === former.role ? true : null,
    [endName]: isNewEnd && end ? endOfDay(end) : null,
    removeEnd: isNewEnd && !end ? true : null,
  };
}
