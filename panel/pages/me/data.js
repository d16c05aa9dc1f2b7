// The user's personal data: a copy of everything, and the end of the login.

import { Answer } from "../../components/answer.js";
import { ConfirmButton } from "../../components/dialog.js";
import { Field, Form } from "../../components/form.js";
import { saveFile } from "../../core/files.js";
import { mutate, useQuery } from "../../core/query.js";
import { navigate } from "../../core/router.js";
import { setViewer } from "../../core/session.js";
import { translate, translatePlural } from "../../core/texts.js";
import { html, useState } from "../../core/view.js";

export default function DataPage() {
  return html`
    <h1 tabindex="-1">${translate("Your data")}</h1>
    <${Export} />
    <${Erasure} />
  `;
}

function Export() {
  const [count, setCount] = useState(0);
  const save = (/** @type {any} */ { document: data }) => {
    saveFile(`fullmakt-${new Date().toISOString().slice(0, 10)}.json`, JSON.stringify(data, null, 2), "application/json");
    setCount(count + 1);
  };
  return html`<section class="card" aria-label=${translate("A copy of your data")}>
    <h2>${translate("A copy of your data")}</h2>
    <p>${translate("A file with all that is stored about you: your login, your access, your sessions, your requests, and what you did. It contains no password.")}</p>
    <p role="status">${count > 0 && translate("The file is in the downloads of your browser.")}</p>
    <${Form} key=${count} submit=${translate("Download the file")} run=${({ password }) => mutate("ExportMyData", { password })} onDone=${save}>
      <${Field} name="password" label=${translate("Password")} type="password" autocomplete="current-password" required />
    <//>
  </section>`;
}

// ---- Erasure ----

function Erasure() {
  const query = useQuery("ErasureConsequences");
  return html`<section class="card" aria-label=${translate("Erase your login")}>
    <h2>${translate("Erase your login")}</h2>
    <p>${translate("Erasure is permanent, and takes effect at once.")}</p>
    <${Answer} query=${query}>${({ viewer: { user, owned, others } }) => html`<${Consequences} user=${user} owned=${owned} others=${others} />`}<//>
  </section>`;
}

/** The users of an owned account beside the owner. */
const otherUsers = (/** @type {any} */ { account }) => Math.max((account?.grants?.totalCount ?? 1) - 1, 0);

function Consequences({ user, owned, others }) {
  const shared = owned.nodes.filter(otherUsers);
  const alone = owned.nodes.filter((/** @type {any} */ grant) => !otherUsers(grant));
  const finish = () => {
    setViewer(null);
    navigate("/sign-in?notice=erased", { replace: true });
  };
  return html`
    <ul>
      <li>${translate("The login %(email)s no longer works. The address can be registered again, as a new login.", { email: user.email })}</li>
      <li>${translate("Your name, your address, your sessions and your passkeys are removed. Entries in the logs of accounts stay, without your name.")}</li>
      ${others.totalCount > 0 && html`<li>${translatePlural("You leave %(n)d account of others.", "You leave %(n)d accounts of others.", others.totalCount)}</li>`}
      ${alone.map((/** @type {any} */ grant) => html`<li><strong>${nameOf(grant)}</strong>: ${translate("The account closes at once and loses its name, because no other user has access to it.")} ${lostDays(grant)}</li>`)}
      ${owned.totalCount > owned.nodes.length && html`<li>${translatePlural("The same holds for %(n)d more account of yours.", "The same holds for %(n)d more accounts of yours.", owned.totalCount - owned.nodes.length)}</li>`}
    </ul>
    ${shared.length > 0
      ? html`<div class="problem">
          <p>${translate("You cannot erase your login now, because others have access to accounts that you own. Transfer the ownership of these accounts, or revoke the access of the others.")}</p>
          <ul>
            ${shared.map((/** @type {any} */ grant) => html`<li><a href=${`/a/${grant.account.number}/ownership`}>${nameOf(grant)}</a>: ${translatePlural("%(n)d other user", "%(n)d other users", otherUsers(grant))}</li>`)}
          </ul>
        </div>`
      : html`<${ConfirmButton}
          label=${translate("Erase my login")}
          consequence=${translate("Your login %(email)s and your personal data are erased for good. This cannot be undone.", { email: user.email })}
          run=${({ password }) => mutate("EraseMe", { password })}
          onDone=${finish}
        >
          <${Field} name="password" label=${translate("Password")} type="password" autocomplete="current-password" required />
        <//>`}
  `;
}

const nameOf = (/** @type {any} */ { accountName, account }) => (account ? `${accountName} (${account.number})` : accountName);

function lostDays({ account }) {
  const days = account?.subscription?.daysLeft ?? 0;
  return days > 0 && translatePlural("%(n)d day of its subscription is lost.", "%(n)d days of its subscription are lost.", days);
}
