// The lines of a document. Those of a draft can be added, changed and removed.

import { ConfirmButton, DialogButton } from "../../components/dialog.js";
import { Field, Form } from "../../components/form.js";
import { List } from "../../components/list.js";
import { formatAmount, formatDecimal, formatPercent, formatPrice, writeDecimal } from "../../core/formats.js";
import { createIdempotencyKey, mutate } from "../../core/query.js";
import { translate } from "../../core/texts.js";
import { Fragment, html, useMemo, useState } from "../../core/view.js";
import { ProductField } from "./choices.js";
import { withDecimals } from "./decimals.js";

const DECIMALS = ["quantity", "unitPrice", "discountPercent", "vatRate"];

/** @param {{ document: any, account: any }} properties */
export function DocumentLines({ document, account }) {
  const { currency, status, kind } = document;
  const { DOCUMENTS_WRITE, PURCHASE_PRICES_READ } = account.decisions;
  const isDraft = status === "DRAFT";
  const columns = [
    { title: translate("Description"), cell: ({ description }) => description },
    { title: translate("Quantity"), isNumber: true, cell: ({ quantity, unit }) => `${formatDecimal(quantity)} ${unit}` },
    { title: translate("Price"), isNumber: true, cell: (/** @type {any} */ line) => html`${formatPrice(line.unitPrice, currency)}${hasDiscount(line) && html`<br /><small>${translate("Discount")} ${formatPercent(line.discountPercent)}</small>`}` },
    ...(PURCHASE_PRICES_READ.allowed ? [{ title: translate("Purchase price"), isNumber: true, cell: (/** @type {any} */ { purchasePrice }) => formatPrice(purchasePrice, currency) }] : []),
    { title: translate("VAT rate"), isNumber: true, cell: ({ vatRate }) => formatPercent(vatRate) },
    { title: translate("Net amount"), isNumber: true, cell: ({ netAmount }) => formatAmount(netAmount, currency) },
    ...(isDraft ? [{ title: translate("Actions"), cell: (/** @type {any} */ line) => html`<${LineActions} line=${line} can=${DOCUMENTS_WRITE} />` }] : []),
  ];
  const canAdd = isDraft && kind === "INVOICE";
  return html`<${List}
    operation="DocumentLines"
    label=${translate("Lines")}
    variables=${() => ({ id: document.id })}
    connection=${(/** @type {any} */ data) => data.node?.lines}
    columns=${columns}
    empty=${translate("The document has no lines yet.")}
    actions=${canAdd &&
    html`<${DialogButton} label=${translate("Add a line")} can=${DOCUMENTS_WRITE}>
      ${(/** @type {() => void} */ close) => html`<${NewLineForm} document=${document} account=${account} close=${close} />`}
    <//>`}
  />`;
}

function LineActions({ line, can }) {
  const { id, description } = line;
  return html`<div class="buttons">
    <${DialogButton} label=${translate("Change")} title=${translate("Change the line")} description=${translate("Change the line %(name)s", { name: description })} can=${can}>
      ${(/** @type {() => void} */ close) => html`<${LineForm} line=${line} close=${close} />`}
    <//>
    <${ConfirmButton}
      label=${translate("Remove")}
      title=${translate("Remove the line")}
      description=${translate("Remove the line %(name)s", { name: description })}
      consequence=${translate("The line “%(name)s” is removed from the draft.", { name: description })}
      can=${can}
      run=${() => mutate("RemoveDocumentLine", { documentLineId: id })}
    />
  </div>`;
}

function NewLineForm({ document, account, close }) {
  const idempotencyKey = useMemo(createIdempotencyKey, []);
  const [product, setProduct] = useState(/** @type {any} */ (null));
  const add = (/** @type {any} */ values) =>
    withDecimals(
      values,
      DECIMALS,
      ({ productId, description, unit, ...decimals }) =>
        mutate("AddDocumentLine", { documentId: document.id, productId: productId || null, description: description || null, unit: unit || null, ...decimals, idempotencyKey }),
      ["quantity"],
    );
  return html`<${Form} submit=${translate("Add the line")} run=${add} cancel=${close} onDone=${close}>
    <${ProductField} account=${account} currency=${document.currency} onChoose=${setProduct} />
    <${Field} name="quantity" label=${translate("Quantity")} inputmode="decimal" value="1" required />
    <${Fragment} key=${product?.id}><${LineFields} description=${product?.name} unit=${product?.unit} unitPrice=${product?.price} vatRate=${product?.vatRate} discountPercent="" /><//>
  <//>`;
}

function LineForm({ line, close }) {
  const change = (/** @type {any} */ values) =>
    // An omitted value would stay as it is, so a discount that was removed is zero.
    withDecimals(
      { ...values, discountPercent: values.discountPercent || "0" },
      DECIMALS,
      (changes) => mutate("UpdateDocumentLine", { documentLineId: line.id, ...changes }),
      ["quantity", "unitPrice", "vatRate"],
    );
  return html`<${Form} submit=${translate("Save")} run=${change} cancel=${close} onDone=${close}>
    <${Field} name="quantity" label=${translate("Quantity")} inputmode="decimal" value=${writeDecimal(line.quantity)} required />
    <${LineFields} ...${line} />
  <//>`;
}

function LineFields({ description, unit, unitPrice, vatRate, discountPercent }) {
  return html`
    <${Field} name="description" label=${translate("Description")} maxlength="500" value=${description} />
    <${Field} name="unit" label=${translate("Unit")} maxlength="20" value=${unit} hint=${translate("For example h or kg. May be empty.")} />
    <${Field} name="unitPrice" label=${translate("Price of one unit without VAT")} inputmode="decimal" value=${writeDecimal(unitPrice)} />
    <${Field} name="vatRate" label=${translate("VAT rate in percent")} inputmode="decimal" value=${writeDecimal(vatRate)} />
    <${Field} name="discountPercent" label=${translate("Discount in percent")} inputmode="decimal" value=${writeDecimal(hasDiscount({ discountPercent }) ? discountPercent : "")} />
  `;
}

const hasDiscount = ({ discountPercent }) => /[1-9]/.test(discountPercent);
