// The mails that were sent for an account, without their texts.

import { List } from "../components/list.js";
import { statusText } from "../components/status.js";
import { formatInstant } from "../core/formats.js";
import { translate, translatePlural } from "../core/texts.js";
import { html } from "../core/view.js";

export default function MailsPage({ account }) {
  const columns = [
    { title: translate("Written"), cell: ({ createdAt }) => formatInstant(createdAt) },
    { title: translate("Receiver"), cell: ({ to }) => to },
    { title: translate("Subject"), cell: (/** @type {any} */ message) => html`${message.subject}${message.withheld.length > 0 && withheldNote()}` },
    { title: translate("Status"), cell: (/** @type {any} */ message) => html`<${Delivery} message=${message} />` },
  ];
  return html`
    <h1 tabindex="-1">${translate("Mails")}</h1>
    <p>${translate("These mails were written for the account, the newest first. Their texts and links are not shown here.")}</p>
    <${List}
      operation="AccountMails"
      label=${translate("Mails")}
      variables=${() => ({ number: account.number })}
      connection=${(/** @type {any} */ data) => data.account?.messages}
      columns=${columns}
      empty=${translate("No mail was written for the account yet.")}
    />
  `;
}

const withheldNote = () => html`<br /><small>${translate("Parts that you may not read are left out.")}</small>`;

function Delivery({ message }) {
  const { status, sentAt, failureReason, attempts } = message;
  return html`<span class="status">${statusText(status)}</span>
    ${sentAt && html`<br /><small>${formatInstant(sentAt)}</small>`}
    ${failureReason && html`<br /><small class="problem">${failureReason}</small>`}
    ${(attempts > 1 || failureReason) && html`<br /><small>${translatePlural("%(n)d attempt", "%(n)d attempts", attempts)}</small>`}`;
}
