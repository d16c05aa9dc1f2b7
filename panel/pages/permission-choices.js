// Permissions of consultants to choose from, with the words of the graph.

import { MissingRoles, useRoles } from "../components/roles.js";
import { translate } from "../core/texts.js";
import { html, useState } from "../core/view.js";

/** The choices have no field of their own for errors, so these are shown above the form. */
export const permissionErrors = { permissions: "", consultantPermissions: "" };

/**
 * Checkboxes with the name `permissions`. Those that the viewer may not give, by `decisions`, cannot be added.
 * @param {{ legend: string, hint?: string, chosen?: string[], decisions?: Record<string, any> }} properties
 */
export function PermissionChoices({ legend, hint, chosen = [], decisions }) {
  const meaning = useRoles().find(({ role }) => role === "CONSULTANT");
  // A form that is sent before the meanings are read must not take the chosen permissions away.
  const permissions = meaning?.permissions ?? chosen.map((permission) => ({ permission, description: permission }));
  const [selection, setSelection] = useState(new Set(chosen));
  const mayGive = (/** @type {string} */ permission) => chosen.includes(permission) || !decisions?.[permission] || decisions[permission].allowed;
  const givable = permissions.map(({ permission }) => permission).filter(mayGive);
  const change = (/** @type {string} */ permission, /** @type {boolean} */ isChosen) => {
    const newSelection = new Set(selection);
    isChosen ? newSelection.add(permission) : newSelection.delete(permission);
    // To change something without seeing it is refused by the graph.
    const reading = permission.replace(/_(WRITE|SEND|DELETE|READ_ALL)$/, "_READ");
    if (isChosen && givable.includes(reading)) newSelection.add(reading);
    setSelection(newSelection);
  };
  return html`<fieldset>
    <legend>${legend}</legend>
    ${hint && html`<p><small>${hint}</small></p>`}
    <div class="buttons">
      <button type="button" onClick=${() => setSelection(new Set(givable))}>${translate("Choose all")}</button>
      <button type="button" onClick=${() => setSelection(new Set(givable.filter((permission) => /_READ(_|$)/.test(permission))))}>${translate("Only reading")}</button>
      <button type="button" onClick=${() => setSelection(new Set())}>${translate("Choose none")}</button>
    </div>
    ${!meaning && html`<${MissingRoles} />`}
    ${permissions.map(
      ({ permission, description }) => html`<div class="field choice" key=${permission}>
        <input
          type="checkbox"
          name="permissions"
          id=${`permission-${permission}`}
          value=${permission}
          checked=${selection.has(permission)}
          disabled=${!mayGive(permission)}
          onChange=${(/** @type {any} */ event) => change(permission, event.target.checked)}
        />
        <label for=${`permission-${permission}`}>${description}</label>
        ${!mayGive(permission) && html`<small>${decisions?.[permission].explanation}</small>`}
      </div>`,
    )}
  </fieldset>`;
}
