// Fields that choose a contact or a product of the account.

import { Picker } from "./picker.js";
import { formatPrice } from "../../core/formats.js";
import { useQuery } from "../../core/query.js";
import { translate } from "../../core/texts.js";
import { html } from "../../core/view.js";

const contactChoices = (/** @type {any} */ data) => (data.account?.contacts?.nodes ?? []).map(({ id, name, vatNumber }) => ({ id, text: name, note: vatNumber ?? "" }));

/** Without CONTACTS_READ there are no contacts to choose from, so the field says why. @param {{ account: any, name?: string, label: string, value?: string, text?: string, kinds?: string[], hint?: any }} properties */
export function ContactField({ account, name = "contactId", label, value, text, kinds, hint }) {
  const { allowed, explanation } = account.decisions.CONTACTS_READ;
  if (!allowed) return html`<p><small>${translate("You may not see contacts.")} ${explanation}</small></p>`;
  const filter = { isArchived: false, ...(kinds ? { kind: kinds } : {}) };
  return html`<${Picker} name=${name} label=${label} operation="ContactChoices" variables=${{ number: account.number }} filter=${filter} choices=${contactChoices} value=${value} text=${text} hint=${hint} />`;
}

/** A filter of a list by a contact, archived ones included. @param {{ number: number, label: string, value: string, onChange: (id: string) => void }} properties */
export function ContactFilter({ number, label, value, onChange }) {
  const { data } = useQuery("ContactName", { id: value }, { skip: !value });
  const text = value ? (data?.node?.name ?? "") : "";
  return html`<${Picker} key=${`${value} ${text}`} label=${label} operation="ContactChoices" variables=${{ number }} choices=${contactChoices} value=${value} text=${text} onChoose=${onChange} />`;
}

/** `onChoose` gets the product, or null. @param {{ account: any, currency: string, onChoose: (product: any) => void }} properties */
export function ProductField({ account, currency, onChoose }) {
  if (!account.decisions.PRODUCTS_READ.allowed) return null;
  const choices = (/** @type {any} */ data) =>
    (data.account?.products?.nodes ?? [])
      .filter((/** @type {any} */ product) => product.currency === currency)
      .map((/** @type {any} */ product) => ({ id: product.id, text: product.name, note: formatPrice(product.price, currency), product }));
  return html`<${Picker}
    name="productId"
    label=${translate("Product")}
    operation="ProductChoices"
    variables=${{ number: account.number }}
    filter=${{ isArchived: false }}
    choices=${choices}
    onChoose=${(/** @type {string} */ _id, /** @type {any} */ choice) => onChoose(choice?.product ?? null)}
    hint=${translate("Without a product, the line is a free text.")}
  />`;
}
