// The invitations to an account, and the changes of those that can still be accepted.

import { ConfirmButton, describeButton, DialogButton } from "../../components/dialog.js";
import { Form } from "../../components/form.js";
import { List } from "../../components/list.js";
import { PermissionDetails, whileClosing } from "../../components/roles.js";
import { statusText } from "../../components/status.js";
import { changedTerms, TERMS_FIELDS, TermsFields } from "../../components/terms.js";
import { roleName } from "../../core/decisions.js";
import { formatDate, formatInstant } from "../../core/formats.js";
import { createIdempotencyKey, mutate } from "../../core/query.js";
import { translate } from "../../core/texts.js";
import { html, useMemo } from "../../core/view.js";

const STATUSES = ["ACCEPTED", "DECLINED", "REVOKED", "EXPIRED"];

/** @param {{ account: any }} properties */
export function InvitationList({ account }) {
  const columns = [
    {
      title: translate("Address"),
      cell: (/** @type {any} */ invitation) => html`<strong>${invitation.email}</strong><br /><small>${deliveryText(invitation)}</small>`,
    },
    { title: translate("Role"), cell: (/** @type {any} */ invitation) => html`<${Offer} invitation=${invitation} />` },
    { title: translate("Status"), cell: ({ status }) => html`<span class="status">${statusText(status)}</span>` },
    { title: translate("Link works until"), cell: ({ status, expiresAt }) => (status === "PENDING" ? formatInstant(expiresAt) : "") },
    { title: translate("Access ends"), cell: ({ grantValidUntil }) => formatDate(grantValidUntil) || translate("No end") },
    { title: translate("Invited by"), cell: ({ invitedBy, createdAt }) => html`${invitedBy?.name ?? ""}<br /><small>${formatDate(createdAt)}</small>` },
    { title: translate("Changes"), cell: (/** @type {any} */ invitation) => html`<${InvitationButtons} account=${account} invitation=${invitation} />` },
  ];
  return html`<${List}
    operation="AccountInvitations"
    label=${translate("Invitations")}
    prefix="invitation-"
    connection=${(/** @type {any} */ data) => data.account?.invitations}
    variables=${({ search, status }) => ({ number: account.number, filter: { ...(status === "ALL" ? {} : { status: [status || "PENDING"] }), ...(search ? { search } : {}) } })}
    columns=${columns}
    hasSearch
    filters=${[{ name: "status", label: translate("Status"), all: statusText("PENDING"), options: [...STATUSES.map((status) => [status, statusText(status)]), ["ALL", translate("All")]] }]}
    empty=${translate("No invitation is pending.")}
  />`;
}

function Offer({ invitation }) {
  const { role, permissions } = invitation;
  return html`<span class="unbroken">${roleName(role)}</span>${permissions && html`<${PermissionDetails} permissions=${permissions} />`}`;
}

function InvitationButtons({ account, invitation }) {
  if (invitation.status !== "PENDING" && invitation.status !== "EXPIRED") return null;
  const { USERS_WRITE } = account.decisions;
  const { email } = invitation;
  return html`<div class="buttons">
    <${DialogButton}
      label=${translate("Send again")}
      title=${translate("Send the invitation again")}
      description=${describeButton(translate("Send again"), email)}
      can=${USERS_WRITE}
    >
      ${(/** @type {() => void} */ close) => html`<${ResendForm} invitation=${invitation} close=${close} />`}
    <//>
    <${DialogButton}
      label=${translate("Change")}
      title=${translate("Change the invitation")}
      description=${describeButton(translate("Change"), email)}
      can=${USERS_WRITE}
    >
      ${(/** @type {() => void} */ close) => html`<${ChangeForm} invitation=${invitation} close=${close} />`}
    <//>
    <${ConfirmButton}
      label=${translate("Revoke")}
      title=${translate("Revoke the invitation")}
      description=${describeButton(translate("Revoke"), email)}
      consequence=${translate("The link that was mailed to %(email)s no longer works.", { email })}
      can=${whileClosing(USERS_WRITE)}
      run=${() => mutate("RevokeInvitation", { invitationId: invitation.id })}
    />
  </div>`;
}

function ResendForm({ invitation, close }) {
  const idempotencyKey = useMemo(createIdempotencyKey, []);
  return html`<p>${translate("%(email)s gets a new link, which works for seven days. The former link no longer works.", { email: invitation.email })}</p>
    <${Form}
      submit=${translate("Send again")}
      run=${() => mutate("ResendInvitation", { invitationId: invitation.id, idempotencyKey })}
      cancel=${close}
      onDone=${close}
    />`;
}

function ChangeForm({ invitation, close }) {
  const former = { role: invitation.role, end: invitation.grantValidUntil };
  const change = (/** @type {any} */ values) => mutate("UpdateInvitation", { invitationId: invitation.id, ...changedTerms(values, former, "grantValidUntil") });
  return html`<${Form} submit=${translate("Save")} run=${change} cancel=${close} fields=${TERMS_FIELDS} onDone=${close}>
    <${TermsFields} role=${invitation.role} permissions=${invitation.permissions} end=${invitation.grantValidUntil} />
  <//>`;
}

function deliveryText({ status, delivery }) {
  if (status !== "PENDING") return "";
  switch (delivery) {
    case "QUEUED":
      return translate("The mail waits to be sent.");
    case "SENT":
      return translate("The mail was sent.");
    case "FAILED":
      return translate("The mail could not be delivered.");
    case "STOPPED":
      return translate("The person has stopped mails of this kind. They can accept in their list of invitations.");
    default:
      return "";
  }
}
