// The people of a bureau and their clients: how many, which ones have no other consultant, and who takes over.

import { List } from "../components/list.js";
import { statusText } from "../components/status.js";
import { roleName } from "../core/decisions.js";
import { formatDate, formatInstant } from "../core/formats.js";
import { useQuery } from "../core/query.js";
import { translate, translatePlural } from "../core/texts.js";
import { html } from "../core/view.js";
import { ReplaceButton } from "./consultant-assignment.js";

const FORMER = ["REVOKED", "RESIGNED", "EXPIRED"];

export default function ConsultantsPage({ account }) {
  const clients = `/a/${account.number}/clients`;
  const columns = [
    { title: translate("Person"), cell: ({ user, role }) => html`${user.name}, ${roleName(role)}<br /><small>${user.email}</small>` },
    { title: translate("Status"), cell: (/** @type {any} */ grant) => html`<${StatusCell} grant=${grant} />` },
    { title: translate("Clients"), isNumber: true, cell: ({ user }) => html`<${ClientCount} account=${account} user=${user} />` },
    { title: translate("Without another consultant"), isNumber: true, cell: (/** @type {any} */ grant) => html`<${SoleCount} grant=${grant} clients=${clients} />` },
    { title: translate("Last used"), cell: ({ lastUsedAt }) => formatInstant(lastUsedAt) },
    { title: translate("Actions"), cell: ({ user }) => html`<${ReplaceButton} account=${account} user=${user} />` },
  ];
  return html`
    <h1 tabindex="-1">${translate("Consultants")}</h1>
    <${Cover} account=${account} clients=${clients} />
    <${List}
      operation="BureauPeople"
      label=${translate("Consultants")}
      connection=${(/** @type {any} */ data) => data.account?.grants}
      variables=${({ search, status }) => ({ number: account.number, filter: { search: search || null, status: status === "FORMER" ? FORMER : ["ACTIVE"] } })}
      columns=${columns}
      hasSearch
      filters=${[{ name: "status", label: translate("Status"), all: translate("Active"), options: [["FORMER", translate("Have left the bureau")]] }]}
      empty=${translate("No person has access to the bureau.")}
    />
    <p><small>${translate("All people with access to the bureau can be assigned to clients. The clients of people who have left can still be moved.")}</small></p>
  `;
}

/** Clients that need a person: those without a consultant, and those that have not given permissions. */
function Cover({ account, clients }) {
  const counts = useQuery("ClientCounts", { number: account.number }).data?.account;
  if (!counts?.withoutConsultant) return null;
  const { withoutConsultant, awaitingPermissions } = counts;
  return html`<ul>
    <li><a href=${`${clients}?cover=NOBODY`}>${translatePlural("%(n)d client without a consultant", "%(n)d clients without a consultant", withoutConsultant.totalCount)}</a></li>
    <li><a href=${`${clients}?permissions=WAITS`}>${translatePlural("%(n)d client has not given permissions yet", "%(n)d clients have not given permissions yet", awaitingPermissions.totalCount)}</a></li>
  </ul>`;
}

function StatusCell({ grant }) {
  const { status, validUntil } = grant;
  return html`<span class="status">${statusText(status)}</span>${validUntil && html`<br /><small>${translate("until %(date)s", { date: formatDate(validUntil) })}</small>`}`;
}

function ClientCount({ account, user }) {
  const list = useQuery("ConsultantClientCount", { number: account.number, consultantId: user.id }).data?.account?.engagements;
  if (!list) return null;
  const name = translatePlural("%(n)d client of %(name)s", "%(n)d clients of %(name)s", list.totalCount, { name: user.name });
  return html`<a href=${`/a/${account.number}/clients?consultant=${user.id}`} aria-label=${name}>${list.totalCount}${list.totalCountIsCapped ? "+" : ""}</a>`;
}

function SoleCount({ grant, clients }) {
  const { clientsWithoutOtherConsultant: count, user, status } = grant;
  if (!count) return "0";
  const name = translatePlural("%(n)d client would have no consultant without %(name)s", "%(n)d clients would have no consultant without %(name)s", count, { name: user.name });
  return html`<a href=${FORMER.includes(status) ? `${clients}?cover=NOBODY` : `${clients}?consultant=${user.id}&cover=SOLE`} aria-label=${name}>${count}</a>`;
}
