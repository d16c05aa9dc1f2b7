// The expenses of the account, with their amounts by VAT rate.

import { Dialog, DialogButton } from "../../components/dialog.js";
import { List, Table } from "../../components/list.js";
import { formatAmount, formatDay, formatInstant, formatPercent } from "../../core/formats.js";
import { translate } from "../../core/texts.js";
import { html, useState } from "../../core/view.js";
import { ArchiveButton, archiveFilter, archiveVariables } from "./archive.js";
import { ContactFilter } from "./choices.js";
import { ExpenseForm, NewExpenseForm } from "./expense-form.js";

export default function ExpensesPage({ account }) {
  const { number, decisions } = account;
  const supplierFilter = { name: "contact", label: translate("Supplier"), view: (/** @type {any} */ properties) => html`<${ContactFilter} number=${number} ...${properties} />` };
  const filters = [
    ...(decisions.CONTACTS_READ.allowed ? [supplierFilter] : []),
    { name: "from", label: translate("First day"), type: "date" },
    { name: "to", label: translate("Last day"), type: "date" },
    archiveFilter(),
    {
      name: "order",
      label: translate("Order"),
      isOrder: true,
      all: translate("Date, latest first"),
      options: [
        ["AMOUNT", translate("Amount, largest first")],
        ["CREATED_AT", translate("Newest first")],
      ],
    },
  ];
  const variables = ({ search, contact, from, to, archive, order }) => ({
    number,
    filter: { ...(search && { search }), ...(contact && { contactId: contact }), ...(from && { spentFrom: from }), ...(to && { spentTo: to }), ...archiveVariables(archive) },
    orderBy: order || null,
  });
  return html`
    <h1 tabindex="-1">${translate("Expenses")}</h1>
    <${List}
      operation="Expenses"
      label=${translate("Expenses")}
      connection=${(/** @type {any} */ data) => data.account?.expenses}
      variables=${variables}
      columns=${expenseColumns(account)}
      hasSearch
      filters=${filters}
      empty=${translate("There is no expense yet.")}
      actions=${html`<${DialogButton} label=${translate("New expense")} kind="primary" can=${decisions.EXPENSES_WRITE}>
        ${(/** @type {() => void} */ close) => html`<${NewExpenseForm} account=${account} close=${close} />`}
      <//>`}
    />
  `;
}

function expenseColumns(account) {
  return [
    { title: translate("Date"), cell: ({ spentOn }) => formatDay(spentOn) },
    { title: translate("Supplier"), cell: ({ contact }) => contact?.name ?? "" },
    { title: translate("Reference"), cell: (/** @type {any} */ expense) => html`<${ExpenseDetails} expense=${expense} />` },
    { title: translate("Net amount"), isNumber: true, cell: ({ netAmount, currency }) => formatAmount(netAmount, currency) },
    { title: translate("VAT"), isNumber: true, cell: ({ taxAmount, currency }) => formatAmount(taxAmount, currency) },
    { title: translate("Amount with VAT"), isNumber: true, cell: ({ grossAmount, currency }) => formatAmount(grossAmount, currency) },
    { title: translate("Actions"), cell: (/** @type {any} */ expense) => html`<${ExpenseActions} expense=${expense} account=${account} />` },
  ];
}

/** What an expense is called in buttons: its reference, otherwise its day. */
const expenseName = ({ reference, spentOn }) => reference ?? translate("Expense of %(day)s", { day: formatDay(spentOn) });

function ExpenseActions({ expense, account }) {
  const can = account.decisions.EXPENSES_WRITE;
  const name = expenseName(expense);
  return html`<div class="buttons">
    <${DialogButton} label=${translate("Change")} title=${name} description=${translate("Change %(name)s", { name })} can=${can}>
      ${(/** @type {() => void} */ close) => html`<${ExpenseForm} expense=${expense} account=${account} close=${close} />`}
    <//>
    <${ArchiveButton}
      operation="ArchiveExpense"
      input=${{ expenseId: expense.id }}
      name=${name}
      isArchived=${expense.isArchived}
      consequence=${translate("“%(name)s” is no longer in the list of expenses in use. You can take it out of the archive again.", { name })}
      can=${can}
    />
  </div>`;
}

/** A button with the reference, which shows everything about the expense. */
function ExpenseDetails({ expense }) {
  const [isOpen, setOpen] = useState(false);
  const { currency, amounts, note, contact, createdBy, isArchived } = expense;
  const name = expenseName(expense);
  const columns = [
    { title: translate("VAT rate"), cell: ({ vatRate }) => formatPercent(vatRate) },
    { title: translate("Net amount"), isNumber: true, cell: ({ netAmount }) => formatAmount(netAmount, currency) },
    { title: translate("VAT"), isNumber: true, cell: ({ taxAmount }) => formatAmount(taxAmount, currency) },
  ];
  return html`<button type="button" aria-haspopup="dialog" onClick=${() => setOpen(true)}>${name}</button>
    ${isArchived && html` <span class="status">${translate("Archived")}</span>`}
    ${isOpen &&
    html`<${Dialog} title=${name} onClose=${() => setOpen(false)}>
      <dl>
        <dt>${translate("Date")}</dt><dd>${formatDay(expense.spentOn)}</dd>
        ${contact && html`<dt>${translate("Supplier")}</dt><dd>${contact.name}</dd>`}
        ${note && html`<dt>${translate("Note")}</dt><dd><pre>${note}</pre></dd>`}
        <dt>${translate("Amount with VAT")}</dt><dd><strong>${formatAmount(expense.grossAmount, currency)}</strong></dd>
        <dt>${translate("Created")}</dt><dd>${formatInstant(expense.createdAt)} ${createdBy?.name}</dd>
      </dl>
      <${Table} label=${translate("Amounts")} columns=${columns} nodes=${amounts} keyOf=${({ vatRate }) => vatRate} />
    <//>`}`;
}
