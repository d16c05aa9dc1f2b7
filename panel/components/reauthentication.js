// Asks the user to prove their identity again before a sensitive change.

import { hasPasskeys, reauthenticateWithPasskey } from "../core/passkeys.js";
import { mutate, useQuery } from "../core/query.js";
import { Store, useStore } from "../core/store.js";
import { translate } from "../core/texts.js";
import { html } from "../core/view.js";
import { Dialog } from "./dialog.js";
import { Field, Form } from "./form.js";

/** @type {Store<((isConfirmed: boolean) => void) | null>} */
const request = new Store(/** @type {((isConfirmed: boolean) => void) | null} */ (null));

/** Ask for a proof. Resolves to true when the server has accepted it, and to false if the user gives up. @returns {Promise<boolean>} */
export function requireReauthentication() {
  return new Promise((resolve) => {
    request.set((isConfirmed) => {
      request.set(null);
      resolve(isConfirmed);
    });
  });
}

/** The dialog of a pending request. It stands once in the page. */
export function ReauthenticationDialog() {
  const finish = useStore(request);
  if (!finish) return null;
  return html`<${Dialog} title=${translate("Confirm that it is you")} onClose=${() => finish(false)}>
    <p>${translate("This change needs a proof of your identity that is not older than a few minutes.")}</p>
    <${Proofs} onDone=${() => finish(true)} />
  <//>`;
}

/** The proofs that this user can give: a passkey, a code, or the password. @param {{ onDone: () => void }} properties */
function Proofs({ onDone }) {
  const { data, isLoading } = useQuery("ProofMethods");
  if (!data && isLoading) return html`<p class="loading">${translate("Loading…")}</p>`;
  const hasPasskey = data?.viewer?.passkeys.length > 0;
  const hasFactor = hasPasskey || data?.viewer?.secondFactor.isActive;
  return html`
    ${hasPasskey && hasPasskeys() && html`<${Form} submit=${translate("Use a passkey")} run=${reauthenticateWithPasskey} onDone=${onDone} />`}
    <${Form} submit=${translate("Confirm")} kind=${hasPasskey ? "secondary" : ""} run=${reauthenticate} onDone=${onDone}>
      ${hasFactor
        ? html`<${Field} name="code" label=${translate("Code of your authenticator app, or a recovery code")} autocomplete="one-time-code" autocapitalize="none" spellcheck=${false} required />`
        : html`<${Field} name="password" label=${translate("Password")} type="password" autocomplete="current-password" required />`}
    <//>
  `;
}

/** @param {Record<string, string>} values */
const reauthenticate = ({ password, code }) => mutate("Reauthenticate", { password: password || null, code: code || null });
