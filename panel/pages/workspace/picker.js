// A field that chooses one of many entries by a search. The value of the form is the id of the entry.

import { translate } from "../../core/texts.js";
import { useQuery } from "../../core/query.js";
import { html, useContext, useEffect, useId, useState } from "../../core/view.js";
import { FieldErrors } from "../../components/form.js";

const SEARCH_MILLISECONDS = 250;
const COUNT = 20;

/** @typedef {{ id: string, text: string, note?: string }} Choice */

/**
 * `operation` takes `$first` and a `$filter` with a `search`; `choices` makes a list of choices from its data. `value` and `text` are the entry that
 * is chosen at first. `onChoose` gets the id, which is empty if the user has removed the choice, and the entry.
 * @param {{ name?: string, label: any, operation: string, variables: Record<string, any>, filter?: Record<string, any>, choices: (data: any) => Choice[], value?: string, text?: string, hint?: any, onChoose?: (id: string, choice: Choice | undefined) => void }} properties
 */
export function Picker({ name, label, operation, variables, filter = {}, choices, value = "", text = "", hint, onChoose }) {
  const id = useId();
  const error = useContext(FieldErrors)[name ?? ""];
  const [choice, setChoice] = useState({ id: value, text });
  const [input, setInput] = useState(text);
  const [search, setSearch] = useState("");
  const [isOpen, setOpen] = useState(false);
  const [active, setActive] = useState(0);
  const wantedSearch = input === choice.text ? "" : input.trim();
  useEffect(() => {
    const timer = setTimeout(() => setSearch(wantedSearch), SEARCH_MILLISECONDS);
    return () => clearTimeout(timer);
  }, [wantedSearch]);
  const { data, problem, isLoading, isStale } = useQuery(operation, { ...variables, first: COUNT, filter: { ...filter, ...(search ? { search } : {}) } }, { skip: !isOpen });
  // Enter must not choose from the entries of a former search.
  const isCurrent = search === wantedSearch && !isLoading && !isStale;
  const entries = data ? choices(data) : [];
  useEffect(() => setActive(0), [search]);

  const choose = (/** @type {Choice | undefined} */ entry) => {
    setChoice({ id: entry?.id ?? "", text: entry?.text ?? "" });
    setInput(entry?.text ?? "");
    setOpen(false);
    if ((entry?.id ?? "") !== choice.id) onChoose?.(entry?.id ?? "", entry);
  };
  const close = () => {
    if (!isOpen) return;
    setOpen(false);
    if (input.trim()) setInput(choice.text);
    else choose(undefined);
  };
  const onKeyDown = (/** @type {KeyboardEvent} */ event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step && !isOpen) setOpen(true);
    else if (step && entries.length) setActive((active + step + entries.length) % entries.length);
    else if (event.key === "Enter" && isOpen) {
      if (isCurrent && entries[active]) choose(entries[active]);
    } else if (event.key === "Escape" && isOpen) close();
    else return;
    event.preventDefault();
  };
  const described = [error && `${id}-error`, hint && `${id}-hint`].filter(Boolean).join(" ") || undefined;

  return html`<div class="field">
    <label for=${id}>${label}</label>
    <input
      id=${id}
      type="search"
      role="combobox"
      autocomplete="off"
      placeholder=${translate("Search")}
      aria-expanded=${isOpen && entries.length > 0}
      aria-controls=${isOpen && entries.length ? `${id}-list` : undefined}
      aria-activedescendant=${isOpen && entries[active] ? `${id}-${active}` : undefined}
      aria-invalid=${error ? "true" : undefined}
      aria-describedby=${described}
      value=${input}
      onInput=${(/** @type {any} */ event) => {
        setInput(event.target.value);
        setOpen(true);
      }}
      onClick=${() => setOpen(true)}
      onBlur=${close}
      onKeyDown=${onKeyDown}
    />
    ${name && html`<input type="hidden" name=${name} value=${choice.id} />`}
    ${isOpen && problem && html`<small class="problem" role="alert">${problem}</small>`}
    ${isOpen && isCurrent && data && !entries.length && html`<small role="status">${translate("No entry matches the search.")}</small>`}
    ${isOpen &&
    entries.length > 0 &&
    html`<ul id=${`${id}-list`} role="listbox" aria-label=${label} class="choices card">
      ${entries.map(
        (entry, index) => html`<li id=${`${id}-${index}`} role="option" aria-selected=${index === active} onMouseDown=${(/** @type {Event} */ event) => event.preventDefault()} onClick=${() => choose(entry)}>
          ${entry.text} ${entry.note && html`<span>${entry.note}</span>`}
        </li>`,
      )}
    </ul>`}
    ${hint && html`<small id=${`${id}-hint`}>${hint}</small>`}${error && html`<small id=${`${id}-error`} class="problem">${error}</small>`}
  </div>`;
}
