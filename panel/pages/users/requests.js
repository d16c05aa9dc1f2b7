// The requests for access to an account, and the answers to them.

import { ConfirmButton, describeButton, DialogButton } from "../../components/dialog.js";
import { Form } from "../../components/form.js";
import { List } from "../../components/list.js";
import { whileClosing } from "../../components/roles.js";
import { statusText } from "../../components/status.js";
import { newTerms, TERMS_FIELDS, TermsFields } from "../../components/terms.js";
import { roleName } from "../../core/decisions.js";
import { formatDate } from "../../core/formats.js";
import { mutate } from "../../core/query.js";
import { translate } from "../../core/texts.js";
import { html } from "../../core/view.js";

/** @param {{ account: any }} properties */
export function RequestList({ account }) {
  const columns = [
    {
      title: translate("Person"),
      cell: ({ requester, requesterAccountName }) => html`<strong>${requester.name}</strong><br /><small>${[requester.email, requesterAccountName].filter(Boolean).join(" · ")}</small>`,
    },
    { title: translate("Role"), cell: ({ role }) => html`<span class="unbroken">${roleName(role)}</span>` },
    { title: translate("Message"), cell: ({ message }) => message ?? "" },
    { title: translate("Status"), cell: ({ status }) => html`<span class="status">${statusText(status)}</span>` },
    { title: translate("Asked on"), cell: ({ createdAt }) => formatDate(createdAt) },
    { title: translate("Expires"), cell: ({ status, expiresAt }) => (status === "PENDING" ? formatDate(expiresAt) : "") },
    { title: translate("Answer"), cell: (/** @type {any} */ request) => request.status === "PENDING" && html`<${Answers} account=${account} request=${request} />` },
  ];
  return html`<${List}
    operation="AccountAccessRequests"
    label=${translate("Requests for access")}
    connection=${(/** @type {any} */ data) => data.account?.accessRequests}
    variables=${() => ({ number: account.number })}
    columns=${columns}
    empty=${translate("No user has asked for access.")}
  />`;
}

function Answers({ account, request }) {
  const { USERS_WRITE } = account.decisions;
  const { name } = request.requester;
  return html`<div class="buttons">
    <${DialogButton}
      label=${translate("Approve")}
      title=${translate("Give access to %(name)s", { name })}
      description=${describeButton(translate("Approve"), name)}
      kind="primary"
      can=${USERS_WRITE}
    >
      ${(/** @type {() => void} */ close) => html`<${ApproveForm} request=${request} close=${close} />`}
    <//>
    <${ConfirmButton}
      label=${translate("Decline")}
      title=${translate("Decline the request of %(name)s", { name })}
      description=${describeButton(translate("Decline"), name)}
      consequence=${translate("%(name)s gets no access, and a mail that says so.", { name })}
      can=${whileClosing(USERS_WRITE)}
      run=${() => mutate("DeclineAccessRequest", { accessRequestId: request.id })}
    />
  </div>`;
}

function ApproveForm({ request, close }) {
  const approve = (/** @type {any} */ values) => mutate("ApproveAccessRequest", { accessRequestId: request.id, ...newTerms(values) });
  return html`<p>${translate("They asked for the role: %(role)s. You can give this role, or a smaller one.", { role: roleName(request.role) })}</p>
    <${Form} submit=${translate("Give access")} run=${approve} cancel=${close} fields=${TERMS_FIELDS} onDone=${close}>
      <${TermsFields} role=${request.role} />
    <//>`;
}
