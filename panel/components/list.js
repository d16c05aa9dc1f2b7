// Lists: search, filters, paging, and states for loading, errors and no entries. Their state is in the address.

import { address, setParameters } from "../core/router.js";
import { useStore } from "../core/store.js";
import { translate, translatePlural } from "../core/texts.js";
import { useQuery } from "../core/query.js";
import { html, useEffect, useId, useState } from "../core/view.js";
import { Problem } from "./problem.js";

const PAGE_SIZE = 25;
const SEARCH_MILLISECONDS = 250;

/**
 * A list of a connection.
 *
 * `operation` takes `$first` and `$after` and the variables that `variables` makes from the search and filters.
 * `connection` finds the connection in the data, null if the viewer may not read it. `columns` are `{ title, cell, isNumber }`.
 * `filters` are `{ name, label, options: [value, label][] }` or `{ name, label, type: "date" }`; `all` is the text of the empty choice, `isOrder` says that it hides no entry.
 * A filter with a `view` renders itself, from `{ label, value, onChange }`.
 * `onNodes` is called with the entries that are shown, after each change of them. `prefix` keeps the parameters of two lists in one page apart.
 * @param {{ operation: string, variables?: (state: Record<string, string>) => Record<string, any>, connection: (data: any) => any, columns: any[], label: string, empty: any, hasSearch?: boolean, filters?: any[], prefix?: string, keyOf?: (node: any) => string, actions?: any, onNodes?: (nodes: any[]) => void }} properties
 */
export function List({ operation, variables = () => ({}), connection, columns, label, empty, hasSearch = false, filters = [], prefix = "", keyOf = (node) => node.id, actions, onNodes }) {
  const { query } = useStore(address);
  const names = [...(hasSearch ? ["search"] : []), ...filters.map(({ name }) => name)];
  const state = Object.fromEntries(names.map((name) => [name, query.get(prefix + name) ?? ""]));
  const stateKey = JSON.stringify(state);
  const [pages, setPages] = useState(/** @type {{ stateKey: string, cursors: (string | null)[] }} */ ({ stateKey, cursors: [null] }));
  // Another search or filter begins with its first page, and so does a return to the former one.
  useEffect(() => setPages({ stateKey, cursors: [null] }), [stateKey]);
  const cursors = pages.stateKey === stateKey ? pages.cursors : [null];
  const setCursors = (/** @type {(string | null)[]} */ newCursors) => setPages({ stateKey, cursors: newCursors });
  const { data, problem, isLoading, isStale, reload } = useQuery(operation, { first: PAGE_SIZE, after: cursors.at(-1), ...variables(state) });
  const list = data && connection(data);
  const change = (/** @type {string} */ name, /** @type {string} */ value) => setParameters({ [prefix + name]: value });
  const isFiltered = names.some((name) => state[name] && !filters.find((filter) => filter.name === name)?.isOrder);
  useEffect(() => {
    if (list) onNodes?.(list.nodes);
  }, [data]);

  return html`<section class="list" aria-label=${label} aria-busy=${isLoading}>
    ${(names.length > 0 || actions) &&
    html`<div class="toolbar">
      ${hasSearch && html`<${Search} value=${state.search ?? ""} onChange=${(/** @type {string} */ value) => change("search", value)} />`}
      ${filters.map((filter) => html`<${Filter} ...${filter} value=${state[filter.name]} onChange=${(/** @type {string} */ value) => change(filter.name, value)} />`)}
      ${actions}
    </div>`}
    ${problem && html`<${Problem} problem=${problem} retry=${reload} />`}
    ${!data && isLoading && html`<p class="loading">${translate("Loading…")}</p>`}
    ${data && !list && html`<p class="empty">${translate("You may not see this list.")}</p>`}
    ${list && list.nodes.length === 0 && !isStale && html`<div class="empty">${isFiltered ? translate("No entry matches the search.") : empty}</div>`}
    ${list && list.nodes.length > 0 && html`<${Table} label=${label} columns=${columns} nodes=${list.nodes} keyOf=${keyOf} />`}
    ${list &&
    html`<nav class="paging" aria-label=${translate("Pages of the list: %(name)s", { name: label })}>
      ${list.totalCount !== undefined &&
      html`<span role="status">${translatePlural("%(n)d entry", "%(n)d entries", list.totalCount)}${list.totalCountIsCapped ? "+" : ""}</span>`}
      ${cursors.length > 1 && html`<button type="button" onClick=${() => setCursors(cursors.slice(0, -1))}>${translate("Previous page")}</button>`}
      ${list.pageInfo.hasNextPage && html`<button type="button" onClick=${() => setCursors([...cursors, list.pageInfo.endCursor])}>${translate("Next page")}</button>`}
    </nav>`}
  </section>`;
}

/** A table that becomes a list of cards on a phone. A wide one scrolls sideways by itself. @param {{ label: string, columns: any[], nodes: any[], keyOf: (node: any) => string }} properties */
export function Table({ label, columns, nodes, keyOf }) {
  return html`<div class="scroll"><table>
    <caption class="visually-hidden">${label}</caption>
    <thead><tr>${columns.map(({ title, isNumber }) => html`<th scope="col" class=${isNumber ? "number" : ""}>${title}</th>`)}</tr></thead>
    <tbody>
      ${nodes.map(
        (node) => html`<tr key=${keyOf(node)}>
          ${columns.map(({ title, cell, isNumber }) => html`<td data-label=${title} class=${isNumber ? "number" : ""}><div>${cell(node)}</div></td>`)}
        </tr>`,
      )}
    </tbody>
  </table></div>`;
}

function Search({ value, onChange }) {
  const id = useId();
  const [text, setText] = useState(value);
  useEffect(() => setText(value), [value]);
  useEffect(() => {
    if (text === value) return undefined;
    const timer = setTimeout(() => onChange(text), SEARCH_MILLISECONDS);
    return () => clearTimeout(timer);
  }, [text]);
  return html`<div class="field">
    <label for=${id}>${translate("Search")}</label>
    <input id=${id} type="search" value=${text} onInput=${(/** @type {any} */ event) => setText(event.target.value)} />
  </div>`;
}

function Filter({ label, options, type, value, onChange, all = translate("All"), view }) {
  const id = useId();
  if (view) return view({ label, value, onChange });
  if (type)
    return html`<div class="field">
      <label for=${id}>${label}</label>
      <input id=${id} type=${type} value=${value} onChange=${(/** @type {any} */ event) => onChange(event.target.value)} />
    </div>`;
  return html`<div class="field">
    <label for=${id}>${label}</label>
    <select id=${id} value=${value} onChange=${(/** @type {any} */ event) => onChange(event.target.value)}>
      <option value="">${all}</option>
      ${options.map(([name, text]) => html`<option value=${name}>${text}</option>`)}
    </select>
  </div>`;
}
