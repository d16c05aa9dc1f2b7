// The subscription of an account: its end, its ledger, transfers of days, and vouchers.

import { DialogButton } from "../components/dialog.js";
import { Field, Form } from "../components/form.js";
import { List } from "../components/list.js";
import { formatDate, formatInstant, formatNumber } from "../core/formats.js";
import { createIdempotencyKey, mutate, useQuery } from "../core/query.js";
import { translate, translatePlural } from "../core/texts.js";
import { html, useMemo, useState } from "../core/view.js";

export default function SubscriptionPage({ account }) {
  const { data, problem } = useQuery("AccountSubscription", { number: account.number, first: 1 });
  const subscription = data?.account?.subscription;
  return html`
    <h1 tabindex="-1">${translate("Subscription")}</h1>
    ${problem && html`<p class="problem" role="alert">${problem}</p>`}
    ${subscription && html`<${Facts} subscription=${subscription} />`}
    <${Actions} account=${account} />
    <h2>${translate("Ledger")}</h2>
    <${List}
      operation="AccountSubscription"
      label=${translate("Ledger")}
      variables=${() => ({ number: account.number })}
      connection=${(/** @type {any} */ answer) => answer.account?.subscription?.entries}
      columns=${ledgerColumns()}
      empty=${translate("No days were added or given yet.")}
    />
  `;
}

function Facts({ subscription }) {
  return html`<dl>
    <dt>${subscription.isExpired ? translate("Ended") : translate("Valid until")}</dt><dd>${formatInstant(subscription.validUntil)}</dd>
    <dt>${translate("Days left")}</dt><dd>${formatNumber(subscription.daysLeft)}</dd>
    <dt>${translate("Days that can be given away")}</dt>
    <dd>
      ${formatNumber(subscription.transferableDays)}<br />
      <small>${translate("Trial days stay in their account. They are used up first.")}</small>
    </dd>
  </dl>`;
}

function ledgerColumns() {
  return [
    { title: translate("Time"), cell: ({ createdAt }) => formatInstant(createdAt) },
    {
      title: translate("Entry"),
      cell: ({ kind, days, counterpart }) => html`${entryText(kind, days)}${counterpart && html`<br /><small>${counterpart.name} · ${counterpart.number}</small>`}`,
    },
    { title: translate("Days"), cell: ({ days }) => (days > 0 ? `+${formatNumber(days)}` : formatNumber(days)), isNumber: true },
    { title: translate("By"), cell: ({ actor, kind }) => actor?.name ?? (kind === "CREDIT" ? translate("The operator") : "") },
    { title: translate("Valid until, after the entry"), cell: ({ validUntilAfter }) => formatDate(validUntilAfter) },
  ];
}

function entryText(kind, days) {
  switch (kind) {
    case "TRIAL":
      return days < 0 ? translate("Trial days taken back") : translate("Trial days");
    case "VOUCHER":
      return translate("Voucher");
    case "TRANSFER_OUT":
      return translate("Given to another account");
    case "TRANSFER_IN":
      return translate("Received from another account");
    case "CREDIT":
      return translate("Credited");
    default:
      return kind;
  }
}

function Actions({ account }) {
  const [outcome, setOutcome] = useState("");
  const forms = (/** @type {any} */ FormOfAction) => (/** @type {() => void} */ close) => html`<${FormOfAction} account=${account} close=${close} onOutcome=${setOutcome} />`;
  const write = account.decisions.SUBSCRIPTION_WRITE;
  // The permission that a transfer needs is that of the payer, so this account can be extended without it.
  const receive = account.closesAt ? { allowed: false, explanation: translate("An account that closes cannot be extended.") } : undefined;
  return html`
    <div class="buttons">
      <${DialogButton} label=${translate("Extend this account")} kind="primary" can=${receive}>${forms(ExtendForm)}<//>
      <${DialogButton} label=${translate("Give days to another account")} can=${write}>${forms(GiveForm)}<//>
      <${DialogButton} label=${translate("Redeem a voucher")} can=${write}>${forms(VoucherForm)}<//>
    </div>
    <p role="status">${outcome}</p>
  `;
}

function ExtendForm({ account, close, onOutcome }) {
  const idempotencyKey = useMemo(createIdempotencyKey, []);
  const extend = ({ payerAccountId, days }) => mutate("ExtendSubscription", { accountId: account.id, payerAccountId, days: Number(days), idempotencyKey });
  const finish = ({ entry }) => {
    close();
    onOutcome(translate("The subscription now ends on %(date)s.", { date: formatDate(entry.validUntilAfter) }));
  };
  const canPay = (/** @type {any} */ { id, viewerCan }) => id !== account.id && viewerCan.allowed;
  return html`<${Form} submit=${translate("Extend")} run=${extend} cancel=${close} onDone=${finish}>
    <p>${translate("The days come from the subscription of another account of yours. They are added to the end of this one.")}</p>
    <${AccountField}
      name="payerAccountId"
      label=${translate("Account that pays")}
      isOffered=${canPay}
      showDays
      empty=${translate("You have no other account that could pay. Redeem a voucher, or ask the operator for days.")}
    />
    <${DaysField} />
  <//>`;
}

function GiveForm({ account, close, onOutcome }) {
  const idempotencyKey = useMemo(createIdempotencyKey, []);
  const give = ({ accountId, days }) => mutate("ExtendSubscription", { accountId, payerAccountId: account.id, days: Number(days), idempotencyKey });
  const finish = ({ entry }) => {
    close();
    onOutcome(translate("The other account's subscription now ends on %(date)s.", { date: formatDate(entry.validUntilAfter) }));
  };
  const canReceive = (/** @type {any} */ { id, closesAt }) => id !== account.id && !closesAt;
  return html`<${Form} submit=${translate("Give the days")} run=${give} cancel=${close} onDone=${finish}>
    <p>${translate("The days are taken from this account and added to the other one. They cannot be taken back.")}</p>
    <${AccountField} name="accountId" label=${translate("Account that receives the days")} isOffered=${canReceive} empty=${translate("You can enter no other account.")} />
    <${DaysField} />
  <//>`;
}

/** The number of days of a transfer. */
export function DaysField() {
  return html`<${Field} name="days" label=${translate("Days")} type="number" min="10" max="365" step="1" inputmode="numeric" value="30" hint=${translate("10 to 365 whole days.")} required />`;
}

function VoucherForm({ account, close, onOutcome }) {
  const idempotencyKey = useMemo(createIdempotencyKey, []);
  const finish = ({ entry }) => {
    close();
    const date = formatDate(entry.validUntilAfter);
    onOutcome(
      translatePlural("The voucher gave %(n)d day. The subscription now ends on %(date)s.", "The voucher gave %(n)d days. The subscription now ends on %(date)s.", entry.days, { date }),
    );
  };
  const redeem = ({ code }) => mutate("RedeemVoucher", { accountId: account.id, code, idempotencyKey });
  return html`<${Form} submit=${translate("Redeem")} run=${redeem} cancel=${close} onDone=${finish}>
    <${Field} name="code" label=${translate("Code of the voucher")} autocomplete="off" hint=${translate("Case, spaces and dashes do not matter.")} required />
  <//>`;
}

/**
 * A choice among the accounts that the viewer can enter, with a search if there are many.
 * @param {{ name: string, label: string, isOffered: (account: any) => boolean, showDays?: boolean, empty: string }} properties
 */
function AccountField({ name, label, isOffered, showDays = false, empty }) {
  const [search, setSearch] = useState("");
  const { data, problem, isLoading } = useQuery("AccountChoices", { search: search || null });
  if (!data && !problem && !search) return html`<p class="loading">${translate("Loading…")}</p>`;
  const { nodes, totalCount } = data?.accounts ?? { nodes: [], totalCount: 0 };
  const offered = nodes.filter(isOffered);
  const hasSearch = search !== "" || totalCount > nodes.length;
  // Enter in the search must not send the form around it.
  const change = (/** @type {any} */ event) => setSearch(event.target.value.trim());
  const keep = (/** @type {KeyboardEvent} */ event) => event.key === "Enter" && event.preventDefault();
  return html`
    ${hasSearch &&
    html`<${Field} name="accountSearch" label=${translate("Search for an account")} type="search" autocomplete="off" onKeyDown=${keep} onInput=${change} />`}
    ${problem && html`<p class="problem" role="alert">${problem}</p>`}
    ${offered.length > 0 || isLoading || problem
      ? html`<${Field} name=${name} label=${label} type="select">
          ${offered.map((/** @type {any} */ account) => html`<option key=${account.id} value=${account.id}>${choiceText(account, showDays)}</option>`)}
        <//>`
      : html`<p class="empty">${hasSearch ? translate("No entry matches the search.") : empty}</p>`}
  `;
}

function choiceText({ name, number, subscription }, showDays) {
  const text = `${name} · ${number}`;
  if (!showDays || !subscription) return text;
  return translatePlural("%(account)s: can give %(n)d day", "%(account)s: can give %(n)d days", subscription.transferableDays, { account: text });
}
