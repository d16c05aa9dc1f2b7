// Who owns the account, offers of ownership, and the closing of the account.

import { Answer } from "../components/answer.js";
import { ConfirmButton } from "../components/dialog.js";
import { Field, Form } from "../components/form.js";
import { unlessClosing } from "../components/roles.js";
import { roleName } from "../core/decisions.js";
import { formatDate, formatInstant } from "../core/formats.js";
import { createIdempotencyKey, mutate, useQuery } from "../core/query.js";
import { translate, translatePlural } from "../core/texts.js";
import { html, useMemo, useState } from "../core/view.js";

const DAY_MILLISECONDS = 86_400_000;
const CLOSING_DAYS = 30;

export default function OwnershipPage({ account }) {
  const query = useQuery("AccountOwnership", { number: account.number });
  return html`
    <h1 tabindex="-1">${translate("Ownership and closing")}</h1>
    <${Answer} query=${query}>
      ${(/** @type {any} */ { account: facts, viewer }) =>
        facts && html`<${Ownership} facts=${facts} userId=${viewer.user.id} account=${account} /><${Closing} facts=${facts} account=${account} />`}
    <//>
  `;
}

// ---- Ownership -----------------------------------------------------------------------------------

function Ownership({ facts, userId, account }) {
  const { owner, ownershipTransfer: transfer } = facts;
  const can = account.decisions.OWNERSHIP;
  return html`<section class="card" aria-labelledby="ownership">
    <h2 id="ownership">${translate("Ownership")}</h2>
    <dl><dt>${translate("Owner")}</dt><dd>${owner?.name}${owner?.email && html`<br /><small>${owner.email}</small>`}</dd></dl>
    ${transfer && html`<${Offer} transfer=${transfer} userId=${userId} account=${account} />`}
    ${!transfer && can.allowed && html`<${OfferForm} account=${account} userId=${userId} />`}
    ${!transfer && !can.allowed && html`<p class="reason">${translate("Only the owner can offer the account to another user.")} ${can.explanation}</p>`}
  </section>`;
}

function Offer({ transfer, userId, account }) {
  const { receiver, offeredBy, expiresAt } = transfer;
  const accountId = account.id;
  const isReceiver = receiver.id === userId;
  return html`
    <p role="status">
      ${isReceiver
        ? translate("%(name)s offers this account to you. You can accept until %(time)s.", { name: offeredBy.name, time: formatInstant(expiresAt) })
        : translate("The account is offered to %(name)s. They can accept until %(time)s.", { name: receiver.name, time: formatInstant(expiresAt) })}
    </p>
    <div class="buttons">
      ${isReceiver &&
      html`<${ConfirmButton}
          label=${translate("Accept the account")}
          can=${unlessClosing(account)}
          consequence=${translate("You become the owner of the account. %(name)s becomes an administrator.", { name: offeredBy.name })}
          run=${() => mutate("AcceptOwnership", { accountId })}
        />
        <${ConfirmButton}
          label=${translate("Decline")}
          title=${translate("Decline the account")}
          consequence=${translate("%(name)s stays the owner. Your access stays as it is.", { name: offeredBy.name })}
          run=${() => mutate("DeclineOwnership", { accountId })}
        />`}
      ${offeredBy.id === userId &&
      html`<${ConfirmButton}
        label=${translate("Withdraw the offer")}
        can=${account.decisions.OWNERSHIP}
        consequence=${translate("%(name)s can no longer accept the account. You stay the owner.", { name: receiver.name })}
        run=${() => mutate("WithdrawOwnership", { accountId })}
      />`}
    </div>
  `;
}

function OfferForm({ account, userId }) {
  const [search, setSearch] = useState("");
  const { data, problem } = useQuery("AccountPeople", { number: account.number, search: search || null });
  const list = data?.account?.grants;
  const receivers = (list?.nodes ?? []).filter(({ status, user }) => status === "ACTIVE" && user.id !== userId);
  const change = (/** @type {any} */ event) => setSearch(event.target.value.trim());
  const hasSearch = search !== "" || (list && list.totalCount > list.nodes.length);
  if (!data && !hasSearch) return problem ? html`<p class="problem" role="alert">${problem}</p>` : html`<p class="loading">${translate("Loading…")}</p>`;
  if (!hasSearch && receivers.length === 0) return html`<p class="empty">${translate("The account can be offered to a user with access to it. No other user has access now.")}</p>`;
  if (account.closesAt) return html`<p class="empty">${translate("An account that closes cannot be offered. Reopen it first.")}</p>`;
  return html`
    <p>${translate("You can offer the account to one of its users. They have seven days to accept. Then they are the owner, and you become an administrator.")}</p>
    ${hasSearch &&
    html`<div class="toolbar"><${Field} name="userSearch" label=${translate("Search")} type="search" onInput=${change} /></div>`}
    ${problem && html`<p class="problem" role="alert">${problem}</p>`}
    ${receivers.length > 0 ? html`<${ReceiverForm} account=${account} receivers=${receivers} />` : data && html`<p class="empty">${translate("No entry matches the search.")}</p>`}
  `;
}

function ReceiverForm({ account, receivers }) {
  const idempotencyKey = useMemo(createIdempotencyKey, []);
  const offer = ({ userId, password }) => mutate("TransferOwnership", { accountId: account.id, userId, password, idempotencyKey });
  return html`<${Form} submit=${translate("Offer the account")} kind="danger" run=${offer}>
    <${Field} name="userId" label=${translate("New owner")} type="select" required>
      ${receivers.map(({ id, role, user }) => html`<option key=${id} value=${user.id}>${user.name} · ${roleName(role)}${user.email ? ` · ${user.email}` : ""}</option>`)}
    <//>
    <${Field} name="password" label=${translate("Your password")} type="password" autocomplete="current-password" required />
  <//>`;
}

// ---- Closing -------------------------------------------------------------------------------------

function Closing({ facts, account }) {
  return html`<section class="card" aria-labelledby="closing">
    <h2 id="closing">${translate("Close the account")}</h2>
    ${facts.closesAt ? html`<${Reopening} facts=${facts} account=${account} />` : html`<${CloseForm} facts=${facts} account=${account} />`}
  </section>`;
}

function Reopening({ facts, account }) {
  const days = daysLeftAt(facts.subscription, new Date(facts.closesAt));
  return html`
    <p>${translate("The account closes on %(date)s. Until then it can be read, and its owner can reopen it.", { date: formatInstant(facts.closesAt) })}</p>
    ${days > 0 && html`<p>${lostDaysText(days)}</p>`}
    <${ConfirmButton}
      label=${translate("Reopen the account")}
      can=${account.decisions.OWNERSHIP}
      consequence=${translate("The account does not close. Everything is as before. All its users get a mail.")}
      run=${() => mutate("ReopenAccount", { accountId: account.id })}
    />
  `;
}

function CloseForm({ facts, account }) {
  const closesAt = new Date(Date.now() + CLOSING_DAYS * DAY_MILLISECONDS);
  const days = daysLeftAt(facts.subscription, closesAt);
  const date = formatDate(closesAt.toISOString());
  return html`
    <p>${translate("The account would be read-only at once, and closed on %(date)s. Until then you can reopen it.", { date })}</p>
    ${days > 0 &&
    html`<p class="problem">
      ${lostDaysText(days)} ${translate("To keep them, give them to another account before.")}${" "}
      <a href=${`/a/${account.number}/subscription`}>${translate("To the subscription")}</a>
    </p>`}
    <${ConfirmButton}
      label=${translate("Close the account")}
      can=${account.decisions.OWNERSHIP}
      consequence=${html`${translate("The account is read-only at once. On %(date)s all access, engagements and invitations end, and no user can enter it any more. All its users get a mail.", { date })}
        ${days > 0 && html`${" "}<strong>${lostDaysText(days)}</strong>`}`}
      run=${({ password }) => mutate("CloseAccount", { accountId: account.id, password })}
    >
      <${Field} name="password" label=${translate("Your password")} type="password" autocomplete="current-password" required />
    <//>
  `;
}

/** The whole days that a subscription will have left at an instant. @param {{ validUntil: string } | null} subscription @param {Date} instant */
function daysLeftAt(subscription, instant) {
  return subscription ? Math.max(0, Math.floor((Date.parse(subscription.validUntil) - instant.getTime()) / DAY_MILLISECONDS)) : 0;
}

function lostDaysText(days) {
  return translatePlural("%(n)d day of the subscription will be lost.", "%(n)d days of the subscription will be lost.", days);
}
