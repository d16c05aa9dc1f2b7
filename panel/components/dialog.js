// Dialogs. The element <dialog> keeps the focus inside and closes with Escape.

import { viewAs } from "../core/account.js";
import { useStore } from "../core/store.js";
import { translate } from "../core/texts.js";
import { html, useEffect, useId, useRef, useState } from "../core/view.js";
import { Form } from "./form.js";

/** What a change that needs no permission is. It still cannot be made while the account is viewed as another user. */
const ALLOWED = { allowed: true, explanation: "" };

/** The name of a button that stands once for each entry of a list: its text, and the entry. @param {string} label @param {string} name */
export const describeButton = (label, name) => translate("%(label)s: %(name)s", { label, name });

/** A dialog that is open as long as it is rendered. @param {{ title: string, onClose: () => void, children?: any }} properties */
export function Dialog({ title, onClose, children }) {
  const element = useRef(/** @type {HTMLDialogElement | null} */ (null));
  const titleId = useId();
  useEffect(() => {
    const opener = document.activeElement;
    element.current?.showModal();
    return () => {
      if (opener instanceof HTMLElement) opener.focus();
    };
  }, []);
  const cancel = (/** @type {Event} */ event) => {
    event.preventDefault();
    onClose();
  };
  // A browser can close a dialog without asking: at a second Escape, for example.
  return html`<dialog ref=${element} aria-labelledby=${titleId} onCancel=${cancel} onClose=${onClose}>
    <div class="head">
      <h2 id=${titleId}>${title}</h2>
      <button type="button" class="quiet" aria-label=${translate("Close")} onClick=${onClose}>✕</button>
    </div>
    ${children}
  </dialog>`;
}

/**
 * A button that opens a dialog. `children` is a function that gets `close` and returns the content. With `can` it is
 * disabled, with the reason, if the decision is no, and while the account is viewed as another user.
 * @param {{ label: string, title?: string, kind?: string, can?: any, children: (close: () => void) => any, description?: string }} properties
 */
export function DialogButton({ label, title = label, kind = "", can, children, description }) {
  const [isOpen, setOpen] = useState(false);
  const reasonId = useId();
  const close = () => setOpen(false);
  const isViewing = useStore(viewAs) !== null;
  const isRefused = can && (isViewing || !can.allowed);
  const reason = isViewing ? translate("Nothing can be changed while you see the account as another user.") : can?.explanation;
  return html`<button
      type="button"
      class=${kind}
      disabled=${isRefused}
      title=${isRefused ? reason : undefined}
      aria-label=${description}
      aria-describedby=${isRefused ? reasonId : undefined}
      onClick=${() => setOpen(true)}
    >
      ${label}
    </button>
    ${isRefused && html`<span id=${reasonId} class="reason">${reason}</span>`}
    ${isOpen && html`<${Dialog} title=${title} onClose=${close}>${children(close)}<//>`}`;
}

/**
 * A button for a destructive change. It asks first and says what will happen.
 * @param {{ label: string, title?: string, consequence: any, run: (values: any) => Promise<any>, onDone?: (payload: any) => void, can?: any, children?: any, description?: string }} properties
 */
export function ConfirmButton({ label, title = label, consequence, run, onDone, can, children, description }) {
  return html`<${DialogButton} label=${label} title=${title} kind="danger" can=${can ?? ALLOWED} description=${description}>
    ${(/** @type {() => void} */ close) => html`
      <p>${consequence}</p>
      <${Form}
        submit=${label}
        kind="danger"
        run=${run}
        cancel=${close}
        onDone=${(/** @type {any} */ payload) => {
          close();
          onDone?.(payload);
        }}
      >
        ${children}
      <//>
    `}
  <//>`;
}
