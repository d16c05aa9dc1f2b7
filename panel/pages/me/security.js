// How the user signs in: password, second factor, passkeys, and where they are signed in.

import { Field, Form } from "../../components/form.js";
import { mutate } from "../../core/query.js";
import { translate } from "../../core/texts.js";
import { html, useState } from "../../core/view.js";
import { Passkeys } from "./passkeys.js";
import { RecoveryCodes } from "./recovery-codes.js";
import { SecondFactor } from "./second-factor.js";
import { Sessions } from "./sessions.js";

export default function SecurityPage() {
  const [codes, setCodes] = useState(/** @type {string[] | null} */ (null));
  return html`
    <h1 tabindex="-1">${translate("Security")}</h1>
    ${codes && html`<${RecoveryCodes} key=${codes[0]} codes=${codes} onDone=${() => setCodes(null)} />`}
    <${Password} />
    <${SecondFactor} onCodes=${setCodes} />
    <${Passkeys} onCodes=${setCodes} />
    <${Sessions} />
  `;
}

function Password() {
  // The number of changes: a new form with empty fields after each.
  const [count, setCount] = useState(0);
  const change = (/** @type {any} */ { currentPassword, newPassword, repeated }) =>
    newPassword === repeated
      ? mutate("ChangePassword", { currentPassword, newPassword })
      : Promise.resolve({ errors: [{ code: "INVALID", message: translate("The two passwords are different."), field: ["repeated"] }] });
  return html`<section class="card" aria-label=${translate("Password")}>
    <h2>${translate("Password")}</h2>
    <p role="status">${count > 0 && translate("Your password is changed. Your other sessions have ended.")}</p>
    <details key=${count}>
      <summary>${translate("Change the password")}</summary>
      <p>${translate("All your other sessions end. You stay signed in here.")}</p>
      <${Form} submit=${translate("Save the password")} run=${change} onDone=${() => setCount(count + 1)}>
        <${Field} name="currentPassword" label=${translate("Current password")} type="password" autocomplete="current-password" required />
        <${Field} name="newPassword" label=${translate("New password")} type="password" autocomplete="new-password" required hint=${translate("At least twelve characters, and not easy to guess.")} />
        <${Field} name="repeated" label=${translate("New password, once more")} type="password" autocomplete="new-password" required />
      <//>
    </details>
  </section>`;
}
