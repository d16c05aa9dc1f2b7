// What can be done with a document: change, issue and delete a draft; send, pay and credit an issued one.

import { ConfirmButton, DialogButton } from "../../components/dialog.js";
import { Field, Form } from "../../components/form.js";
import { formatAmount, writeDecimal } from "../../core/formats.js";
import { createIdempotencyKey, mutate } from "../../core/query.js";
import { navigate } from "../../core/router.js";
import { translate } from "../../core/texts.js";
import { html, useMemo } from "../../core/view.js";
import { ContactField } from "./choices.js";
import { withDecimals } from "./decimals.js";
import { emptiedFields, requiredErrors } from "./required.js";

const PAYABLE = ["ISSUED", "SENT", "PARTLY_PAID"];
const CREDITABLE = [...PAYABLE, "PAID"];

/** The buttons that the state of the document allows. @param {{ document: any, account: any }} properties */
export function DocumentActions({ document, account }) {
  const { DOCUMENTS_WRITE, DOCUMENTS_SEND, DOCUMENTS_DELETE } = account.decisions;
  const { id, kind, status } = document;
  if (status === "DELETED") return null;
  if (status === "DRAFT")
    return html`<div class="buttons">
      <${DialogButton} label=${translate("Issue")} kind="primary" can=${DOCUMENTS_WRITE}>${(/** @type {() => void} */ close) => html`<${IssueForm} document=${document} close=${close} />`}<//>
      <${DialogButton} label=${translate("Change")} can=${DOCUMENTS_WRITE}>${(/** @type {() => void} */ close) => html`<${DraftForm} document=${document} account=${account} close=${close} />`}<//>
      <${ConfirmButton}
        label=${translate("Delete the draft")}
        can=${DOCUMENTS_DELETE}
        consequence=${translate("The draft and its lines are deleted. This cannot be undone.")}
        run=${() => mutate("DeleteDocument", { documentId: id })}
        onDone=${() => navigate(`/a/${account.number}/documents`)}
      />
    </div>`;
  return html`<div class="buttons">
    <${DialogButton} label=${translate("Send by mail")} kind="primary" can=${DOCUMENTS_SEND}>${(/** @type {() => void} */ close) => html`<${SendForm} document=${document} close=${close} />`}<//>
    ${kind === "INVOICE" &&
    PAYABLE.includes(status) &&
    html`<${DialogButton} label=${translate("Record a payment")} can=${DOCUMENTS_WRITE}>${(/** @type {() => void} */ close) => html`<${PaymentForm} document=${document} close=${close} />`}<//>`}
    ${kind === "INVOICE" &&
    CREDITABLE.includes(status) &&
    html`<${DialogButton} label=${translate("Create a credit note")} can=${DOCUMENTS_WRITE}>
      ${(/** @type {() => void} */ close) => html`<${CreditForm} document=${document} account=${account} close=${close} />`}
    <//>`}
  </div>`;
}

function IssueForm({ document, close }) {
  const issue = ({ issuedOn }) => mutate("IssueDocument", { documentId: document.id, issuedOn: issuedOn || null });
  return html`
    <p>${translate("The document gets the next number, and can no longer be changed or deleted.")}</p>
    <${Form} submit=${translate("Issue")} run=${issue} cancel=${close} onDone=${close}>
      <${Field} name="issuedOn" label=${translate("Date of issue")} type="date" hint=${translate("Empty: today. It cannot be before the last document of the account.")} />
    <//>
  `;
}

function DraftForm({ document, account, close }) {
  const isInvoice = document.kind === "INVOICE";
  const change = async ({ contactId, soldOn, dueOn, note }) => {
    const emptyNames = emptiedFields(["contactId", "soldOn", "dueOn"], { contactId, soldOn, dueOn }, { ...document, contactId: document.contact?.id });
    if (emptyNames.length) return { errors: requiredErrors(emptyNames) };
    return mutate("UpdateDocument", { documentId: document.id, contactId: contactId || null, soldOn: soldOn || null, dueOn: dueOn || null, note });
  };
  return html`<${Form} submit=${translate("Save")} run=${change} cancel=${close} onDone=${close}>
    ${isInvoice && html`<${ContactField} account=${account} label=${translate("Buyer")} kinds=${["CUSTOMER", "BOTH"]} value=${document.contact?.id} text=${document.contact?.name} />`}
    <${Field} name="soldOn" label=${translate("Date of sale")} type="date" value=${document.soldOn} />
    ${isInvoice && html`<${Field} name="dueOn" label=${translate("Due date")} type="date" value=${document.dueOn} />`}
    <${Field} name="note" label=${translate("Text to the buyer")} type="textarea" maxlength="2000" value=${document.note} />
  <//>`;
}

function SendForm({ document, close }) {
  const idempotencyKey = useMemo(createIdempotencyKey, []);
  const contactEmail = document.contact?.email ?? "";
  const send = ({ email }) => mutate("SendDocument", { documentId: document.id, email: email && email !== contactEmail ? email : null, idempotencyKey });
  return html`
    <p>${translate("The buyer gets a mail with the document as PDF, and as a structured invoice if the countries of seller and buyer are known.")}</p>
    <${Form} submit=${translate("Send")} run=${send} cancel=${close} onDone=${close}>
      <${Field} name="email" label=${translate("E-mail of the receiver")} type="email" value=${contactEmail} hint=${translate("Empty: the address of the contact.")} />
    <//>
  `;
}

function PaymentForm({ document, close }) {
  const idempotencyKey = useMemo(createIdempotencyKey, []);
  const record = (/** @type {any} */ values) =>
    withDecimals(
      values,
      ["amount"],
      ({ amount, paidOn }) => mutate("RecordPayment", { documentId: document.id, amount, paidOn: paidOn || null, idempotencyKey }),
      ["amount"],
    );
  return html`
    <p>${translate("Open: %(amount)s", { amount: formatAmount(document.openAmount, document.currency) })}</p>
    <${Form} submit=${translate("Record the payment")} run=${record} cancel=${close} onDone=${close}>
      <${Field} name="amount" label=${translate("Amount in %(currency)s", { currency: document.currency })} inputmode="decimal" value=${writeDecimal(document.openAmount)} required />
      <${Field} name="paidOn" label=${translate("Paid on")} type="date" hint=${translate("Empty: today.")} />
    <//>
  `;
}

function CreditForm({ document, account, close }) {
  const idempotencyKey = useMemo(createIdempotencyKey, []);
  const open = (/** @type {any} */ payload) => {
    close();
    navigate(`/a/${account.number}/documents/${payload.document.id}`);
  };
  return html`
    <p>${translate("A draft of a credit note is created with all lines of the invoice. Remove what you do not credit, and issue it.")}</p>
    <${Form} submit=${translate("Create the draft")} run=${() => mutate("CreateCreditNote", { documentId: document.id, idempotencyKey })} cancel=${close} onDone=${open} />
  `;
}
