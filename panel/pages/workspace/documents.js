// The documents of the account: invoices and credit notes, with search, filters and orders, and a form for a new draft.

import { DialogButton } from "../../components/dialog.js";
import { Field, Form } from "../../components/form.js";
import { List } from "../../components/list.js";
import { formatAmount, formatDay } from "../../core/formats.js";
import { createIdempotencyKey, mutate } from "../../core/query.js";
import { navigate } from "../../core/router.js";
import { translate } from "../../core/texts.js";
import { html, useMemo } from "../../core/view.js";
import { ContactField, ContactFilter } from "./choices.js";
import { DOCUMENT_KINDS, DOCUMENT_STATUSES, documentKind, documentName, documentStatus } from "./words.js";

export default function DocumentsPage({ account }) {
  const { decisions, number } = account;
  const seesOnlyOwn = decisions.DOCUMENTS_READ_ALL && !decisions.DOCUMENTS_READ_ALL.allowed;
  return html`
    <h1 tabindex="-1">${translate("Documents")}</h1>
    ${seesOnlyOwn && html`<p><small>${translate("You see the documents that you created, and no others.")}</small></p>`}
    <${List}
      operation="Documents"
      label=${translate("Documents")}
      connection=${(/** @type {any} */ data) => data.account?.documents}
      variables=${(/** @type {any} */ state) => ({ number, ...readVariables(state) })}
      columns=${documentColumns(number, !seesOnlyOwn)}
      hasSearch
      filters=${documentFilters(account)}
      empty=${translate("There is no document yet.")}
      actions=${html`<${NewDocument} account=${account} />`}
    />
  `;
}

/** The variables of the list for the search, the filters and the order. @param {Record<string, string>} state */
function readVariables({ search, status, kind, contact, from, to, overdue, order }) {
  const filter = {
    ...(search && { search }),
    ...(status && { status: [status] }),
    ...(kind && { kind }),
    ...(contact && { contactId: contact }),
    ...(from && { issuedFrom: from }),
    ...(to && { issuedTo: to }),
    ...(overdue && { isOverdue: overdue === "yes" }),
  };
  return { filter, orderBy: order || null };
}

function documentFilters(account) {
  const hasContacts = account.decisions.CONTACTS_READ.allowed;
  const contactFilter = { name: "contact", label: translate("Contact"), view: (/** @type {any} */ properties) => html`<${ContactFilter} number=${account.number} ...${properties} />` };
  return [
    { name: "status", label: translate("Status"), options: DOCUMENT_STATUSES.map((status) => [status, documentStatus(status)]) },
    { name: "kind", label: translate("Kind"), options: DOCUMENT_KINDS.map((kind) => [kind, documentKind(kind)]) },
    ...(hasContacts ? [contactFilter] : []),
    { name: "from", label: translate("Issued from"), type: "date" },
    { name: "to", label: translate("Issued until"), type: "date" },
    { name: "overdue", label: translate("Overdue"), options: [["yes", translate("Overdue")], ["no", translate("Not overdue")]] },
    {
      name: "order",
      label: translate("Order"),
      isOrder: true,
      all: translate("Newest first"),
      options: [
        ["ISSUED_ON", translate("Date of issue, latest first")],
        ["NUMBER", translate("Number, highest first")],
        ["DUE_ON", translate("Due date, earliest first")],
        ["GROSS_AMOUNT", translate("Amount, largest first")],
      ],
    },
  ];
}

/** @param {number} number @param {boolean} hasCreator */
function documentColumns(number, hasCreator) {
  return [
    { title: translate("Document"), cell: (/** @type {any} */ document) => html`<a href=${`/a/${number}/documents/${document.id}`}>${documentName(document)}</a>` },
    { title: translate("Status"), cell: ({ status }) => html`<span class="status">${documentStatus(status)}</span>` },
    { title: translate("Buyer"), cell: ({ buyerName, contact }) => buyerName ?? contact?.name ?? "" },
    { title: translate("Issued"), cell: ({ issuedOn }) => formatDay(issuedOn) },
    { title: translate("Due"), cell: ({ dueOn }) => formatDay(dueOn) },
    { title: translate("Amount"), isNumber: true, cell: ({ grossAmount, currency }) => formatAmount(grossAmount, currency) },
    { title: translate("Open amount"), isNumber: true, cell: ({ kind, openAmount, currency }) => (kind === "INVOICE" ? formatAmount(openAmount, currency) : "") },
    ...(hasCreator ? [{ title: translate("Created by"), cell: (/** @type {any} */ { createdBy }) => createdBy?.name ?? "" }] : []),
  ];
}

function NewDocument({ account }) {
  return html`<${DialogButton} label=${translate("New invoice")} kind="primary" can=${account.decisions.DOCUMENTS_WRITE}>
    ${(/** @type {() => void} */ close) => html`<${NewDocumentForm} account=${account} close=${close} />`}
  <//>`;
}

function NewDocumentForm({ account, close }) {
  const idempotencyKey = useMemo(createIdempotencyKey, []);
  const create = ({ contactId, currency, soldOn, dueOn, note }) =>
    mutate("CreateDocument", {
      accountId: account.id,
      contactId: contactId || null,
      currency: currency || null,
      soldOn: soldOn || null,
      dueOn: dueOn || null,
      note: note || null,
      idempotencyKey,
    });
  const open = (/** @type {any} */ { document }) => navigate(`/a/${account.number}/documents/${document.id}`);
  return html`<${Form} submit=${translate("Create the draft")} run=${create} cancel=${close} onDone=${open}>
    <${ContactField} account=${account} label=${translate("Buyer")} kinds=${["CUSTOMER", "BOTH"]} />
    <${Field} name="currency" label=${translate("Currency")} maxlength="3" hint=${translate("Three letters, for example EUR. Empty: the currency of the account.")} />
    <${Field} name="soldOn" label=${translate("Date of sale")} type="date" />
    <${Field} name="dueOn" label=${translate("Due date")} type="date" hint=${translate("Empty: by the settings of the account, when the invoice is issued.")} />
    <${Field} name="note" label=${translate("Text to the buyer")} type="textarea" maxlength="2000" />
  <//>`;
}
