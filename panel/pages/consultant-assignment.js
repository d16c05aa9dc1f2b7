// Changes of a consultant's clients, many at once: assign, unassign, replace. Each client has its own outcome.

import { DialogButton } from "../components/dialog.js";
import { Field, Form } from "../components/form.js";
import { whileClosing } from "../components/roles.js";
import { statusText } from "../components/status.js";
import { execute, NetworkError } from "../core/graph.js";
import { endOfDay } from "../core/formats.js";
import { createIdempotencyKey, mutate, reloadAll, useQuery } from "../core/query.js";
import { translate, translatePlural } from "../core/texts.js";
import { html, useEffect, useId, useRef, useState } from "../core/view.js";
import { PermissionChoices, permissionErrors } from "./permission-choices.js";

/** The most clients that one call can name. */
const CLIENTS_PER_CALL = 100;
/** Calls without a change after which the loop gives up. The same input goes on later. */
const MAX_IDLE_CALLS = 3;

/** @typedef {{ doneCount: number, refusedCount: number, remainingCount: number }} Progress */

/**
 * Assigns a consultant to the chosen clients, or to all. `clients` are pairs of id and name.
 * @param {{ account: any, clients: [string, string][], label?: string, isSingle?: boolean }} properties
 */
export function AssignButton({ account, clients, label = translate("Assign a consultant"), isSingle = false }) {
  const title = isSingle ? translate("Assign a consultant to %(name)s", { name: clients[0]?.[1] }) : label;
  const readInput = ({ userId, permissions, validUntil }) => ({ userId, permissions: permissions?.length ? permissions : null, validUntil: endOfDay(validUntil) });
  return html`<${DialogButton} label=${label} title=${title} description=${isSingle ? title : undefined} can=${account.decisions.USERS_WRITE}>
    ${(/** @type {() => void} */ close) => html`
      <${BulkForm} operation="AssignConsultant" submit=${translate("Assign")} account=${account} clients=${clients} isSingle=${isSingle} readInput=${readInput} close=${close}>
        <${PersonField} account=${account} name="userId" label=${translate("Consultant")} />
        <details>
          <summary>${translate("Permissions and end of the access")}</summary>
          <${PermissionChoices}
            legend=${translate("Permissions at each client")}
            hint=${translate("Without a choice: all that the client gives, otherwise the consultant waits for the client. In accounts that the client has not activated, your choice counts at once.")}
          />
          <${Field} name="validUntil" label=${translate("Until")} type="date" hint=${translate("The last day of the access. Empty: no end.")} />
        </details>
      <//>
    `}
  <//>`;
}

/**
 * Unassigns a consultant from the chosen clients, or from all.
 * @param {{ account: any, clients: [string, string][], grants?: any[], label?: string, isSingle?: boolean }} properties
 */
export function UnassignButton({ account, clients, grants, label = translate("Unassign a consultant"), isSingle = false }) {
  const title = isSingle ? translate("Unassign a consultant from %(name)s", { name: clients[0]?.[1] }) : label;
  return html`<${DialogButton} label=${label} title=${title} kind="danger" description=${isSingle ? title : undefined} can=${whileClosing(account.decisions.USERS_WRITE)}>
    ${(/** @type {() => void} */ close) => html`
      <p>${translate("The access of the consultant to these clients ends at once.")}</p>
      <${BulkForm} operation="UnassignConsultant" submit=${translate("Unassign")} kind="danger" account=${account} clients=${clients} isSingle=${isSingle} readInput=${({ userId }) => ({ userId })} close=${close}>
        ${grants
          ? html`<${Field} name="userId" label=${translate("Consultant")} type="select" required>${grants.map(({ user }) => html`<option key=${user.id} value=${user.id}>${user.name}</option>`)}<//>`
          : html`<${PersonField} account=${account} name="userId" label=${translate("Consultant")} />`}
      <//>
    `}
  <//>`;
}

/** Moves all clients of a consultant, who may have left the bureau, to another one. @param {{ account: any, user: any }} properties */
export function ReplaceButton({ account, user }) {
  const title = translate("Move the clients of %(name)s", { name: user.name });
  return html`<${DialogButton} label=${translate("Move the clients")} title=${title} description=${title} can=${account.decisions.USERS_WRITE}>
    ${(/** @type {() => void} */ close) => html`
      <p>${translate("All clients of %(name)s get another consultant. The access of %(name)s to them ends at once.", { name: user.name })}</p>
      <p><small>${translate("If %(name)s has left the bureau, these are the clients that have had no consultant since. Permissions move as far as you or the client can give them. Otherwise the new consultant waits for the client. Clients that the new consultant has already stay as they are: there, unassign %(name)s.", { name: user.name })}</small></p>
      <${BulkForm} operation="ReplaceConsultant" submit=${translate("Move all clients")} account=${account} readInput=${({ toUserId }) => ({ fromUserId: user.id, toUserId })} close=${close}>
        <${PersonField} account=${account} name="toUserId" label=${translate("New consultant")} exceptId=${user.id} />
      <//>
    `}
  <//>`;
}

/**
 * A form that changes many clients. It calls until no client remains. After a failure the same values go on where it stopped.
 * @param {{ operation: string, submit: string, account: any, readInput: (values: any) => any, close: () => void, clients?: [string, string][], isSingle?: boolean, kind?: string, children?: any }} properties
 */
function BulkForm({ operation, submit, account, clients, isSingle = false, readInput, close, kind = "", children }) {
  // The clients of the moment when the dialog was opened: a choice that others change must not change the input of a running call.
  const fixed = useRef(clients).current;
  const keys = useRef(/** @type {Map<string, string>} */ (new Map())).current;
  const isClosed = useRef(false);
  const [names, setNames] = useState(/** @type {Map<string, string>} */ (new Map(fixed)));
  const [state, setState] = useState(/** @type {{ progress: Progress, outcomes: Map<string, any> } | null} */ (null));
  const [isDone, setDone] = useState(false);
  useEffect(
    () => () => {
      isClosed.current = true;
      // A dialog that was closed on the way has changed some clients.
      reloadAll();
    },
    [],
  );
  const run = async (/** @type {any} */ values) => {
    const common = { bureauAccountId: account.id, ...readInput(values) };
    const inputs = makeInputs(common, fixed, values.scope === "ALL");
    if (!inputs.length) return { errors: [{ code: "REQUIRED", field: ["scope"], message: translate("Choose clients in the list first, or all clients.") }] };
    const payload = await runAll(operation, inputs, keys, setState, () => isClosed.current);
    if (!isClosed.current) setNames(await findNames(account.number, payload.outcomes, names));
    return payload;
  };
  const scope =
    fixed && !isSingle
      ? html`<${Field} name="scope" label=${translate("Clients")} type="select" value=${fixed.length ? "CHOSEN" : ""}>
          ${fixed.length > 0
            ? html`<option value="CHOSEN">${translatePlural("The %(n)d chosen client", "The %(n)d chosen clients", fixed.length)}</option>`
            : html`<option value="">${translate("No client is chosen in the list")}</option>`}
          <option value="ALL">${translate("All clients of the bureau")}</option>
        <//>`
      : null;
  return html`
    ${!isDone &&
    html`<${Form} submit=${state ? translate("Go on") : submit} kind=${kind} run=${run} cancel=${close} onDone=${() => setDone(true)} fields=${permissionErrors}>
      ${scope}${children}
    <//>`}
    ${state && html`<${BulkOutcome} ...${state} names=${names} />`}
    ${isDone
      ? html`<div class="actions"><button type="button" class="primary" onClick=${close}>${translate("Close")}</button></div>`
      : !isSingle && html`<p><small>${translate("If you close this window on the way, the remaining clients stay as they are.")}</small></p>`}
  `;
}

/** The inputs of the calls: all clients at once, or as many as a call can name. @param {any} common @param {[string, string][] | undefined} clients @param {boolean} isAll */
function makeInputs(common, clients, isAll) {
  if (!clients) return [common];
  if (isAll) return [{ ...common, clientAccountIds: [], allClients: true }];
  const inputs = [];
  for (let start = 0; start < clients.length; start += CLIENTS_PER_CALL)
    inputs.push({ ...common, clientAccountIds: clients.slice(start, start + CLIENTS_PER_CALL).map(([id]) => id) });
  return inputs;
}

/** Call with each input until no client remains. The same input has the same key, so that it goes on after a failure. */
async function runAll(operation, inputs, keys, onProgress, isStopped) {
  const outcomes = new Map();
  let total = { doneCount: 0, refusedCount: 0, remainingCount: 0 };
  for (const [index, input] of inputs.entries()) {
    const text = JSON.stringify(input);
    if (!keys.has(text)) keys.set(text, createIdempotencyKey());
    const former = total;
    const laterCount = inputs.slice(index + 1).reduce((count, { clientAccountIds }) => count + clientAccountIds.length, 0);
    let remainingCount = 0;
    let idleCalls = 0;
    do {
      if (isStopped()) return { outcomes, errors: [] };
      const payload = await mutate(operation, { ...input, idempotencyKey: keys.get(text) });
      if (payload.errors.length) return { outcomes, errors: payload.errors };
      for (const outcome of payload.outcomes) outcomes.set(outcome.clientAccountId, outcome);
      remainingCount = payload.progress.remainingCount;
      const newTotal = addProgress(former, payload.progress, laterCount);
      idleCalls = newTotal.doneCount + newTotal.refusedCount === total.doneCount + total.refusedCount ? idleCalls + 1 : 0;
      total = newTotal;
      onProgress({ progress: total, outcomes: new Map(outcomes) });
    } while (remainingCount > 0 && idleCalls < MAX_IDLE_CALLS);
    if (remainingCount > 0) return { outcomes, errors: [{ code: "REMAINING", field: null, message: translate("Some clients could not be reached now. Go on in a moment.") }] };
  }
  return { outcomes, errors: [] };
}

/** `laterCount` is the number of clients of the inputs that follow. @param {Progress} former @param {Progress} progress @param {number} laterCount @returns {Progress} */
function addProgress(former, { doneCount, refusedCount, remainingCount }, laterCount) {
  return { doneCount: former.doneCount + doneCount, refusedCount: former.refusedCount + refusedCount, remainingCount: remainingCount + laterCount };
}

/** The names of all clients with an outcome: known ones, those of grants, otherwise those of the list. */
async function findNames(number, outcomes, known) {
  const names = new Map(known);
  for (const [id, { grant }] of outcomes) if (grant) names.set(id, grant.accountName);
  let after = null;
  try {
    while ([...outcomes.keys()].some((id) => !names.has(id))) {
      const { data } = await execute("ClientNames", { number, after });
      const page = data?.account?.engagements;
      for (const { client } of page?.nodes ?? []) names.set(client.id, client.name);
      if (!page?.pageInfo.hasNextPage) break;
      after = page.pageInfo.endCursor;
    }
  } catch (error) {
    if (!(error instanceof NetworkError)) throw error;
  }
  return names;
}

/** How far a change has come, and a line for each client: the refused ones first. @param {{ progress: Progress, outcomes: Map<string, any>, names: Map<string, string> }} properties */
function BulkOutcome({ progress, outcomes, names }) {
  const { doneCount, refusedCount, remainingCount } = progress;
  const lines = [...outcomes.values()];
  const refused = lines.filter(({ errors }) => errors.length);
  const done = lines.filter(({ errors }) => !errors.length);
  const nameOf = (/** @type {string} */ id) => names.get(id) ?? translate("Client");
  return html`<section aria-label=${translate("Outcome")}>
    <p role="status">
      ${translatePlural("%(n)d client changed.", "%(n)d clients changed.", doneCount)}${" "}
      ${refusedCount > 0 && translatePlural("%(n)d client refused.", "%(n)d clients refused.", refusedCount)}${" "}
      ${remainingCount > 0 && translatePlural("%(n)d client remains.", "%(n)d clients remain.", remainingCount)}
    </p>
    ${remainingCount > 0 && html`<progress max=${doneCount + refusedCount + remainingCount} value=${doneCount + refusedCount} aria-label=${translate("Progress")}></progress>`}
    <ul class="choices">
      ${refused.map(({ clientAccountId, errors }) => html`<li key=${clientAccountId}>${nameOf(clientAccountId)} <span class="problem">${errors.map(({ message }) => message).join(" ")}</span></li>`)}
      ${done.map(({ clientAccountId, grant }) => html`<li key=${clientAccountId}>${grant?.accountName ?? nameOf(clientAccountId)} <span>${grant ? statusText(grant.status) : translate("Done")}</span></li>`)}
    </ul>
  </section>`;
}

/** A choice of a person with access to the bureau. @param {{ account: any, name: string, label: string, exceptId?: string }} properties */
function PersonField({ account, name, label, exceptId }) {
  const searchId = useId();
  const [search, setSearch] = useState("");
  const { data } = useQuery("BureauPeopleNames", { number: account.number, filter: { status: ["ACTIVE"], search: search || null } });
  const list = data?.account?.grants;
  const people = (list?.nodes ?? []).filter((/** @type {any} */ { user }) => user.id !== exceptId);
  // Enter in the search must not send the form around it.
  const keep = (/** @type {KeyboardEvent} */ event) => event.key === "Enter" && event.preventDefault();
  return html`
    ${(search || list?.pageInfo.hasNextPage) &&
    html`<div class="field">
      <label for=${searchId}>${translate("Search")}</label>
      <input id=${searchId} type="search" value=${search} onKeyDown=${keep} onInput=${(/** @type {any} */ event) => setSearch(event.target.value)} />
    </div>`}
    <${Field} name=${name} label=${label} type="select" required>
      ${people.map((/** @type {any} */ { user }) => html`<option key=${user.id} value=${user.id}>${user.email ? `${user.name} (${user.email})` : user.name}</option>`)}
    <//>
  `;
}
