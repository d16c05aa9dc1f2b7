// The bureaus of a client account: who works for it, what their consultants may do, and requests that wait for an answer.

import { DialogButton } from "../components/dialog.js";
import { Field, Form } from "../components/form.js";
import { List } from "../components/list.js";
import { PermissionDetails } from "../components/roles.js";
import { statusText } from "../components/status.js";
import { endOfDay, formatDate, formatInstant, toDay } from "../core/formats.js";
import { mutate } from "../core/query.js";
import { translate } from "../core/texts.js";
import { html, useState } from "../core/view.js";
import { AnswerButtons, EndEngagementButton, EngageButton, EngagementRequests, StandingPermissionsButton, useAccountFacts } from "./engagement.js";
import { PermissionChoices, permissionErrors } from "./permission-choices.js";

export default function BureausPage({ account }) {
  const [shown, setShown] = useState(/** @type {any[]} */ ([]));
  const facts = useAccountFacts(shown.map(({ bureau }) => bureau.id));
  const columns = [
    { title: translate("Bureau"), cell: ({ bureau }) => html`${bureau.name}<br /><small>${[bureau.number, bureau.ownerEmail].filter(Boolean).join(" · ")}</small>` },
    { title: translate("Status"), cell: (/** @type {any} */ engagement) => html`<${StatusCell} engagement=${engagement} />` },
    { title: translate("Every consultant may"), cell: (/** @type {any} */ engagement) => html`<${StandingCell} engagement=${engagement} />` },
    { title: translate("Consultants"), cell: (/** @type {any} */ engagement) => html`<${ConsultantsCell} account=${account} engagement=${engagement} />` },
    { title: translate("Actions"), cell: (/** @type {any} */ engagement) => html`<${Actions} account=${account} engagement=${engagement} canSeeOther=${facts.has(engagement.bureau.id)} />` },
  ];
  return html`
    <h1 tabindex="-1">${translate("Bureaus")}</h1>
    <p>${translate("A bureau works for this account after one side has asked and the other side has accepted. You decide what its consultants may do.")}</p>
    <${List}
      operation="Bureaus"
      label=${translate("Bureaus")}
      connection=${(/** @type {any} */ data) => data.account?.engagements}
      variables=${({ search, status }) => ({
        number: account.number,
        filter: { side: "CLIENT", search: search || null, status: status === "ALL" ? null : [status || ["ACTIVE", "PENDING"]].flat() },
      })}
      columns=${columns}
      hasSearch
      filters=${[
        {
          name: "status",
          label: translate("Engagement"),
          all: translate("Active and pending"),
          options: [...["ACTIVE", "PENDING", "ENDED", "DECLINED", "WITHDRAWN", "EXPIRED"].map((status) => [status, statusText(status)]), ["ALL", translate("All")]],
        },
      ]}
      onNodes=${setShown}
      empty=${translate("No bureau works for this account.")}
      actions=${html`<${EngageButton} account=${account} />`}
    />
    <${EngagementRequests} account=${account} />
  `;
}

function StatusCell({ engagement }) {
  const { status, createdAt, expiresAt, endedAt } = engagement;
  return html`
    <span class="status">${statusText(status)}</span>
    <br /><small>${translate("Requested on %(date)s", { date: formatDate(createdAt) })}</small>
    ${expiresAt && html`<br /><small>${translate("Can be answered until %(date)s", { date: formatDate(expiresAt) })}</small>`}
    ${endedAt && html`<br /><small>${translate("Ended on %(date)s", { date: formatDate(endedAt) })}</small>`}
  `;
}

function StandingCell({ engagement }) {
  const { status, consultantPermissions, consultantValidUntil } = engagement;
  if (status !== "ACTIVE" && status !== "PENDING") return null;
  if (!consultantPermissions) return translate("Nothing, until you give permissions to each consultant");
  return html`<${PermissionDetails} permissions=${consultantPermissions} />
    ${consultantValidUntil && html`<small>${translate("until %(date)s", { date: formatDate(consultantValidUntil) })}</small>`}`;
}

function ConsultantsCell({ account, engagement }) {
  const { consultants, status } = engagement;
  if (status !== "ACTIVE" || !consultants) return null;
  if (!consultants.length) return translate("The bureau has assigned no consultant yet.");
  return consultants.map(
    (/** @type {any} */ grant) =>
      html`<div key=${grant.id}>
        ${grant.user.name} <span class="status">${statusText(grant.status)}</span>
        ${grant.validUntil && html` <small>${translate("until %(date)s", { date: formatDate(grant.validUntil) })}</small>`}
        ${grant.lastUsedAt && html` <small>${translate("Last used: %(instant)s", { instant: formatInstant(grant.lastUsedAt) })}</small>`}
        ${" "}<${GrantPermissionsButton} account=${account} grant=${grant} />
      </div>`,
  );
}

/** Gives one consultant permissions of their own. */
function GrantPermissionsButton({ account, grant }) {
  const title = translate("Permissions of %(name)s", { name: grant.user.name });
  const save = ({ permissions, validUntil }) =>
    mutate("UpdateGrant", {
      grantId: grant.id,
      ...(permissions?.length ? { permissions } : { removePermissionList: true }),
      ...(validUntil ? { validUntil: validUntil === toDay(grant.validUntil) ? null : endOfDay(validUntil) } : grant.validUntil ? { removeEnd: true } : {}),
    });
  return html`<${DialogButton} label=${translate("Permissions")} title=${title} description=${title} can=${account.decisions.USERS_WRITE}>
    ${(/** @type {() => void} */ close) => html`
      <p>${translate("This consultant then has these permissions, and no longer those of every consultant of the bureau. Without a choice they have no access until you give permissions.")}</p>
      <${Form} submit=${translate("Save")} run=${save} cancel=${close} onDone=${close} fields=${permissionErrors}>
        <${PermissionChoices} legend=${translate("Permissions")} chosen=${grant.permissions} decisions=${account.decisions} />
        <${Field} name="validUntil" label=${translate("Until")} type="date" value=${toDay(grant.validUntil)} hint=${translate("The last day of the access. Empty: no end.")} />
      <//>
    `}
  <//>`;
}

function Actions({ account, engagement, canSeeOther }) {
  const { bureau, status } = engagement;
  if (status === "PENDING") return html`<${AnswerButtons} account=${account} engagement=${engagement} other=${bureau} canSeeOther=${canSeeOther} isClient />`;
  if (status !== "ACTIVE") return null;
  return html`<div class="buttons">
    <${StandingPermissionsButton} account=${account} engagement=${engagement} />
    <${EndEngagementButton} account=${account} engagement=${engagement} other=${bureau} />
  </div>`;
}
