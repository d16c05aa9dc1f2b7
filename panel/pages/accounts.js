// The accounts that the user can enter, the last used first, and a form for a new one.

import { DialogButton } from "../components/dialog.js";
import { Field, Form } from "../components/form.js";
import { List } from "../components/list.js";
import { roleName } from "../core/decisions.js";
import { formatDate, formatInstant } from "../core/formats.js";
import { createIdempotencyKey, mutate } from "../core/query.js";
import { navigate } from "../core/router.js";
import { translate, translatePlural } from "../core/texts.js";
import { html, useMemo } from "../core/view.js";
import { statusText } from "../components/status.js";

export default function AccountsPage() {
  const columns = [
    { title: translate("Account"), cell: (/** @type {any} */ account) => html`<a href=${`/a/${account.number}`}>${account.name}</a><br /><small>${account.number}</small>` },
    { title: translate("Owner"), cell: ({ owner }) => owner?.name ?? "" },
    { title: translate("Your role"), cell: ({ viewerGrant }) => (viewerGrant ? roleName(viewerGrant.role) : "") },
    { title: translate("Status"), cell: (/** @type {any} */ account) => html`<span class="status">${statusText(account.status)}</span>` },
    { title: translate("Subscription"), cell: ({ subscription }) => subscription && html`${translatePlural("%(n)d day left", "%(n)d days left", subscription.daysLeft)}<br /><small>${formatDate(subscription.validUntil)}</small>` },
    { title: translate("Last used"), cell: ({ viewerGrant }) => formatInstant(viewerGrant?.lastUsedAt) },
  ];
  return html`
    <h1 tabindex="-1">${translate("Your accounts")}</h1>
    <${List}
      operation="Accounts"
      label=${translate("Your accounts")}
      connection=${(/** @type {any} */ data) => data.accounts}
      variables=${({ search }) => ({ filter: search ? { search } : null })}
      columns=${columns}
      hasSearch
      empty=${translate("You have no account yet. Create one, or ask for an invitation.")}
      actions=${html`<${NewAccount} />`}
    />
  `;
}

function NewAccount() {
  return html`<${DialogButton} label=${translate("New account")} kind="primary">${(/** @type {() => void} */ close) => html`<${NewAccountForm} close=${close} />`}<//>`;
}

function NewAccountForm({ close }) {
  const idempotencyKey = useMemo(createIdempotencyKey, []);
  const create = ({ name, country, organizationNumber, kind }) =>
    mutate("CreateAccount", { name, kind, country: country || null, organizationNumber: organizationNumber || null, idempotencyKey });
  return html`<${Form} submit=${translate("Create the account")} run=${create} cancel=${close} onDone=${(/** @type {any} */ { account }) => navigate(`/a/${account.number}`)}>
    <${Field} name="name" label=${translate("Name")} autocomplete="organization" required />
    <${Field} name="kind" label=${translate("Kind")} type="select" value="BUSINESS">
      <option value="BUSINESS">${translate("Business")}</option>
      <option value="BUREAU">${translate("Bureau: works for clients")}</option>
    <//>
    <${Field} name="country" label=${translate("Country")} maxlength="2" hint=${translate("Two letters, for example NO. Needed for an organization number.")} />
    <${Field} name="organizationNumber" label=${translate("Organization number")} />
  <//>`;
}
