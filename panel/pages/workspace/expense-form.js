// The forms of an expense: a new one, and changes. Its amounts are one row for each VAT rate.

import { Field, Form } from "../../components/form.js";
import { readDecimal, toDay, writeDecimal } from "../../core/formats.js";
import { createIdempotencyKey, mutate } from "../../core/query.js";
import { translate } from "../../core/texts.js";
import { html, useMemo, useState } from "../../core/view.js";
import { ContactField } from "./choices.js";
import { decimalError } from "./decimals.js";
import { emptiedFields, requiredErrors } from "./required.js";

const MAX_AMOUNTS = 10;
const PARTS = ["vatRate", "netAmount", "taxAmount"];

/** @param {{ account: any, close: () => void }} properties */
export function NewExpenseForm({ account, close }) {
  const idempotencyKey = useMemo(createIdempotencyKey, []);
  const create = (/** @type {any} */ values) =>
    withAmounts(values, [], (amounts) =>
      mutate("CreateExpense", {
        accountId: account.id,
        spentOn: values.spentOn || null,
        amounts,
        contactId: values.contactId || null,
        currency: values.currency || null,
        reference: values.reference || null,
        note: values.note || null,
        idempotencyKey,
      }),
    );
  return html`<${Form} submit=${translate("Create the expense")} run=${create} cancel=${close} onDone=${close}>
    <${ExpenseFields} account=${account} expense=${{ spentOn: toDay(new Date().toISOString()), amounts: [{}] }} />
    <${Field} name="currency" label=${translate("Currency")} maxlength="3" hint=${translate("Three letters, for example EUR. Empty: the currency of the account.")} />
  <//>`;
}

/** @param {{ expense: any, account: any, close: () => void }} properties */
export function ExpenseForm({ expense, account, close }) {
  const change = (/** @type {any} */ values) => {
    const emptyNames = emptiedFields(["contactId"], values, { contactId: expense.contact?.id });
    return withAmounts(values, emptyNames, (amounts) =>
      mutate("UpdateExpense", {
        expenseId: expense.id,
        spentOn: values.spentOn || null,
        amounts,
        // The supplier may be archived: then it can stay, but not be chosen again.
        contactId: values.contactId && values.contactId !== expense.contact?.id ? values.contactId : null,
        reference: values.reference,
        note: values.note,
      }),
    );
  };
  return html`<${Form} submit=${translate("Save")} run=${change} cancel=${close} onDone=${close}><${ExpenseFields} account=${account} expense=${expense} /><//>`;
}

function ExpenseFields({ account, expense }) {
  const [rows, setRows] = useState(() => expense.amounts.map((/** @type {any} */ amount, /** @type {number} */ key) => ({ ...amount, key })));
  const add = () => setRows([...rows, { key: rows.at(-1).key + 1 }]);
  const remove = (/** @type {number} */ key) => setRows(rows.filter((/** @type {any} */ row) => row.key !== key));
  return html`
    <${Field} name="spentOn" label=${translate("Date of the invoice or receipt")} type="date" value=${expense.spentOn} required />
    <${ContactField} account=${account} label=${translate("Supplier")} value=${expense.contact?.id} text=${expense.contact?.name} />
    <${Field} name="reference" label=${translate("Number of the supplier's invoice")} maxlength="100" value=${expense.reference} />
    ${rows.map(
      (/** @type {any} */ row, /** @type {number} */ index) => html`<fieldset key=${row.key}>
        <legend>${translate("Amount %(n)d", { n: index + 1 })}</legend>
        <${Field} name=${`amounts.${index}.vatRate`} label=${translate("VAT rate in percent")} inputmode="decimal" value=${writeDecimal(row.vatRate)} required />
        <${Field} name=${`amounts.${index}.netAmount`} label=${translate("Amount without VAT")} inputmode="decimal" value=${writeDecimal(row.netAmount)} required />
        <${Field} name=${`amounts.${index}.taxAmount`} label=${translate("VAT")} inputmode="decimal" value=${writeDecimal(row.taxAmount)} hint=${translate("Empty: computed by the rate.")} />
        ${rows.length > 1 && html`<button type="button" onClick=${() => remove(row.key)}>${translate("Remove amount %(n)d", { n: index + 1 })}</button>`}
      </fieldset>`,
    )}
    ${rows.length < MAX_AMOUNTS && html`<p><button type="button" onClick=${add}>${translate("Add another VAT rate")}</button></p>`}
    <${Field} name="note" label=${translate("Note")} type="textarea" maxlength="2000" value=${expense.note} />
  `;
}

/** Run with the amounts of the form, unless a field has an error. Errors of an amount get the name of their field. @param {Record<string, any>} values @param {string[]} emptyNames @param {(amounts: any[]) => Promise<any>} run */
async function withAmounts(values, emptyNames, run) {
  const amounts = [];
  const errors = requiredErrors(values.spentOn ? emptyNames : ["spentOn", ...emptyNames]);
  for (let index = 0; `amounts.${index}.vatRate` in values; index += 1) {
    /** @type {Record<string, string | null>} */
    const amount = {};
    for (const part of PARTS) {
      const text = values[`amounts.${index}.${part}`];
      amount[part] = readDecimal(text);
      if (amount[part] === null && (text || part !== "taxAmount")) errors.push(decimalError(`amounts.${index}.${part}`));
    }
    amounts.push(amount);
  }
  if (errors.length) return { errors };
  const payload = await run(amounts);
  const nameField = (/** @type {string[] | null} */ field) => (field?.[0] === "amounts" && field.length > 2 ? [field.join(".")] : field);
  return { ...payload, errors: payload.errors.map((/** @type {any} */ error) => ({ ...error, field: nameField(error.field) })) };
}
