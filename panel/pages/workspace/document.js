// A document: its facts, amounts, lines, payments and sendings, and what can be done with it.

import { List, Table } from "../../components/list.js";
import { Problem } from "../../components/problem.js";
import { formatAmount, formatDay, formatInstant, formatPercent } from "../../core/formats.js";
import { useQuery } from "../../core/query.js";
import { translate } from "../../core/texts.js";
import { html, useEffect } from "../../core/view.js";
import { DocumentActions } from "./document-actions.js";
import { DocumentDeliveries } from "./document-deliveries.js";
import { DocumentLines } from "./document-lines.js";
import { documentName, documentStatus } from "./words.js";

export default function DocumentPage({ parameters, account }) {
  return html`<${DocumentView} key=${parameters.id} id=${parameters.id} number=${parameters.number} account=${account} />`;
}

function DocumentView({ id, number, account }) {
  const { data, problem, isLoading, reload } = useQuery("DocumentPage", { id });
  const document = data?.node?.id ? data.node : null;
  const name = document && documentName(document);
  useEffect(() => {
    if (name) window.document.title = `${name} – Fullmakt`;
  }, [name]);
  const back = html`<p><a href=${`/a/${number}/documents`}>${translate("To all documents")}</a></p>`;
  const problemView = problem && html`<${Problem} problem=${problem} retry=${reload} />`;
  if (!document)
    return html`
      <h1 tabindex="-1">${translate("Document")}</h1>
      ${isLoading && !data && html`<p class="loading">${translate("Loading…")}</p>`}
      ${problemView}
      ${data && html`<p class="empty">${translate("This document does not exist, or you may not see it.")}</p>`}
      ${back}
    `;
  const isDraft = document.status === "DRAFT";
  return html`
    ${back}
    <h1 tabindex="-1">${name}</h1>
    ${problemView}
    <${DocumentActions} document=${document} account=${account} />
    <${Facts} document=${document} number=${number} />
    <section class="card"><h2>${translate("Lines")}</h2><${DocumentLines} document=${document} account=${account} /></section>
    <section class="card"><h2>${translate("Amounts")}</h2><${Amounts} document=${document} /></section>
    ${!isDraft && document.kind === "INVOICE" && html`<section class="card"><h2>${translate("Payments")}</h2><${Payments} document=${document} /></section>`}
    ${!isDraft && document.status !== "DELETED" && html`<section class="card"><h2>${translate("Sent by mail")}</h2><${DocumentDeliveries} document=${document} account=${account} /></section>`}
    ${document.sellerName && html`<${Parties} document=${document} />`}
  `;
}

function Facts({ document, number }) {
  const { contact, correctedInvoice, createdBy } = document;
  return html`<dl>
    <dt>${translate("Status")}</dt><dd><span class="status">${documentStatus(document.status)}</span></dd>
    <dt>${translate("Buyer")}</dt><dd>${document.buyerName ?? contact?.name ?? translate("Not chosen yet")}</dd>
    ${correctedInvoice && html`<dt>${translate("Corrects")}</dt><dd><a href=${`/a/${number}/documents/${correctedInvoice.id}`}>${translate("Invoice %(number)s", { number: correctedInvoice.number })}</a></dd>`}
    ${document.issuedOn && html`<dt>${translate("Issued")}</dt><dd>${formatDay(document.issuedOn)}</dd>`}
    ${document.soldOn && html`<dt>${translate("Date of sale")}</dt><dd>${formatDay(document.soldOn)}</dd>`}
    ${document.dueOn && html`<dt>${translate("Due date")}</dt><dd>${formatDay(document.dueOn)}</dd>`}
    ${document.note && html`<dt>${translate("Text to the buyer")}</dt><dd><pre>${document.note}</pre></dd>`}
    <dt>${translate("Created")}</dt><dd>${formatInstant(document.createdAt)} ${createdBy?.name}</dd>
  </dl>`;
}

function Amounts({ document }) {
  const { currency, vatAmounts } = document;
  const columns = [
    { title: translate("VAT rate"), cell: ({ rate }) => formatPercent(rate) },
    { title: translate("Net amount"), isNumber: true, cell: ({ taxableAmount }) => formatAmount(taxableAmount, currency) },
    { title: translate("VAT"), isNumber: true, cell: ({ taxAmount }) => formatAmount(taxAmount, currency) },
  ];
  return html`
    ${vatAmounts.length > 0 && html`<${Table} label=${translate("VAT by rate")} columns=${columns} nodes=${vatAmounts} keyOf=${({ rate }) => rate} />`}
    <dl>
      <dt>${translate("Net amount")}</dt><dd>${formatAmount(document.netAmount, currency)}</dd>
      <dt>${translate("VAT")}</dt><dd>${formatAmount(document.taxAmount, currency)}</dd>
      <dt>${translate("Amount with VAT")}</dt><dd><strong>${formatAmount(document.grossAmount, currency)}</strong></dd>
      ${document.kind === "INVOICE" &&
      html`<dt>${translate("Paid")}</dt><dd>${formatAmount(document.paidAmount, currency)}</dd>
        <dt>${translate("Open amount")}</dt><dd>${formatAmount(document.openAmount, currency)}</dd>`}
    </dl>
  `;
}

function Payments({ document }) {
  const columns = [
    { title: translate("Paid on"), cell: ({ paidOn }) => formatDay(paidOn) },
    { title: translate("Amount"), isNumber: true, cell: ({ amount }) => formatAmount(amount, document.currency) },
    { title: translate("Recorded"), cell: ({ createdAt }) => formatInstant(createdAt) },
  ];
  return html`<${List}
    operation="DocumentPayments"
    label=${translate("Payments")}
    variables=${() => ({ id: document.id })}
    connection=${(/** @type {any} */ data) => data.node?.payments}
    columns=${columns}
    empty=${translate("No payment is recorded.")}
  />`;
}

/** Seller and buyer as they were when the document was issued. */
function Parties({ document }) {
  const fact = (/** @type {string} */ title, /** @type {string | null} */ value) => value && html`<dt>${title}</dt><dd><pre>${value}</pre></dd>`;
  return html`<details>
    <summary>${translate("Seller and buyer when it was issued")}</summary>
    <dl>
      ${fact(translate("Seller"), document.sellerName)} ${fact(translate("Country"), document.sellerCountry)}
      ${fact(translate("Organization number"), document.sellerOrganizationNumber)} ${fact(translate("VAT number"), document.sellerVatNumber)}
      ${fact(translate("Bank account"), document.sellerBankAccount)}
      ${fact(translate("Buyer"), document.buyerName)} ${fact(translate("Address"), document.buyerAddress)}
      ${fact(translate("Country"), document.buyerCountry)} ${fact(translate("VAT number"), document.buyerVatNumber)}
    </dl>
  </details>`;
}
