// The clients of a bureau: who works for them, what they wait for, and changes for many of them at once.

import { List } from "../components/list.js";
import { statusText } from "../components/status.js";
import { formatDate } from "../core/formats.js";
import { useQuery } from "../core/query.js";
import { address } from "../core/router.js";
import { useStore } from "../core/store.js";
import { translate, translatePlural } from "../core/texts.js";
import { html, useState } from "../core/view.js";
import { ActivationButton, ExtendButton, NewClientButton } from "./client-account.js";
import { AssignButton, UnassignButton } from "./consultant-assignment.js";
import { AnswerButtons, EndEngagementButton, EngagementRequests, OfferButton, useAccountFacts } from "./engagement.js";

export default function ClientsPage({ account }) {
  const { query } = useStore(address);
  const [chosen, setChosen] = useState(/** @type {Map<string, string>} */ (new Map()));
  const [shown, setShown] = useState(/** @type {any[]} */ ([]));
  const facts = useAccountFacts(shown.map(({ client }) => client.id));
  const people = useQuery("BureauPeopleNames", { number: account.number, filter: { status: ["ACTIVE"] } }).data?.account?.grants?.nodes ?? [];
  const choose = (/** @type {any[]} */ clients, /** @type {boolean} */ isChosen) => {
    const newChosen = new Map(chosen);
    for (const { id, name } of clients) isChosen ? newChosen.set(id, name) : newChosen.delete(id);
    setChosen(newChosen);
  };
  const activeClients = shown.filter(({ status }) => status === "ACTIVE").map(({ client }) => client);
  return html`
    <h1 tabindex="-1">${translate("Clients")}</h1>
    <div class="toolbar">
      <${NewClientButton} account=${account} />
      <${OfferButton} account=${account} />
    </div>
    <div class="toolbar" role="group" aria-label=${translate("Chosen clients")}>
      <span role="status">${translatePlural("%(n)d client chosen", "%(n)d clients chosen", chosen.size)}</span>
      <button type="button" disabled=${!activeClients.length} onClick=${() => choose(activeClients, true)}>${translate("Choose this page")}</button>
      <button type="button" disabled=${!chosen.size} onClick=${() => setChosen(new Map())}>${translate("Choose none")}</button>
      <${AssignButton} account=${account} clients=${[...chosen]} />
      <${UnassignButton} account=${account} clients=${[...chosen]} />
    </div>
    <${List}
      operation="Clients"
      label=${translate("Clients")}
      connection=${(/** @type {any} */ data) => data.account?.engagements}
      variables=${(/** @type {any} */ state) => ({ number: account.number, filter: readFilter(state), orderBy: state.order || "NAME" })}
      columns=${makeColumns({ account, facts, chosen, choose })}
      hasSearch
      filters=${makeFilters(people, query.has("consultant"))}
      onNodes=${setShown}
      empty=${translate("This bureau has no clients yet. Open an account for a client, or offer your work to an account.")}
    />
    <${EngagementRequests} account=${account} />
  `;
}

function makeFilters(people, hasConsultant) {
  return [
    {
      name: "status",
      label: translate("Engagement"),
      all: translate("Active and pending"),
      options: [...["ACTIVE", "PENDING", "ENDED", "DECLINED", "WITHDRAWN", "EXPIRED"].map((status) => [status, statusText(status)]), ["ALL", translate("All")]],
    },
    { name: "consultant", label: translate("Consultant"), options: people.map(({ user }) => [user.id, user.name]) },
    {
      name: "cover",
      label: translate("Looked after"),
      options: [
        ["NOBODY", translate("By no consultant")],
        ["SOMEONE", translate("By a consultant")],
        // Without a chosen consultant there is none who could be alone.
        ...(hasConsultant ? [["SOLE", translate("By the chosen consultant alone")]] : []),
      ],
    },
    {
      name: "permissions",
      label: translate("Permissions"),
      options: [
        ["WAITS", translate("A consultant waits for permissions")],
        ["COMPLETE", translate("No consultant waits")],
      ],
    },
    { name: "ends", label: translate("Access ends"), options: [7, 30, 90].map((days) => [String(days), translatePlural("Within %(n)d day", "Within %(n)d days", days)]) },
    {
      name: "order",
      label: translate("Order"),
      all: translate("Name"),
      isOrder: true,
      options: [
        ["NUMBER", translate("Number")],
        ["CREATED_AT", translate("The newest first")],
        ["ENDS_AT", translate("The earliest end first")],
      ],
    },
  ];
}

/** The filter of the graph for the state of the list. @param {Record<string, string>} state */
function readFilter({ search, status, consultant, cover, permissions, ends }) {
  const isSole = cover === "SOLE" && consultant;
  return {
    side: "BUREAU",
    search: search || null,
    status: status === "ALL" ? null : [status || ["ACTIVE", "PENDING"]].flat(),
    consultantId: (!isSole && consultant) || null,
    soleConsultantId: isSole ? consultant : null,
    withoutConsultant: cover === "NOBODY" ? true : cover === "SOMEONE" ? false : null,
    awaitsPermissions: permissions ? permissions === "WAITS" : null,
    endsBefore: /^\d{1,3}$/.test(ends ?? "") ? startOfDay(Number(ends) + 1).toISOString() : null,
  };
}

/** The beginning of a later day in the user's zone. It is the same all day, because the list is read again when its filter changes. @param {number} daysLater */
function startOfDay(daysLater) {
  const start = new Date();
  start.setHours(0, 0, 0, 0);
  start.setDate(start.getDate() + daysLater);
  return start;
}

function makeColumns({ account, facts, chosen, choose }) {
  return [
    { title: translate("Client"), cell: (/** @type {any} */ engagement) => html`<${ClientCell} ...${{ engagement, facts, chosen, choose }} />` },
    { title: translate("Status"), cell: (/** @type {any} */ engagement) => html`<${StatusCell} engagement=${engagement} fact=${facts.get(engagement.client.id)} />` },
    { title: translate("Consultants"), cell: (/** @type {any} */ engagement) => html`<${ConsultantsCell} engagement=${engagement} />` },
    { title: translate("Actions"), cell: (/** @type {any} */ engagement) => html`<${Actions} account=${account} engagement=${engagement} fact=${facts.get(engagement.client.id)} />` },
  ];
}

function ClientCell({ engagement, facts, chosen, choose }) {
  const { client, status, clientOrganizationNumber } = engagement;
  const change = (/** @type {any} */ event) => choose([client], event.target.checked);
  return html`
    ${status === "ACTIVE" && html`<input type="checkbox" aria-label=${translate("Choose %(name)s", { name: client.name })} checked=${chosen.has(client.id)} onChange=${change} /> `}
    ${facts.has(client.id) ? html`<a href=${`/a/${client.number}`}>${client.name}</a>` : client.name}
    <br /><small>${[client.number, clientOrganizationNumber].filter(Boolean).join(" · ")}</small>
    ${client.ownerEmail && html`<br /><small>${client.ownerEmail}</small>`}
  `;
}

function StatusCell({ engagement, fact }) {
  const { status, expiresAt, endedAt } = engagement;
  return html`
    <span class="status">${statusText(status)}</span>
    ${expiresAt && html`<br /><small>${translate("Can be answered until %(date)s", { date: formatDate(expiresAt) })}</small>`}
    ${endedAt && html`<br /><small>${formatDate(endedAt)}</small>`}
    ${fact && fact.status !== "ACTIVE" && html`<br /><span class="status">${statusText(fact.status)}</span>`}
    ${fact?.subscription && html`<br /><small>${translatePlural("%(n)d day left", "%(n)d days left", fact.subscription.daysLeft)}</small>`}
  `;
}

function ConsultantsCell({ engagement }) {
  const { consultants, status, consultantPermissions } = engagement;
  if (status !== "ACTIVE" || !consultants) return null;
  if (!consultants.length) return html`<strong>${translate("No consultant")}</strong>`;
  return html`${consultants.map(
      ({ id, user, status: grantStatus, validUntil }) =>
        html`<div key=${id}>
          ${user.name} ${grantStatus !== "ACTIVE" && html`<span class="status">${statusText(grantStatus)}</span>`}
          ${validUntil && html` <small>${translate("until %(date)s", { date: formatDate(validUntil) })}</small>`}
        </div>`,
    )}
    ${consultantPermissions && html`<small>${translatePlural("The client gives each consultant %(n)d permission", "The client gives each consultant %(n)d permissions", consultantPermissions.length)}</small>`}`;
}

function Actions({ account, engagement, fact }) {
  const { client, status } = engagement;
  if (status === "PENDING") return html`<${AnswerButtons} account=${account} engagement=${engagement} other=${client} canSeeOther=${Boolean(fact)} />`;
  // Whether a client has activated its account is shown to those who can enter it. The bureau decides about it also after the engagement.
  const mayBePending = fact ? fact.status === "PENDING_ACTIVATION" : status === "ACTIVE" || status === "ENDED";
  return html`<div class="buttons">
    ${status === "ACTIVE" &&
    html`
      <${AssignButton} account=${account} clients=${[[client.id, client.name]]} label=${translate("Assign")} isSingle />
      ${engagement.consultants?.length > 0 && html`<${UnassignButton} account=${account} clients=${[[client.id, client.name]]} grants=${engagement.consultants} label=${translate("Unassign")} isSingle />`}
      ${fact && html`<${ExtendButton} account=${account} client=${client} />`}
    `}
    ${mayBePending && html`<${ActivationButton} account=${account} client=${client} />`}
    ${status === "ACTIVE" && html`<${EndEngagementButton} account=${account} engagement=${engagement} other=${client} isBureau />`}
  </div>`;
}
