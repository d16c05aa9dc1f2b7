// The people with access to an account, and the changes of their access.

import { ConfirmButton, describeButton, DialogButton } from "../../components/dialog.js";
import { Field, Form } from "../../components/form.js";
import { List } from "../../components/list.js";
import { ResignButton } from "../../components/resign.js";
import { PermissionDetails, startView, viewDecision, whileClosing } from "../../components/roles.js";
import { statusText } from "../../components/status.js";
import { changedTerms, TERMS_FIELDS, TermsFields } from "../../components/terms.js";
import { viewAs } from "../../core/account.js";
import { roleName } from "../../core/decisions.js";
import { endOfDay, formatDate, formatInstant, toDay } from "../../core/formats.js";
import { mutate } from "../../core/query.js";
import { navigate } from "../../core/router.js";
import { viewer } from "../../core/session.js";
import { useStore } from "../../core/store.js";
import { translate, translatePlural } from "../../core/texts.js";
import { html, useMemo } from "../../core/view.js";

const DAY_MILLISECONDS = 86_400_000;
const LIVE = ["ACTIVE", "AWAITING_PERMISSIONS"];
const ROLES = ["OWNER", "ADMINISTRATOR", "COLLABORATOR", "ACCOUNTANT", "CONSULTANT", "SIMPLE_USER"];

/** @param {{ account: any }} properties */
export function PeopleList({ account }) {
  const user = useStore(viewer);
  const now = useMemo(() => Date.now(), []);
  const daysFromNow = (/** @type {number} */ days) => new Date(now + days * DAY_MILLISECONDS).toISOString();
  const states = {
    "": { status: LIVE },
    awaiting: { status: ["AWAITING_PERMISSIONS"] },
    unused: { status: LIVE, notUsedSince: daysFromNow(-90) },
    ending: { status: LIVE, endsBefore: daysFromNow(30) },
    ended: { status: ["REVOKED", "RESIGNED", "EXPIRED"] },
    all: {},
  };
  const columns = [
    { title: translate("Person"), cell: (/** @type {any} */ grant) => html`<${Person} user=${grant.user} isViewer=${grant.user.id === user?.user.id} />` },
    {
      title: translate("Role"),
      cell: (/** @type {any} */ grant) => html`<span class="unbroken">${roleName(grant.role)}</span>${grant.status !== "ACTIVE" && html`<br /><span class="status">${statusText(grant.status)}</span>`}`,
    },
    { title: translate("Permissions"), cell: ({ permissions }) => html`<${PermissionDetails} permissions=${permissions} isShort />` },
    { title: translate("Access"), cell: (/** @type {any} */ grant) => html`<${Times} grant=${grant} />` },
    { title: translate("Last use"), cell: ({ lastUsedAt }) => formatInstant(lastUsedAt) || translate("Never") },
    {
      title: translate("Changes"),
      cell: (/** @type {any} */ grant) => html`<${GrantButtons} account=${account} grant=${grant} isOwn=${grant.user.id === user?.user.id} />`,
    },
  ];
  return html`<${List}
    operation="AccountGrants"
    label=${translate("People with access")}
    connection=${(/** @type {any} */ data) => data.account?.grants}
    variables=${({ search, show, role, order }) => ({
      number: account.number,
      isBureau: account.kind === "BUREAU",
      filter: { ...(states[show] ?? states[""]), ...(role ? { role: [role] } : {}), ...(search ? { search } : {}) },
      orderBy: order || "USER_NAME",
    })}
    columns=${columns}
    hasSearch
    filters=${[
      {
        name: "show",
        label: translate("Show"),
        all: translate("People with access"),
        options: [
          ["awaiting", translate("Those who wait for permissions")],
          ["unused", translate("Not used for 90 days")],
          ["ending", translate("Ends within 30 days")],
          ["ended", translate("Without access now")],
          ["all", translate("All users")],
        ],
      },
      { name: "role", label: translate("Role"), options: ROLES.map((role) => [role, roleName(role)]) },
      { name: "order", label: translate("Order"), all: translate("By name"), isOrder: true, options: [["LAST_USED", translate("Last used first")], ["CREATED_AT", translate("By date of the access")]] },
    ]}
    empty=${translate("No user has access.")}
  />`;
}

/** From when, by whom and until when access is given. */
function Times({ grant }) {
  const { validUntil, createdAt, grantedBy } = grant;
  const beginning = { date: formatDate(createdAt), name: grantedBy?.name };
  return html`${validUntil ? translate("Until %(date)s", { date: formatDate(validUntil) }) : translate("No end")}<br />
    <small>${grantedBy ? translate("Since %(date)s, by %(name)s", beginning) : translate("Since %(date)s", beginning)}</small>`;
}

function Person({ user, isViewer }) {
  return html`<strong>${user.name}</strong>${isViewer && html` <small>(${translate("you")})</small>`}<br /><small>${user.email ?? ""}</small>`;
}

/** The changes that fit the state of a grant. The owner's access cannot be changed. */
function GrantButtons({ account, grant, isOwn }) {
  const isViewing = useStore(viewAs) !== null;
  const { USERS_WRITE } = account.decisions;
  const { name } = grant.user;
  const isLive = LIVE.includes(grant.status);
  if (grant.role === "OWNER" && isLive && isOwn) return null;
  const canView = !isViewing && isLive && !isOwn && viewDecision(account).allowed;
  const viewButton =
    canView &&
    html`<button
      type="button"
      aria-label=${describeButton(translate("See as"), name)}
      onClick=${() => startView({ value: grant.id, label: `${name} (${roleName(grant.role)})` })}
    >
      ${translate("See as")}
    </button>`;
  if (isOwn && isLive) return html`<div class="buttons"><${ResignButton} account=${account} grantId=${grant.id} onDone=${() => navigate("/accounts")} /></div>`;
  if (grant.role === "OWNER") return html`<div class="buttons">${viewButton}</div>`;
  return html`<div class="buttons">
    ${isLive &&
    html`<${DialogButton}
      label=${translate("Change")}
      title=${translate("Change the access of %(name)s", { name })}
      description=${describeButton(translate("Change"), name)}
      can=${USERS_WRITE}
    >
        ${(/** @type {() => void} */ close) => html`<${ChangeForm} grant=${grant} close=${close} />`}
      <//>
      ${viewButton}
      <${ConfirmButton}
        label=${translate("Revoke")}
        title=${translate("Revoke the access of %(name)s", { name })}
        description=${describeButton(translate("Revoke"), name)}
        consequence=${html`${translate("%(name)s loses the access to %(account)s at once. The access can be restored later.", { name, account: account.name })} ${clientsText(grant)}`}
        can=${whileClosing(USERS_WRITE)}
        run=${() => mutate("RevokeGrant", { grantId: grant.id })}
      />`}
    ${(grant.status === "REVOKED" || grant.status === "EXPIRED") &&
    html`<${DialogButton}
      label=${translate("Restore")}
      title=${translate("Restore the access of %(name)s", { name })}
      description=${describeButton(translate("Restore"), name)}
      can=${USERS_WRITE}
    >
      ${(/** @type {() => void} */ close) => html`<${RestoreForm} grant=${grant} close=${close} />`}
    <//>`}
  </div>`;
}

function ChangeForm({ grant, close }) {
  const change = (/** @type {any} */ values) => mutate("UpdateGrant", { grantId: grant.id, ...changedTerms(values, { role: grant.role, end: grant.validUntil }, "validUntil") });
  return html`<${Form} submit=${translate("Save")} run=${change} cancel=${close} fields=${TERMS_FIELDS} onDone=${close}>
    <${TermsFields} role=${grant.role} permissions=${grant.permissions} end=${grant.validUntil} isChange />
  <//>`;
}

function RestoreForm({ grant, close }) {
  const formerEnd = grant.validUntil && new Date(grant.validUntil).getTime() > Date.now() ? toDay(grant.validUntil) : "";
  const restore = ({ end }) => mutate("RestoreGrant", { grantId: grant.id, validUntil: end && end !== formerEnd ? endOfDay(end) : null, removeEnd: !end && grant.validUntil ? true : null });
  return html`<p>${translate("The access returns with its former role and permissions: %(role)s.", { role: roleName(grant.role) })}</p>
    <${Form} submit=${translate("Restore")} run=${restore} cancel=${close} fields=${TERMS_FIELDS} onDone=${close}>
      <${Field} name="end" label=${translate("Access ends after")} type="date" value=${formerEnd} hint=${translate("Empty: the access has no end.")} />
    <//>`;
}

/** How many clients of a bureau would have no consultant without the holder. @param {{ clientsWithoutOtherConsultant?: number }} grant */
function clientsText({ clientsWithoutOtherConsultant: count }) {
  return count ? translatePlural("%(n)d client then has no consultant.", "%(n)d clients then have no consultant.", count) : "";
}
