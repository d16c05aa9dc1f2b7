// Engagements on both sides: request, answer, permissions for all consultants, end, and requests that wait for an answer.

import { ConfirmButton, DialogButton } from "../components/dialog.js";
import { Field, Form } from "../components/form.js";
import { List } from "../components/list.js";
import { whileClosing } from "../components/roles.js";
import { statusText } from "../components/status.js";
import { endOfDay, formatDate, toDay } from "../core/formats.js";
import { createIdempotencyKey, mutate, useQuery } from "../core/query.js";
import { translate } from "../core/texts.js";
import { html, useMemo, useState } from "../core/view.js";
import { PermissionChoices, permissionErrors } from "./permission-choices.js";

/** What the viewer knows of accounts that they can enter, by the id of the account. @param {string[]} ids @returns {Map<string, any>} */
export function useAccountFacts(ids) {
  const { data } = useQuery("AccountFacts", { ids }, { skip: ids.length === 0 });
  const known = (data?.nodes ?? []).filter((/** @type {any} */ node) => node?.viewerGrant);
  return new Map(known.map((/** @type {any} */ node) => [node.id, node]));
}

/** A request of a client to a bureau. @param {{ account: any }} properties */
export function EngageButton({ account }) {
  return html`<${DialogButton} label=${translate("Engage a bureau")} kind="primary" can=${account.decisions.USERS_WRITE}>
    ${(/** @type {() => void} */ close) => html`<${EngageForm} account=${account} close=${close} />`}
  <//>`;
}

function EngageForm({ account, close }) {
  const [isSent, setSent] = useState(false);
  const idempotencyKey = useMemo(createIdempotencyKey, []);
  const engage = async (/** @type {any} */ values) =>
    withNumber("bureauNumber", values.bureauNumber, (bureauNumber) => mutate("EngageBureau", { clientAccountId: account.id, bureauNumber, ...readPermissions(values), idempotencyKey }));
  if (isSent) return html`<${RequestSent} close=${close} />`;
  return html`
    <p>${translate("The bureau can accept for 30 days. Until it accepts, it has no access.")}</p>
    <${Form} submit=${translate("Send the request")} run=${engage} cancel=${close} onDone=${() => setSent(true)} fields=${permissionErrors}>
      <${Field} name="bureauNumber" label=${translate("Account number of the bureau")} inputmode="numeric" autocomplete="off" required />
      <${StandingPermissions} account=${account} />
    <//>
  `;
}

/** An offer of a bureau to work for a client. @param {{ account: any }} properties */
export function OfferButton({ account }) {
  return html`<${DialogButton} label=${translate("Offer your work to an account")} can=${account.decisions.USERS_WRITE}>
    ${(/** @type {() => void} */ close) => html`<${OfferForm} account=${account} close=${close} />`}
  <//>`;
}

function OfferForm({ account, close }) {
  const [isSent, setSent] = useState(false);
  const idempotencyKey = useMemo(createIdempotencyKey, []);
  const offer = async ({ clientNumber, clientOrganizationNumber, clientCountry }) =>
    clientOrganizationNumber && !clientNumber
      ? mutate("EngageBureau", { bureauAccountId: account.id, clientOrganizationNumber, clientCountry: clientCountry || null, idempotencyKey })
      : withNumber("clientNumber", clientNumber, (number) => mutate("EngageBureau", { bureauAccountId: account.id, clientNumber: number, idempotencyKey }));
  if (isSent) return html`<${RequestSent} close=${close} />`;
  return html`
    <p>${translate("Enter the account number or the organization number of the client. The client can accept for 30 days.")}</p>
    <${Form} submit=${translate("Send the request")} run=${offer} cancel=${close} onDone=${() => setSent(true)}>
      <${Field} name="clientNumber" label=${translate("Account number of the client")} inputmode="numeric" autocomplete="off" />
      <${Field} name="clientOrganizationNumber" label=${translate("Organization number of the client")} autocomplete="off" />
      <${Field} name="clientCountry" label=${translate("Country")} maxlength="2" hint=${translate("Two letters, for example NO. Empty: the country of the bureau.")} />
    <//>
  `;
}

function RequestSent({ close }) {
  return html`
    <p role="status">${translate("The request is sent. If there is such an account, its users see it and can answer it. You see here when they have answered.")}</p>
    <div class="actions"><button type="button" onClick=${close}>${translate("Close")}</button></div>
  `;
}

/** The fields of permissions for every consultant of the bureau. @param {{ account: any, engagement?: any }} properties */
function StandingPermissions({ account, engagement }) {
  return html`
    <${PermissionChoices}
      legend=${translate("Permissions of every consultant of the bureau")}
      hint=${translate("Consultants whom the bureau assigns have this access at once, also those who come later. Without a choice each consultant waits until you give permissions.")}
      chosen=${engagement?.consultantPermissions ?? []}
      decisions=${account.decisions}
    />
    <${Field} name="consultantValidUntil" label=${translate("Until")} type="date" value=${toDay(engagement?.consultantValidUntil)} hint=${translate("The last day of these permissions. Empty: no end.")} />
  `;
}

function readPermissions({ permissions, consultantValidUntil }) {
  if (!permissions?.length) return { consultantPermissions: null, consultantValidUntil: null };
  return { consultantPermissions: permissions, consultantValidUntil: endOfDay(consultantValidUntil) };
}

/** Run with the account number of a text, which can have spaces. Another text is an error of its field. @param {string} field @param {string} text @param {(number: number) => Promise<any>} run */
function withNumber(field, text, run) {
  const digits = text.replaceAll(/\s/g, "");
  if (/^\d{1,9}$/.test(digits)) return run(Number(digits));
  return { errors: [{ code: "INVALID", field: [field], message: translate("Enter the number of the account, in digits.") }] };
}

/**
 * Accept or decline a request of the other side. A viewer who can enter the other account may have made the request, and can withdraw it.
 * @param {{ account: any, engagement: any, other: any, canSeeOther: boolean, isClient?: boolean }} properties
 */
export function AnswerButtons({ account, engagement, other, canSeeOther, isClient = false }) {
  const can = account.decisions.USERS_WRITE;
  const id = { engagementId: engagement.id };
  const accept = (/** @type {any} */ values) => mutate("AcceptEngagement", { ...id, ...(isClient ? readPermissions(values) : {}) });
  const acceptance = isClient
    ? translate("The bureau %(name)s can then assign its consultants to your account.", { name: other.name })
    : translate("Your bureau then works for %(name)s, and you can assign consultants.", { name: other.name });
  return html`<div class="buttons">
    <${DialogButton}
      label=${translate("Accept")}
      kind="primary"
      can=${can}
      title=${translate("Accept the engagement with %(name)s", { name: other.name })}
      description=${translate("Accept the engagement with %(name)s", { name: other.name })}
    >
      ${(/** @type {() => void} */ close) => html`
        <p>${acceptance}</p>
        <${Form} submit=${translate("Accept")} run=${accept} cancel=${close} onDone=${close} fields=${permissionErrors}>
          ${isClient && html`<${StandingPermissions} account=${account} />`}
        <//>
      `}
    <//>
    <${ConfirmButton}
      label=${translate("Decline")}
      title=${translate("Decline the engagement with %(name)s", { name: other.name })}
      description=${translate("Decline the engagement with %(name)s", { name: other.name })}
      can=${whileClosing(can)}
      consequence=${translate("There will be no engagement with %(name)s. Its owner gets a mail. A new request is possible.", { name: other.name })}
      run=${() => mutate("DeclineEngagement", id)}
    />
    ${canSeeOther &&
    html`<${ConfirmButton}
      label=${translate("Withdraw")}
      title=${translate("Withdraw the request to %(name)s", { name: other.name })}
      description=${translate("Withdraw the request to %(name)s", { name: other.name })}
      can=${whileClosing(can)}
      consequence=${translate("The request to %(name)s can no longer be accepted.", { name: other.name })}
      run=${() => mutate("EndEngagement", id)}
    />`}
  </div>`;
}

/** Changes what every consultant of a bureau may do. @param {{ account: any, engagement: any }} properties */
export function StandingPermissionsButton({ account, engagement }) {
  const { name } = engagement.bureau;
  const save = (/** @type {any} */ values) => {
    const { consultantPermissions, consultantValidUntil } = readPermissions(values);
    if (!consultantPermissions) return mutate("UpdateEngagement", { engagementId: engagement.id, removeConsultantPermissions: true });
    // The end of a day that is not changed may be earlier than midnight, and must not move.
    const isKept = engagement.consultantPermissions && values.consultantValidUntil === toDay(engagement.consultantValidUntil);
    const end = consultantValidUntil ? { consultantValidUntil } : { removeConsultantEnd: true };
    return mutate("UpdateEngagement", { engagementId: engagement.id, consultantPermissions, ...(isKept ? {} : end) });
  };
  const title = translate("Permissions of %(name)s", { name });
  return html`<${DialogButton} label=${translate("Permissions")} title=${title} description=${title} can=${account.decisions.USERS_WRITE}>
    ${(/** @type {() => void} */ close) => html`
      <p>${translate("Consultants whose permissions you changed one by one keep theirs. All others get these at once.")}</p>
      <${Form} submit=${translate("Save")} run=${save} cancel=${close} onDone=${close} fields=${permissionErrors}><${StandingPermissions} account=${account} engagement=${engagement} /><//>
    `}
  <//>`;
}

/** Ends an engagement, and says what ends with it. @param {{ account: any, engagement: any, other: any, isBureau?: boolean }} properties */
export function EndEngagementButton({ account, engagement, other, isBureau = false }) {
  const consequence = isBureau
    ? translate("Your bureau no longer works for %(name)s. The access of all your consultants to this account ends at once. If the client has not activated the account yet, its link no longer works. Both owners get a mail. To work again, a new request is needed.", { name: other.name })
    : translate("The bureau %(name)s no longer works for you. The access of all its consultants to this account ends at once. Both owners get a mail. To work again, a new request is needed.", { name: other.name });
  return html`<${ConfirmButton}
    label=${translate("End")}
    title=${translate("End the engagement with %(name)s", { name: other.name })}
    description=${translate("End the engagement with %(name)s", { name: other.name })}
    can=${whileClosing(account.decisions.USERS_WRITE)}
    consequence=${consequence}
    run=${() => mutate("EndEngagement", { engagementId: engagement.id })}
  />`;
}

/** Requests of the account to accounts that its users could not enter. @param {{ account: any }} properties */
export function EngagementRequests({ account }) {
  const columns = [
    { title: translate("Requested account"), cell: (/** @type {any} */ request) => readTarget(request) },
    { title: translate("Request"), cell: ({ side }) => (side === "BUREAU" ? translate("To work for the account") : translate("To engage the bureau")) },
    { title: translate("Status"), cell: ({ status }) => html`<span class="status">${statusText(status)}</span>` },
    { title: translate("Sent"), cell: ({ createdAt }) => formatDate(createdAt) },
    { title: translate("Can be answered until"), cell: ({ expiresAt, status }) => (status === "PENDING" ? formatDate(expiresAt) : "") },
    { title: translate("Actions"), cell: (/** @type {any} */ request) => request.status === "PENDING" && html`<${WithdrawButton} account=${account} request=${request} />` },
  ];
  return html`
    <h2>${translate("Requests that you sent")}</h2>
    <p><small>${translate("They do not show whether there is such an account. After an answer the engagement is in the list above.")}</small></p>
    <${List}
      operation="EngagementRequests"
      label=${translate("Requests that you sent")}
      connection=${(/** @type {any} */ data) => data.account?.engagementRequests}
      variables=${() => ({ number: account.number })}
      columns=${columns}
      empty=${translate("No request was sent to an account that you cannot enter.")}
    />
  `;
}

function WithdrawButton({ account, request }) {
  const name = readTarget(request);
  return html`<${ConfirmButton}
    label=${translate("Withdraw")}
    title=${translate("Withdraw the request to %(name)s", { name })}
    description=${translate("Withdraw the request to %(name)s", { name })}
    can=${whileClosing(account.decisions.USERS_WRITE)}
    consequence=${translate("The request to %(name)s can no longer be accepted.", { name })}
    run=${() => mutate("WithdrawEngagementRequest", { engagementRequestId: request.id })}
  />`;
}

/** What was entered to find the account. */
function readTarget({ number, organizationNumber, country, otherAccountId }) {
  return number === null ? [country, organizationNumber].filter(Boolean).join(" ") || otherAccountId : String(number);
}
