// Switches to another account from every page: accounts by last use, with a search. Ctrl-K or ⌘K opens it.

import { navigate } from "../core/router.js";
import { translate } from "../core/texts.js";
import { roleName } from "../core/decisions.js";
import { useQuery } from "../core/query.js";
import { html, useEffect, useId, useState } from "../core/view.js";
import { Dialog } from "./dialog.js";

const SEARCH_MILLISECONDS = 200;
const COUNT = 20;

/** The button with the account's name, and its dialog. @param {{ frame: any }} properties */
export function QuickSwitch({ frame }) {
  const [isOpen, setOpen] = useState(false);
  useEffect(() => {
    const onKey = (/** @type {KeyboardEvent} */ event) => {
      if (event.key.toLowerCase() !== "k" || !(event.ctrlKey || event.metaKey) || document.querySelector("dialog")) return;
      event.preventDefault();
      setOpen(true);
    };
    document.addEventListener("keydown", onKey);
    return () => document.removeEventListener("keydown", onKey);
  }, []);
  return html`<button type="button" class="switch" aria-haspopup="dialog" onClick=${() => setOpen(true)}>
      ${frame ? frame.name : translate("Choose an account")} <span aria-hidden="true">▾</span>
    </button>
    ${isOpen && html`<${AccountDialog} onClose=${() => setOpen(false)} />`}`;
}

function AccountDialog({ onClose }) {
  const id = useId();
  const [text, setText] = useState("");
  const [search, setSearch] = useState("");
  const [active, setActive] = useState(0);
  // Enter can be pressed before the accounts of the last letters are there.
  const [isEntered, setEntered] = useState(false);
  useEffect(() => {
    const timer = setTimeout(() => setSearch(text.trim()), SEARCH_MILLISECONDS);
    return () => clearTimeout(timer);
  }, [text]);
  const { data, problem, isLoading, isStale } = useQuery("QuickSwitch", { first: COUNT, filter: search ? { search } : null }, { anyView: true });
  const accounts = data?.accounts?.nodes ?? [];
  const isUpToDate = text.trim() === search && !isStale;
  useEffect(() => setActive(0), [search]);
  useEffect(() => {
    document.getElementById(`${id}-${active}`)?.scrollIntoView({ block: "nearest" });
  }, [active]);
  const choose = (/** @type {any} */ account) => {
    onClose();
    navigate(`/a/${account.number}`);
  };
  useEffect(() => {
    if (!isEntered || !isUpToDate) return;
    setEntered(false);
    if (accounts[active]) choose(accounts[active]);
  }, [isEntered, isUpToDate]);
  const onInput = (/** @type {any} */ event) => {
    setEntered(false);
    setText(event.target.value);
  };
  const onKeyDown = (/** @type {KeyboardEvent} */ event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step && accounts.length) setActive((active + step + accounts.length) % accounts.length);
    else if (event.key === "Enter") setEntered(true);
    else return;
    event.preventDefault();
  };
  return html`<${Dialog} title=${translate("Switch to another account")} onClose=${onClose}>
    <div class="field">
      <label for=${id}>${translate("Name or number")}</label>
      <input
        id=${id}
        type="search"
        role="combobox"
        aria-expanded="true"
        aria-controls=${`${id}-list`}
        aria-activedescendant=${accounts[active] ? `${id}-${active}` : undefined}
        value=${text}
        autofocus
        onInput=${onInput}
        onKeyDown=${onKeyDown}
      />
    </div>
    ${problem && html`<p class="problem" role="alert">${problem}</p>`}
    ${!data && isLoading && html`<p class="loading">${translate("Loading…")}</p>`}
    ${!problem && !isLoading && !accounts.length && html`<p class="empty">${translate("No account matches the search.")}</p>`}
    <ul id=${`${id}-list`} role="listbox" aria-label=${translate("Accounts")} class="choices">
      ${accounts.map(
        (/** @type {any} */ account, /** @type {number} */ index) => html`<li id=${`${id}-${index}`} role="option" aria-selected=${index === active} onClick=${() => choose(account)}>
          <strong>${account.name}</strong> <span>${account.number}</span> <span>${account.viewerGrant ? roleName(account.viewerGrant.role) : ""}</span>
        </li>`,
      )}
    </ul>
  <//>`;
}
