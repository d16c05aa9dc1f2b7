// The products of the account, with their prices. The purchase price is shown to users who may know it.

import { DialogButton } from "../../components/dialog.js";
import { Field, Form } from "../../components/form.js";
import { List } from "../../components/list.js";
import { formatPercent, formatPrice, writeDecimal } from "../../core/formats.js";
import { createIdempotencyKey, mutate } from "../../core/query.js";
import { translate } from "../../core/texts.js";
import { html, useMemo } from "../../core/view.js";
import { ArchiveButton, archiveFilter, archiveVariables } from "./archive.js";
import { withDecimals } from "./decimals.js";

const REQUIRED = ["price", "vatRate"];
const DECIMALS = [...REQUIRED, "purchasePrice"];

export default function ProductsPage({ account }) {
  const { number, decisions } = account;
  const orders = [
    ["CREATED_AT", translate("Oldest first")],
    ["PRICE", translate("Price, lowest first")],
    ...(decisions.PURCHASE_PRICES_READ.allowed ? [["PURCHASE_PRICE", translate("Purchase price, lowest first")]] : []),
  ];
  const filters = [archiveFilter(), { name: "order", label: translate("Order"), isOrder: true, all: translate("Name"), options: orders }];
  const variables = ({ search, archive, order }) => ({ number, filter: { ...(search && { search }), ...archiveVariables(archive) }, orderBy: order || "NAME" });
  return html`
    <h1 tabindex="-1">${translate("Products")}</h1>
    <${List}
      operation="Products"
      label=${translate("Products")}
      connection=${(/** @type {any} */ data) => data.account?.products}
      variables=${variables}
      columns=${productColumns(account)}
      hasSearch
      filters=${filters}
      empty=${translate("There is no product yet.")}
      actions=${html`<${DialogButton} label=${translate("New product")} kind="primary" can=${decisions.PRODUCTS_WRITE}>
        ${(/** @type {() => void} */ close) => html`<${NewProductForm} account=${account} close=${close} />`}
      <//>`}
    />
  `;
}

function productColumns({ decisions }) {
  const knowsPurchasePrices = decisions.PURCHASE_PRICES_READ.allowed;
  return [
    { title: translate("Name"), cell: ({ name, isArchived }) => html`${name}${isArchived && html` <span class="status">${translate("Archived")}</span>`}` },
    { title: translate("Unit"), cell: ({ unit }) => unit },
    { title: translate("Price"), isNumber: true, cell: ({ price, currency }) => formatPrice(price, currency) },
    ...(knowsPurchasePrices ? [{ title: translate("Purchase price"), isNumber: true, cell: (/** @type {any} */ { purchasePrice, currency }) => formatPrice(purchasePrice, currency) }] : []),
    { title: translate("VAT rate"), isNumber: true, cell: ({ vatRate }) => formatPercent(vatRate) },
    { title: translate("Actions"), cell: (/** @type {any} */ product) => html`<${ProductActions} product=${product} can=${decisions.PRODUCTS_WRITE} knowsPurchasePrices=${knowsPurchasePrices} />` },
  ];
}

function ProductActions({ product, can, knowsPurchasePrices }) {
  return html`<div class="buttons">
    <${DialogButton} label=${translate("Change")} title=${product.name} description=${translate("Change %(name)s", { name: product.name })} can=${can}>
      ${(/** @type {() => void} */ close) => html`<${ProductForm} product=${product} knowsPurchasePrices=${knowsPurchasePrices} close=${close} />`}
    <//>
    <${ArchiveButton}
      operation="ArchiveProduct"
      input=${{ productId: product.id }}
      name=${product.name}
      isArchived=${product.isArchived}
      consequence=${translate("“%(name)s” can no longer be added to documents. Lines that exist keep the product.", { name: product.name })}
      can=${can}
    />
  </div>`;
}

function NewProductForm({ account, close }) {
  const idempotencyKey = useMemo(createIdempotencyKey, []);
  const create = (/** @type {any} */ values) =>
    withDecimals(
      values,
      DECIMALS,
      ({ currency, ...product }) => mutate("CreateProduct", { ...product, currency: currency || null, accountId: account.id, idempotencyKey }),
      REQUIRED,
    );
  return html`<${Form} submit=${translate("Create the product")} run=${create} cancel=${close} onDone=${close}>
    <${ProductFields} knowsPurchasePrices=${account.decisions.PURCHASE_PRICES_READ.allowed} />
    <${Field} name="currency" label=${translate("Currency")} maxlength="3" hint=${translate("Three letters, for example EUR. Empty: the currency of the account.")} />
  <//>`;
}

function ProductForm({ product, knowsPurchasePrices, close }) {
  const change = (/** @type {any} */ values) =>
    withDecimals(
      values,
      DECIMALS,
      (changes) => {
        // An omitted price would stay as it is.
        const removal = values.purchasePrice === "" && product.purchasePrice !== null ? { removePurchasePrice: true } : {};
        return mutate("UpdateProduct", { ...changes, ...removal, productId: product.id });
      },
      REQUIRED,
    );
  return html`<${Form} submit=${translate("Save")} run=${change} cancel=${close} onDone=${close}><${ProductFields} ...${product} knowsPurchasePrices=${knowsPurchasePrices} /><//>`;
}

function ProductFields({ name, unit, price, vatRate, purchasePrice, knowsPurchasePrices }) {
  return html`
    <${Field} name="name" label=${translate("Name")} maxlength="200" value=${name} required />
    <${Field} name="unit" label=${translate("Unit")} maxlength="20" value=${unit} hint=${translate("For example h or kg. May be empty.")} />
    <${Field} name="price" label=${translate("Price of one unit without VAT")} inputmode="decimal" value=${writeDecimal(price)} required />
    <${Field} name="vatRate" label=${translate("VAT rate in percent")} inputmode="decimal" value=${writeDecimal(vatRate)} required />
    ${knowsPurchasePrices && html`<${Field} name="purchasePrice" label=${translate("Purchase price of one unit")} inputmode="decimal" value=${writeDecimal(purchasePrice)} />`}
  `;
}
