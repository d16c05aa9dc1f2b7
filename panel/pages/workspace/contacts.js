// The contacts of the account: customers and suppliers.

import { DialogButton } from "../../components/dialog.js";
import { Field, Form } from "../../components/form.js";
import { List } from "../../components/list.js";
import { createIdempotencyKey, mutate } from "../../core/query.js";
import { LOCALE_NAMES, translate } from "../../core/texts.js";
import { html, useMemo } from "../../core/view.js";
import { ArchiveButton, archiveFilter, archiveVariables } from "./archive.js";
import { CONTACT_KINDS, contactKind } from "./words.js";

export default function ContactsPage({ account }) {
  const { number, decisions } = account;
  const filters = [
    { name: "kind", label: translate("Kind"), options: CONTACT_KINDS.map((kind) => [kind, contactKind(kind)]) },
    archiveFilter(),
    { name: "order", label: translate("Order"), isOrder: true, all: translate("Name"), options: [["CREATED_AT", translate("Oldest first")]] },
  ];
  const variables = ({ search, kind, archive, order }) => ({
    number,
    filter: { ...(search && { search }), ...(kind && { kind: [kind] }), ...archiveVariables(archive) },
    orderBy: order || "NAME",
  });
  return html`
    <h1 tabindex="-1">${translate("Contacts")}</h1>
    <${List}
      operation="Contacts"
      label=${translate("Contacts")}
      connection=${(/** @type {any} */ data) => data.account?.contacts}
      variables=${variables}
      columns=${contactColumns(account)}
      hasSearch
      filters=${filters}
      empty=${translate("There is no contact yet.")}
      actions=${html`<${DialogButton} label=${translate("New contact")} kind="primary" can=${decisions.CONTACTS_WRITE}>
        ${(/** @type {() => void} */ close) => html`<${NewContactForm} account=${account} close=${close} />`}
      <//>`}
    />
  `;
}

function contactColumns(account) {
  const { number, decisions } = account;
  const name = (/** @type {any} */ contact) => html`${decisions.DOCUMENTS_READ.allowed ? html`<a href=${`/a/${number}/documents?contact=${contact.id}`} title=${translate("Documents of this contact")}>${contact.name}</a>` : contact.name}
    ${contact.isArchived && html` <span class="status">${translate("Archived")}</span>`}`;
  return [
    { title: translate("Name"), cell: name },
    { title: translate("Kind"), cell: ({ kind }) => contactKind(kind) },
    { title: translate("Country"), cell: ({ country }) => country ?? "" },
    { title: translate("VAT number"), cell: ({ vatNumber }) => vatNumber ?? "" },
    { title: translate("E-mail"), cell: ({ email }) => email ?? "" },
    { title: translate("Actions"), cell: (/** @type {any} */ contact) => html`<${ContactActions} contact=${contact} can=${decisions.CONTACTS_WRITE} />` },
  ];
}

function ContactActions({ contact, can }) {
  return html`<div class="buttons">
    <${DialogButton} label=${translate("Change")} title=${contact.name} description=${translate("Change %(name)s", { name: contact.name })} can=${can}>
      ${(/** @type {() => void} */ close) => html`<${ContactForm} contact=${contact} close=${close} />`}
    <//>
    <${ArchiveButton}
      operation="ArchiveContact"
      input=${{ contactId: contact.id }}
      name=${contact.name}
      isArchived=${contact.isArchived}
      consequence=${translate("“%(name)s” can no longer be chosen for documents and expenses. Those that exist keep the contact.", { name: contact.name })}
      can=${can}
    />
  </div>`;
}

function NewContactForm({ account, close }) {
  const idempotencyKey = useMemo(createIdempotencyKey, []);
  const create = (/** @type {any} */ values) => {
    const entries = Object.entries(values).map(([name, value]) => [name, value || null]);
    return mutate("CreateContact", { ...Object.fromEntries(entries), name: values.name, accountId: account.id, idempotencyKey });
  };
  return html`<${Form} submit=${translate("Create the contact")} run=${create} cancel=${close} onDone=${close}><${ContactFields} kind="CUSTOMER" /><//>`;
}

/** An empty text removes a value, so all fields are sent. */
function ContactForm({ contact, close }) {
  const change = (/** @type {any} */ values) => mutate("UpdateContact", { ...values, contactId: contact.id });
  return html`<${Form} submit=${translate("Save")} run=${change} cancel=${close} onDone=${close}><${ContactFields} ...${contact} /><//>`;
}

function ContactFields({ name, kind, country, vatNumber, address, email, locale }) {
  return html`
    <${Field} name="name" label=${translate("Name")} maxlength="200" value=${name} required />
    <${Field} name="kind" label=${translate("Kind")} type="select" value=${kind}>${CONTACT_KINDS.map((value) => html`<option value=${value}>${contactKind(value)}</option>`)}<//>
    <${Field} name="country" label=${translate("Country")} maxlength="2" value=${country} hint=${translate("Two letters, for example NO.")} />
    <${Field} name="vatNumber" label=${translate("VAT number")} value=${vatNumber} />
    <${Field} name="address" label=${translate("Address")} type="textarea" maxlength="2000" value=${address} />
    <${Field} name="email" label=${translate("E-mail for documents")} type="email" value=${email} />
    <${Field} name="locale" label=${translate("Language of documents")} type="select" value=${locale ?? ""}>
      <option value="">${translate("That of the account")}</option>
      ${locale && !(locale in LOCALE_NAMES) && html`<option value=${locale}>${locale}</option>`}
      ${Object.entries(LOCALE_NAMES).map(([value, text]) => html`<option value=${value}>${text}</option>`)}
    <//>
  `;
}
