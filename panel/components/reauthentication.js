// Asks the user to prove their identity again before a sensitive change.

import { hasPasskeys, reauthenticateWithPasskey } from "../core/passkeys.js";
import { mutate, useQuery } from "../core/query.js";
import { address } from "../core/router.js";
import { viewer } from "../core/session.js";
import { Store, useStore } from "../core/store.js";
import { translate } from "../core/texts.js";
import { html, useEffect } from "../core/view.js";
import { Dialog } from "./dialog.js";
import { Field, Form } from "./form.js";

/** @type {Store<((isConfirmed: boolean) => void) | null>} */
const request = new Store(/** @type {((isConfirmed: boolean) => void) | null} */ (null));

/** The answer to the request. Changes that need a proof at the same time wait for the same one. @type {Promise<boolean> | null} */
let answer = null;

/** Ask for a proof. Resolves to true when the server has accepted it, and to false if the user gives up or leaves the page. @returns {Promise<boolean>} */
export function requireReauthentication() {
  answer ??= new Promise((resolve) => {
    const finish = (/** @type {boolean} */ isConfirmed) => {
      // A passkey can answer after the user has closed the dialog.
      if (request.value !== finish) return;
      answer = null;
      request.set(null);
      resolve(isConfirmed);
    };
    request.set(finish);
  });
  return answer;
}

/** The dialog of a pending request. It stands once in the page. */
export function ReauthenticationDialog() {
  const finish = useStore(request);
  const { path } = useStore(address);
  const userId = useStore(viewer)?.user.id;
  // The change that waits belongs to its page and its user.
  useEffect(() => () => request.value?.(false), [path, userId]);
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
