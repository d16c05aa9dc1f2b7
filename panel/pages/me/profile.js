// The user's profile: their name, their language, and the address of their login.

import { Answer } from "../../components/answer.js";
import { ConfirmButton } from "../../components/dialog.js";
import { Field, Form } from "../../components/form.js";
import { formatDate, formatInstant } from "../../core/formats.js";
import { createIdempotencyKey, mutate, useQuery } from "../../core/query.js";
import { loadViewer } from "../../core/session.js";
import { LOCALE_NAMES, locale, translate } from "../../core/texts.js";
import { html, useState } from "../../core/view.js";

export default function ProfilePage() {
  const query = useQuery("Profile");
  return html`
    <h1 tabindex="-1">${translate("Profile")}</h1>
    <${Answer} query=${query}>
      ${({ viewer: { user, emailChange } }) => html`
        <${NameAndLanguage} user=${user} />
        <${Address} user=${user} emailChange=${emailChange} />
        <p><small>${translate("You have this login since %(date)s.", { date: formatDate(user.createdAt) })}</small></p>
      `}
    <//>
  `;
}

function NameAndLanguage({ user }) {
  const [isSaved, setSaved] = useState(false);
  const save = (/** @type {any} */ { name, language }) => {
    setSaved(false);
    return mutate("UpdateProfile", { name, locale: language });
  };
  const finish = async () => {
    // The panel switches to the new language with it. If that fails, it does so when it is loaded again.
    await loadViewer().catch(() => undefined);
    setSaved(true);
  };
  return html`<section class="card" aria-label=${translate("Name and language")}>
    <h2>${translate("Name and language")}</h2>
    <${Form} submit=${translate("Save")} run=${save} onDone=${finish} fields=${{ locale: "language" }}>
      <${Field} name="name" label=${translate("Your name")} value=${user.name} autocomplete="name" maxlength="200" required hint=${translate("The other users of your accounts see it.")} />
      <${Field} name="language" label=${translate("Language")} type="select" value=${user.locale ?? locale.value} hint=${translate("Of this panel, and of the mails that you get.")}>
        ${Object.entries(LOCALE_NAMES).map(([value, name]) => html`<option value=${value} lang=${value}>${name}</option>`)}
      <//>
    <//>
    <p role="status">${isSaved && translate("Your profile is saved.")}</p>
  </section>`;
}

function Address({ user, emailChange }) {
  // A new key and empty fields after each request.
  const [idempotencyKey, setKey] = useState(createIdempotencyKey);
  const change = (/** @type {any} */ { newEmail, password }) => mutate("ChangeEmail", { newEmail, password, idempotencyKey });
  return html`<section class="card" aria-label=${translate("Address of your login")}>
    <h2>${translate("Address of your login")}</h2>
    <p>${translate("You sign in with %(email)s. Mails go to this address.", { email: user.email })}</p>
    <div role="status">
      ${emailChange &&
      html`<p class="notice">${translate("A mail with a link is on its way to %(email)s. Your address changes when you open it, until %(instant)s.", { email: emailChange.email, instant: formatInstant(emailChange.expiresAt) })}</p>`}
    </div>
    ${emailChange &&
    html`<p><${ConfirmButton}
        label=${translate("Cancel the change")}
        consequence=${translate("The link in the mail to %(email)s stops working. Your address stays as it is.", { email: emailChange.email })}
        run=${() => mutate("CancelEmailChange")}
      /></p>`}
    <details key=${idempotencyKey}>
      <summary>${emailChange ? translate("Use another address instead") : translate("Change the address")}</summary>
      <p>${translate("The new address gets a mail with a link. Your accounts, your access and your sessions stay as they are.")}</p>
      <${Form} submit=${translate("Send the mail")} run=${change} onDone=${() => setKey(createIdempotencyKey())}>
        <${Field} name="newEmail" label=${translate("New address")} type="email" autocomplete="email" required />
        <${Field} name="password" label=${translate("Password")} type="password" autocomplete="current-password" required />
      <//>
    </details>
  </section>`;
}
