// The event log of an account: what happened, when, by whom, and what changed.

import { List } from "../components/list.js";
import { usePermissionText } from "../components/roles.js";
import { statusText } from "../components/status.js";
import { roleName } from "../core/decisions.js";
import { formatDay, formatInstant, formatNumber } from "../core/formats.js";
import { useQuery } from "../core/query.js";
import { setParameters } from "../core/router.js";
import { translate } from "../core/texts.js";
import { html } from "../core/view.js";
import { eventGroups, eventText, factText } from "./event-texts.js";

const WORKSPACE_GROUPS = ["account:contact", "account:product", "account:document", "account:expense", "account:export"];

export default function EventsPage({ account }) {
  const canReadUsers = account.decisions.USERS_READ?.allowed;
  const { data } = useQuery("AccountPeople", { number: account.number, search: null }, { skip: !canReadUsers });
  const people = data?.account?.grants?.nodes ?? [];
  const hasWorkspace = account.decisions.DOCUMENTS_READ !== undefined;
  const groups = eventGroups().filter(([beginning]) => hasWorkspace || !WORKSPACE_GROUPS.includes(beginning));
  // A user has a grant for each time that they got access.
  const names = new Map(people.map(({ user }) => [user.id, user.name]));
  const filters = [
    { name: "type", label: translate("Event"), options: groups },
    ...(canReadUsers ? [{ name: "person", label: translate("By"), options: [...names] }] : []),
    { name: "from", label: translate("From"), type: "date" },
    { name: "to", label: translate("Until"), type: "date" },
  ];
  const columns = [
    { title: translate("Time"), cell: ({ occurredAt }) => formatInstant(occurredAt) },
    { title: translate("Event"), cell: (/** @type {any} */ event) => html`${eventText(event.type)}<${Details} event=${event} />` },
    { title: translate("By"), cell: (/** @type {any} */ event) => html`<${Actor} event=${event} canFilter=${names.has(event.actor?.id)} />` },
    { title: translate("Changes"), cell: (/** @type {any} */ event) => html`<${Changes} event=${event} />` },
  ];
  return html`
    <h1 tabindex="-1">${translate("Events")}</h1>
    <${List}
      operation="AccountEventList"
      label=${translate("Events")}
      variables=${(/** @type {any} */ state) => ({ number: account.number, filter: filterOf(state) })}
      connection=${(/** @type {any} */ answer) => answer.account?.events}
      columns=${columns}
      filters=${filters}
      empty=${translate("Nothing has happened in the account yet.")}
    />
  `;
}

/** The filter of the graph. Days are those of the user's time zone, and the last one is included. */
function filterOf({ type, person, from, to }) {
  const startOf = (/** @type {string} */ day, /** @type {number} */ daysLater) => {
    const start = new Date(`${day}T00:00`);
    // The address can have any text.
    if (Number.isNaN(start.getTime())) return null;
    start.setDate(start.getDate() + daysLater);
    return start.toISOString();
  };
  return { type: type || null, actorId: person || null, since: from ? startOf(from, 0) : null, until: to ? startOf(to, 1) : null };
}

function Actor({ event, canFilter }) {
  const { actor, actorRole, type, withheld } = event;
  const role = actorRole && html`<br /><small>${roleName(actorRole)}</small>`;
  if (actor) {
    const choose = () => setParameters({ person: actor.id });
    const name = canFilter
      ? html`<button type="button" class="link" aria-label=${translate("Only events of %(name)s", { name: actor.name })} onClick=${choose}>${actor.name}</button>`
      : actor.name;
    return html`${name}${role}`;
  }
  if (withheld.includes("actor")) return html`${translate("A user whom you may not see")}${role}`;
  return html`${type.startsWith("operator:") ? translate("The operator") : translate("The system")}${role}`;
}

// ---- Before and after ----------------------------------------------------------------------------

/** What changed, one line for each fact. References to other objects are in the details. @param {{ event: any }} properties */
export function Changes({ event }) {
  const permissionText = usePermissionText();
  const before = event.before ?? {};
  const after = event.after ?? {};
  const names = [...new Set([...Object.keys(before), ...Object.keys(after)])].filter((name) => isShown(before[name]) || isShown(after[name]));
  const cut = event.withheld.filter((/** @type {string} */ name) => name !== "actor" && name !== "ipAddress");
  const write = (/** @type {string} */ name, /** @type {unknown} */ value) => valueText(name, value, permissionText);
  if (!names.length && !cut.length) return null;
  return html`<ul class="changes">
    ${names.map(
      (name) => html`<li key=${name}>
        <small>${factText(name)}:</small>${" "}
        ${name in before && name in after
          ? html`<del>${write(name, before[name])}</del> <span aria-hidden="true">→</span> <ins>${write(name, after[name])}</ins>`
          : name in before
            ? html`<del>${write(name, before[name])}</del>`
            : write(name, after[name])}
      </li>`,
    )}
    ${cut.length > 0 && html`<li><small>${translate("You may not see: %(names)s.", { names: cut.map(factText).join(", ") })}</small></li>`}
  </ul>`;
}

const isReference = (/** @type {unknown} */ value) => typeof value === "string" && /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(value);
const isEmpty = (/** @type {unknown} */ value) => value === null || value === undefined || value === "" || (Array.isArray(value) && value.length === 0);
const isShown = (/** @type {unknown} */ value) => !isEmpty(value) && !isReference(value);

/** A value of an event in words. */
function valueText(name, value, permissionText) {
  if (isEmpty(value)) return translate("None");
  if (value === true) return translate("Yes");
  if (value === false) return translate("No");
  if (typeof value === "number") return /number/.test(name) ? String(value) : formatNumber(value);
  if (Array.isArray(value)) return value.map((entry) => (typeof entry === "string" ? permissionText(entry) : JSON.stringify(entry))).join(" ");
  if (typeof value !== "string") return JSON.stringify(value);
  if (/^\d{4}-\d{2}-\d{2}$/.test(value)) return formatDay(value);
  if (/^\d{4}-\d{2}-\d{2}T/.test(value)) return formatInstant(value);
  if (name === "role") return roleName(value);
  if (name === "status") return statusText(value);
  if (name === "kind") return kindText(value);
  return value;
}

function kindText(kind) {
  if (kind === "BUSINESS") return translate("Business");
  if (kind === "BUREAU") return translate("Bureau");
  return kind;
}

/** What few readers need: the type, the address, the request, and references. */
function Details({ event }) {
  const references = Object.entries({ ...event.before, ...event.after }).filter(([, value]) => isReference(value));
  const rows = [
    [translate("Type"), event.type],
    [translate("IP address"), event.ipAddress ?? (event.withheld.includes("ipAddress") ? translate("You may not see it") : null)],
    [translate("Request"), event.requestId],
    ...references.map(([name, value]) => [factText(name), value]),
  ];
  const description = `${translate("Details")}: ${eventText(event.type)}, ${formatInstant(event.occurredAt)}`;
  return html`<details>
    <summary aria-label=${description}><small>${translate("Details")}</small></summary>
    <small>${rows.filter(([, value]) => value).map(([label, value]) => html`${label}: <code>${value}</code><br />`)}</small>
  </details>`;
}
