// The user's access: their grants, the invitations for them, and their requests for access.

import { ConfirmButton, describeButton, DialogButton } from "../../components/dialog.js";
import { Field, Form } from "../../components/form.js";
import { List } from "../../components/list.js";
import { ResignButton } from "../../components/resign.js";
import { statusText } from "../../components/status.js";
import { roleName } from "../../core/decisions.js";
import { formatDate, formatInstant } from "../../core/formats.js";
import { createIdempotencyKey, mutate, useQuery } from "../../core/query.js";
import { navigate } from "../../core/router.js";
import { translate, translatePlural } from "../../core/texts.js";
import { html, useMemo, useState } from "../../core/view.js";

const LIVE_STATUSES = ["ACTIVE", "AWAITING_PERMISSIONS"];
const ENDED_STATUSES = ["EXPIRED", "RESIGNED", "REVOKED"];

export default function AccessPage() {
  return html`
    <h1 tabindex="-1">${translate("Your access")}</h1>
    <${Invitations} />
    <${Grants} />
    <${Requests} />
  `;
}

const status = (/** @type {string} */ value) => html`<span class="status">${statusText(value)}</span>`;

// ---- Invitations ----

function Invitations() {
  const columns = [
    { title: translate("Account"), cell: ({ accountName }) => accountName },
    { title: translate("Invited by"), cell: ({ invitedBy }) => invitedBy?.name ?? "" },
    { title: translate("Role"), cell: ({ role }) => roleName(role) },
    { title: translate("Access ends"), cell: ({ grantValidUntil }) => formatDate(grantValidUntil) || translate("Never") },
    { title: translate("Answer until"), cell: ({ expiresAt }) => formatInstant(expiresAt) },
    { title: translate("Action"), cell: (/** @type {any} */ invitation) => html`<${InvitationAnswers} invitation=${invitation} />` },
  ];
  return html`<section class="card">
    <h2>${translate("Invitations for you")}</h2>
    <${List} operation="MyInvitations" label=${translate("Invitations for you")} connection=${(/** @type {any} */ data) => data.viewer?.invitations} columns=${columns} empty=${translate("You have no invitations at the moment.")} />
  </section>`;
}

function InvitationAnswers({ invitation: { id, accountName, role, invitedBy } }) {
  return html`<div class="buttons">
    <${DialogButton} label=${translate("Accept")} title=${translate("Accept the invitation")} kind="primary" description=${translate("Accept the invitation of %(account)s", { account: accountName })}>
      ${(/** @type {() => void} */ close) => html`
        <p>${translate("You get the role %(role)s in %(account)s.", { role: roleName(role), account: accountName })}</p>
        <${Form} submit=${translate("Accept")} run=${() => mutate("AcceptInvitation", { invitationId: id })} onDone=${(/** @type {any} */ { account }) => (account ? navigate(`/a/${account.number}`) : close())} cancel=${close} />
      `}
    <//>
    <${ConfirmButton}
      label=${translate("Decline")}
      title=${translate("Decline the invitation")}
      description=${translate("Decline the invitation of %(account)s", { account: accountName })}
      consequence=${invitedBy ? translate("You get no access to %(account)s, and %(name)s gets a mail.", { account: accountName, name: invitedBy.name }) : translate("You get no access to %(account)s.", { account: accountName })}
      run=${() => mutate("DeclineInvitation", { invitationId: id })}
    />
  </div>`;
}

// ---- Grants ----

function Grants() {
  const columns = [
    { title: translate("Account"), cell: ({ account, accountName }) => (account ? html`<a href=${`/a/${account.number}`}>${accountName}</a><br /><small>${account.number}</small>` : accountName) },
    { title: translate("Role"), cell: (/** @type {any} */ grant) => html`${roleName(grant.role)}<br />${status(grant.status)}` },
    { title: translate("Given"), cell: ({ createdAt, grantedBy }) => html`${formatDate(createdAt)}${grantedBy && html`<br /><small>${grantedBy.name}</small>`}` },
    { title: translate("Ends"), cell: ({ validUntil }) => formatDate(validUntil) || translate("Never") },
    { title: translate("Last used"), cell: ({ lastUsedAt }) => formatInstant(lastUsedAt) || translate("Never") },
    { title: translate("Action"), cell: (/** @type {any} */ grant) => LIVE_STATUSES.includes(grant.status) && html`<${Resign} grant=${grant} />` },
  ];
  const choices = { live: LIVE_STATUSES, ended: ENDED_STATUSES };
  return html`<section class="card">
    <h2>${translate("Your grants")}</h2>
    <${List}
      operation="MyGrants"
      label=${translate("Your grants")}
      connection=${(/** @type {any} */ data) => data.viewer?.grants}
      variables=${(/** @type {any} */ state) => ({ filter: { ...(state.search && { search: state.search }), ...(choices[state.grants] && { status: choices[state.grants] }) } })}
      columns=${columns}
      hasSearch
      filters=${[{ name: "grants", label: translate("Show"), options: [["live", translate("Current access")], ["ended", translate("Ended access")]] }]}
      empty=${translate("You have no access to any account.")}
    />
  </section>`;
}

function Resign({ grant: { id, account, accountName, role, clientsWithoutOtherConsultant } }) {
  // An account always has an owner.
  if (role === "OWNER") return account && html`<a href=${`/a/${account.number}/ownership`}>${translate("Transfer or close")}</a>`;
  const clients =
    clientsWithoutOtherConsultant > 0 &&
    translatePlural("%(n)d client then has no consultant.", "%(n)d clients then have no consultant.", clientsWithoutOtherConsultant);
  return html`<${ResignButton} account=${{ name: accountName }} grantId=${id} label=${translate("Resign")} description=${describeButton(translate("Resign"), accountName)} note=${clients} />`;
}

// ---- Requests ----

function Requests() {
  const [isSent, setSent] = useState(false);
  const columns = [
    { title: translate("Account"), cell: ({ accountNumber, organizationNumber, country }) => accountNumber ?? `${organizationNumber} (${country})` },
    { title: translate("Role"), cell: ({ role }) => roleName(role) },
    { title: translate("Message"), cell: ({ message }) => message ?? "" },
    { title: translate("Status"), cell: (/** @type {any} */ request) => status(request.status) },
    { title: translate("Asked"), cell: ({ createdAt }) => formatInstant(createdAt) },
    { title: translate("Answer until"), cell: (/** @type {any} */ request) => (request.status === "PENDING" ? formatInstant(request.expiresAt) : "") },
    { title: translate("Action"), cell: (/** @type {any} */ request) => request.status === "PENDING" && html`<${Withdraw} request=${request} />` },
  ];
  const ask = html`<${DialogButton} label=${translate("Ask for access")}>${(/** @type {() => void} */ close) => html`<${Ask} close=${close} onDone=${() => setSent(true)} />`}<//>`;
  return html`<section class="card">
    <h2>${translate("Your requests for access")}</h2>
    <p role="status">${isSent && translate("If there is such an account, its users who can decide have got a mail.")}</p>
    <${List}
      operation="MyAccessRequests"
      label=${translate("Your requests for access")}
      connection=${(/** @type {any} */ data) => data.viewer?.accessRequests}
      columns=${columns}
      empty=${translate("You have asked for no access.")}
      actions=${ask}
    />
  </section>`;
}

function Ask({ close, onDone }) {
  const idempotencyKey = useMemo(createIdempotencyKey, []);
  const { data } = useQuery("RoleDescriptions");
  const roles = (data?.roles ?? []).filter((/** @type {any} */ { role }) => role !== "OWNER" && role !== "ADMINISTRATOR");
  const [by, setBy] = useState("number");
  const [role, setRole] = useState("ACCOUNTANT");
  const run = (/** @type {any} */ values) => {
    const target = by === "number" ? { accountNumber: Number(values.accountNumber) } : { organizationNumber: values.organizationNumber, country: values.country.toUpperCase() };
    if (by === "number" && !/^\d{1,9}$/.test(values.accountNumber)) return Promise.resolve({ errors: [{ code: "INVALID", message: translate("Enter the number of the account, in digits."), field: ["accountNumber"] }] });
    return mutate("RequestAccess", { ...target, role: values.role, message: values.message || null, idempotencyKey });
  };
  const finish = () => {
    close();
    onDone();
  };
  return html`<${Form} submit=${translate("Ask for access")} run=${run} onDone=${finish} cancel=${close}>
    <${Field} name="by" label=${translate("Find the account by")} type="select" value=${by} onChange=${(/** @type {any} */ event) => setBy(event.target.value)}>
      <option value="number">${translate("Number of the account")}</option>
      <option value="organization">${translate("Organization number")}</option>
    <//>
    ${by === "number"
      ? html`<${Field} key="number" name="accountNumber" label=${translate("Number of the account")} inputmode="numeric" required hint=${translate("Its users see it on their pages.")} />`
      : html`<${Field} key="country" name="country" label=${translate("Country")} maxlength="2" required hint=${translate("Two letters, for example NO.")} />
          <${Field} key="organization" name="organizationNumber" label=${translate("Organization number")} required />`}
    <${Field} name="role" label=${translate("Role")} type="select" value=${role} onChange=${(/** @type {any} */ event) => setRole(event.target.value)} hint=${roles.find((/** @type {any} */ definition) => definition.role === role)?.description}>
      ${roles.map((/** @type {any} */ definition) => html`<option value=${definition.role}>${definition.name}</option>`)}
    <//>
    <${Field} name="message" label=${translate("Message")} type="textarea" maxlength="2000" hint=${translate("Say who you are. Those who decide read it, with your name and your address.")} />
  <//>`;
}

function Withdraw({ request: { id, accountNumber, organizationNumber } }) {
  const number = accountNumber ?? organizationNumber;
  return html`<${ConfirmButton}
    label=${translate("Withdraw")}
    title=${translate("Withdraw the request")}
    description=${translate("Withdraw the request for %(number)s", { number })}
    consequence=${translate("The request can no longer be approved. You can ask again.")}
    run=${() => mutate("WithdrawMyAccessRequest", { accessRequestId: id })}
  />`;
}
