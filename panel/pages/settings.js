// The settings of an account: its facts, what new documents have, restrictions, the second factor, and its kind.

import { Answer } from "../components/answer.js";
import { ConfirmButton } from "../components/dialog.js";
import { Field, Form } from "../components/form.js";
import { Table } from "../components/list.js";
import { MissingRoles, unlessClosing, useRoles } from "../components/roles.js";
import { roleName } from "../core/decisions.js";
import { mutate, useQuery } from "../core/query.js";
import { LOCALE_NAMES, translate, translatePlural } from "../core/texts.js";
import { html, useRef, useState } from "../core/view.js";

export default function SettingsPage({ account }) {
  const query = useQuery("AccountSettings", { number: account.number });
  return html`
    <h1 tabindex="-1">${translate("Settings")}</h1>
    <${Answer} query=${query}>
      ${(/** @type {any} */ { account: facts, viewer }) =>
        facts &&
        html`<${Identity} facts=${facts} account=${account} />
          ${facts.settings &&
          html`<${Invoicing} settings=${facts.settings} account=${account} />
            <${Restrictions} settings=${facts.settings} account=${account} />
            <${SecondFactor} settings=${facts.settings} account=${account} userId=${viewer.user.id} />`}
          <${Kind} facts=${facts} account=${account} />`}
    <//>
  `;
}

/** The values that differ from the former ones, so that a form does not undo what others have changed meanwhile. */
function changesOf(values, former) {
  return Object.fromEntries(Object.entries(values).filter(([name, value]) => JSON.stringify(value) !== JSON.stringify(former[name] ?? null)));
}

/**
 * A part of the settings: a form for those who may change it, otherwise the values and the reason.
 * @param {{ title: string, id: string, account: any, rows: any[], children?: any }} properties
 */
function Part({ title, id, account, rows, children }) {
  const can = account.decisions.SETTINGS_WRITE;
  return html`<section class="card" aria-labelledby=${id}>
    <h2 id=${id}>${title}</h2>
    ${can.allowed
      ? children
      : html`<dl>${rows.map(([label, value]) => html`<dt>${label}</dt><dd>${value || translate("None")}</dd>`)}</dl>
          <p class="reason">${can.explanation}</p>`}
  </section>`;
}

/** Make the values of a form its defaults. From then on its fields follow what others change. @param {HTMLFormElement} form */
function storeDefaults(form) {
  for (const control of form.elements) {
    if (!(control instanceof HTMLInputElement)) continue;
    control.defaultValue = control.value;
    control.defaultChecked = control.checked;
  }
  // A field that the user has edited follows its default again after a reset only.
  form.reset();
}

/** A form that says that it was saved. @param {{ submit?: string, run: (values: any) => Promise<any>, children?: any }} properties */
function SavedForm({ submit = translate("Save"), run, children }) {
  const element = useRef(/** @type {HTMLDivElement | null} */ (null));
  const [isSaved, setSaved] = useState(false);
  const finish = () => {
    const form = element.current?.querySelector("form");
    if (form) storeDefaults(form);
    setSaved(true);
  };
  const save = (/** @type {any} */ values) => {
    setSaved(false);
    return run(values);
  };
  return html`<div ref=${element}><${Form} submit=${submit} run=${save} onDone=${finish} note=${html`<p role="status">${isSaved && translate("Saved.")}</p>`}>${children}<//></div>`;
}

// ---- Name and numbers ----------------------------------------------------------------------------

function Identity({ facts, account }) {
  const save = ({ name, country, organizationNumber }) =>
    mutate("UpdateAccount", { accountId: account.id, ...changesOf({ name, country: country.toUpperCase() || null, organizationNumber: organizationNumber || null }, facts) });
  const rows = [
    [translate("Name"), facts.name],
    [translate("Country"), facts.country],
    [translate("Organization number"), facts.organizationNumber],
  ];
  return html`<${Part} title=${translate("Name and numbers")} id="identity" account=${account} rows=${rows}>
    <${SavedForm} run=${save}>
      <${Field} name="name" label=${translate("Name")} value=${facts.name} autocomplete="organization" maxlength="200" required />
      <${Field} name="country" label=${translate("Country")} value=${facts.country} maxlength="2" hint=${translate("Two letters, for example NO. Needed for an organization number.")} />
      <${Field}
        name="organizationNumber"
        label=${translate("Organization number")}
        value=${facts.organizationNumber}
        hint=${translate("Other companies find the account by it. If an account of another owner has it, they get time to object.")}
      />
    <//>
  <//>`;
}

// ---- What new documents have ---------------------------------------------------------------------

function Invoicing({ settings, account }) {
  const save = async ({ vatNumber, bankAccountNumber, paymentTermDays, ...values }) => {
    if (paymentTermDays === "") return { errors: [{ code: "REQUIRED", message: translate("This cannot be empty."), field: ["paymentTermDays"] }] };
    const numbers = { vatNumber: vatNumber || null, bankAccountNumber: bankAccountNumber.replaceAll(" ", "") || null };
    return mutate("UpdateAccountSettings", { accountId: account.id, ...changesOf({ ...values, ...numbers, paymentTermDays: Number(paymentTermDays) }, settings) });
  };
  const { invoicePrefix, vatNumber, bankAccountNumber, defaultCurrency, defaultLocale, paymentTermDays } = settings;
  const rows = [
    [translate("VAT number"), vatNumber],
    [translate("Bank account"), bankAccountNumber],
    [translate("Start of invoice numbers"), invoicePrefix],
    [translate("Currency"), defaultCurrency],
    [translate("Language of documents"), LOCALE_NAMES[defaultLocale] ?? defaultLocale],
    [translate("Days to pay"), String(paymentTermDays)],
  ];
  return html`<${Part} title=${translate("Invoicing")} id="invoicing" account=${account} rows=${rows}>
    <${SavedForm} run=${save}>
      <${Field} name="vatNumber" label=${translate("VAT number")} value=${vatNumber} hint=${translate("The letters of the country can be left out.")} />
      <${Field}
        name="bankAccountNumber"
        label=${translate("Bank account")}
        value=${bankAccountNumber}
        hint=${translate("An IBAN. You confirm a change with a proof of your identity.")}
        autocomplete="off"
      />
      <${Field} name="invoicePrefix" label=${translate("Start of invoice numbers")} value=${invoicePrefix} maxlength="20" />
      <${Field} name="defaultCurrency" label=${translate("Currency")} value=${defaultCurrency} maxlength="3" hint=${translate("Three letters, for example EUR.")} required />
      <${Field} name="defaultLocale" label=${translate("Language of documents")} value=${defaultLocale} hint=${translate("A language tag, for example nb or en-GB.")} required />
      <${Field} name="paymentTermDays" label=${translate("Days to pay")} type="number" min="0" max="365" step="1" value=${String(paymentTermDays)} required />
    <//>
  <//>`;
}

// ---- Restrictions and locks ----------------------------------------------------------------------

function Restrictions({ settings, account }) {
  const permissions = useRoles().find(({ role }) => role === "OWNER")?.permissions.filter(({ restrictable }) => restrictable) ?? [];
  const can = account.decisions.SETTINGS_WRITE;
  const choice = (/** @type {string} */ name, /** @type {string} */ label) => (/** @type {any} */ { permission, description }) =>
    html`<input
      type="checkbox"
      name=${name}
      value=${permission}
      defaultChecked=${settings[name].includes(permission)}
      disabled=${!can.allowed}
      aria-label=${`${label}: ${description}`}
    />`;
  const columns = [
    { title: translate("Permission"), cell: ({ description }) => description },
    { title: translate("Not for simple users"), cell: choice("simpleUserRestrictions", translate("Not for simple users")) },
    { title: translate("Locked for all"), cell: choice("locks", translate("Locked for all")) },
  ];
  const save = ({ simpleUserRestrictions = [], locks = [] }) =>
    mutate("UpdateAccountSettings", { accountId: account.id, ...changesOf({ simpleUserRestrictions, locks }, settings) });
  const table = html`<${Table} label=${translate("Restrictions and locks")} columns=${columns} nodes=${permissions} keyOf=${({ permission }) => permission} />`;
  // Without its checkboxes the form would send empty lists, and so take all restrictions away.
  const content = can.allowed ? html`<${SavedForm} run=${save}>${table}<//>` : html`${table}<p class="reason">${can.explanation}</p>`;
  return html`<section class="card" aria-labelledby="restrictions">
    <h2 id="restrictions">${translate("Restrictions and locks")}</h2>
    <p>${translate("The marked permissions are taken away at once: from all simple users of the account, or from all users, the owner included.")}</p>
    ${permissions.length > 0 ? content : html`<${MissingRoles} />`}
  </section>`;
}

// ---- Second factor -------------------------------------------------------------------------------

function SecondFactor({ settings, account, userId }) {
  const { requiresTwoFactor, withoutSecondFactor } = settings;
  const can = account.decisions.SETTINGS_WRITE;
  const isWithout = withoutSecondFactor?.nodes.some(({ user }) => user.id === userId);
  const demand = isWithout ? { allowed: false, explanation: translate("You would lock yourself out. Set up your own second factor first.") } : can;
  const change = (/** @type {boolean} */ isRequired) => mutate("UpdateAccountSettings", { accountId: account.id, requiresTwoFactor: isRequired });
  const count = withoutSecondFactor?.totalCount ?? 0;
  return html`<section class="card" aria-labelledby="second-factor">
    <h2 id="second-factor">${translate("Second factor")}</h2>
    <p>
      ${requiresTwoFactor
        ? translate("All users need a second factor to enter the account.")
        : translate("Users can enter the account without a second factor.")}
    </p>
    ${withoutSecondFactor && html`<${WithoutFactor} connection=${withoutSecondFactor} isRequired=${requiresTwoFactor} />`}
    <div class="actions">${requiresTwoFactor
      ? html`<${ConfirmButton}
          label=${translate("Demand it no longer")}
          can=${can}
          consequence=${translate("Users can enter the account without a second factor.")}
          run=${() => change(false)}
        />`
      : html`<${ConfirmButton}
          label=${translate("Demand a second factor")}
          can=${can.allowed ? demand : can}
          consequence=${html`${translate("Users without a second factor can no longer enter the account.")}${" "}
          ${count > 0 && translatePlural("%(n)d user is shut out until they set one up.", "%(n)d users are shut out until they set one up.", count)}`}
          run=${() => change(true)}
        />`}</div>
    ${isWithout && html`<p><a href="/me/security">${translate("To your second factor")}</a></p>`}
  </section>`;
}

function WithoutFactor({ connection, isRequired }) {
  const { nodes, totalCount } = connection;
  if (!totalCount) return html`<p>${translate("All users with access have one.")}</p>`;
  return html`<details>
    <summary>
      ${isRequired
        ? translatePlural("%(n)d user is shut out, because they have none", "%(n)d users are shut out, because they have none", totalCount)
        : translatePlural("%(n)d user has none", "%(n)d users have none", totalCount)}
    </summary>
    <ul>
      ${nodes.map(({ id, role, user }) => html`<li key=${id}>${user.name} · ${roleName(role)}${user.email && html`<br /><small>${user.email}</small>`}</li>`)}
      ${totalCount > nodes.length && html`<li>${translatePlural("and %(n)d other", "and %(n)d others", totalCount - nodes.length)}</li>`}
    </ul>
  </details>`;
}

// ---- Kind ----------------------------------------------------------------------------------------

function Kind({ facts, account }) {
  const isBureau = facts.kind === "BUREAU";
  const can = unlessClosing(account, account.decisions.OWNERSHIP);
  const change = () => mutate("ChangeAccountKind", { accountId: account.id, kind: isBureau ? "BUSINESS" : "BUREAU" });
  return html`<section class="card" aria-labelledby="kind">
    <h2 id="kind">${translate("Kind")}</h2>
    <p>${isBureau ? translate("This account is a bureau: it works for clients.") : translate("This account is a business.")}</p>
    ${isBureau
      ? html`<${ConfirmButton}
          label=${translate("Make it a business")}
          can=${can}
          consequence=${translate("The account can no longer work for clients. This is possible only while it has none. Users, days and seats stay.")}
          run=${change}
        />`
      : html`<${ConfirmButton}
          label=${translate("Make it a bureau")}
          can=${can}
          consequence=${translate("The account can open accounts for clients and work for them. Its users, days and seats stay, and it can become a business again while it has no clients.")}
          run=${change}
        />`}
  </section>`;
}
