// Forms: one run at a time, errors at their fields, and progress on the button.

import { translate } from "../core/texts.js";
import { createContext, html, useContext, useEffect, useId, useLayoutEffect, useRef, useState } from "../core/view.js";
import { reloadAll } from "../core/query.js";

/** The errors of the form by the name of the field. @type {import("preact").Context<Record<string, string>>} */
export const FieldErrors = createContext(/** @type {Record<string, string>} */ ({}));

/**
 * A form. `run` gets the values by name and returns a payload with `errors`; `onDone` gets the payload without errors.
 *
 * An error belongs to the field that the last name of its path has; `fields` maps other names to names of fields.
 * @param {{ submit: string, run: (values: Record<string, any>) => Promise<any>, onDone?: (payload: any) => void, cancel?: () => void, kind?: string, fields?: Record<string, string>, children?: any, note?: any }} properties
 */
export function Form({ submit, run, onDone, cancel, kind = "", fields = {}, children, note }) {
  const element = useRef(/** @type {HTMLFormElement | null} */ (null));
  const [isRunning, setRunning] = useState(false);
  const [errors, setErrors] = useState(/** @type {{ byField: Record<string, string>, general: string[] }} */ ({ byField: {}, general: [] }));

  useEffect(() => {
    const invalid = element.current?.querySelector('[aria-invalid="true"]');
    if (invalid instanceof HTMLElement) invalid.focus();
    // The button of a long form can be far from its errors.
    else if (errors.general.length || Object.keys(errors.byField).length) element.current?.querySelector(".problem")?.scrollIntoView({ block: "nearest" });
  }, [errors]);

  const onSubmit = async (/** @type {SubmitEvent} */ event) => {
    event.preventDefault();
    const form = element.current;
    if (isRunning || !form) return;
    setRunning(true);
    setErrors({ byField: {}, general: [] });
    try {
      const payload = await run(readValues(form));
      if (payload?.errors?.length) setErrors(assignErrors(payload.errors, form, fields));
      else {
        onDone?.(payload);
        reloadAll();
      }
    } catch (error) {
      console.error(error);
      setErrors({ byField: {}, general: [translate("Something went wrong on this page. Load it again.")] });
    } finally {
      setRunning(false);
    }
  };

  return html`<form ref=${element} novalidate onSubmit=${onSubmit} aria-busy=${isRunning}>
    <div role="alert">${errors.general.map((message) => html`<p class="problem">${message}</p>`)}</div>
    <${FieldErrors.Provider} value=${errors.byField}>${children}<//>
    <div class="actions">
      <button type="submit" class=${`primary ${kind}`} aria-disabled=${isRunning}>${isRunning ? translate("One moment…") : submit}</button>
      ${cancel && html`<button type="button" onClick=${cancel}>${translate("Cancel")}</button>`}
    </div>
    ${note}
  </form>`;
}

/**
 * A labelled field. `children` are the options of a select; `type` can be "select", "textarea" or "checkbox".
 * @param {{ name: string, label: any, type?: string, hint?: any, value?: any, children?: any, [attribute: string]: any }} properties
 */
export function Field({ name, label, type = "text", hint, value, children, ...attributes }) {
  const id = useId();
  const error = useContext(FieldErrors)[name];
  const described = [error && `${id}-error`, hint && `${id}-hint`].filter(Boolean).join(" ") || undefined;
  const common = { id, name, "aria-invalid": error ? "true" : undefined, "aria-describedby": described, ...attributes };
  const notes = html`${hint && html`<small id=${`${id}-hint`}>${hint}</small>`}${error && html`<small id=${`${id}-error`} class="problem">${error}</small>`}`;
  if (type === "checkbox")
    return html`<div class="field choice"><input type="checkbox" ...${common} defaultChecked=${Boolean(value)} /><label for=${id}>${label}</label>${notes}</div>`;
  return html`<div class="field">
    <label for=${id}>${label}</label>
    ${type === "select"
      ? html`<${Select} ...${common} value=${value}>${children}<//>`
      : type === "textarea"
        ? html`<textarea rows="4" ...${common} defaultValue=${value ?? ""}></textarea>`
        : html`<input type=${type} ...${common} defaultValue=${value ?? ""} />`}
    ${notes}
  </div>`;
}

/**
 * Checkboxes of one name: the value is the list of those that are checked.
 * @param {{ name: string, label: any, options: [string, any][], values?: string[], hint?: any }} properties
 */
export function Choices({ name, label, options, values = [], hint }) {
  const id = useId();
  const error = useContext(FieldErrors)[name];
  return html`<fieldset aria-describedby=${error ? `${id}-error` : undefined}>
    <legend>${label}</legend>
    ${hint && html`<small>${hint}</small>`}
    ${error && html`<small id=${`${id}-error`} class="problem">${error}</small>`}
    ${options.map(
      ([value, text]) => html`<div key=${value} class="field choice">
        <input type="checkbox" id=${`${id}-${value}`} name=${name} value=${value} defaultChecked=${values.includes(value)} /><label for=${`${id}-${value}`}>${text}</label>
      </div>`,
    )}
  </fieldset>`;
}

/** A select. Its value is set until the user chooses: its options can arrive later, and a later render must not undo a choice. */
function Select({ value, children, onChange, ...attributes }) {
  const element = useRef(/** @type {HTMLSelectElement | null} */ (null));
  const isChosen = useRef(false);
  useLayoutEffect(() => {
    isChosen.current = false;
  }, [value]);
  useLayoutEffect(() => {
    if (element.current && value !== undefined && !isChosen.current) element.current.value = value;
  });
  const choose = (/** @type {Event} */ event) => {
    isChosen.current = true;
    onChange?.(event);
  };
  return html`<select ref=${element} ...${attributes} onChange=${choose}>${children}</select>`;
}

/** The values by name. A checkbox is true or false; several checkboxes of one name with values are a list. @param {HTMLFormElement} form */
function readValues(form) {
  /** @type {Record<string, any>} */
  const values = {};
  for (const control of form.elements) {
    if (!(control instanceof HTMLInputElement || control instanceof HTMLSelectElement || control instanceof HTMLTextAreaElement) || !control.name) continue;
    const isChoice = control instanceof HTMLInputElement && (control.type === "checkbox" || control.type === "radio");
    if (!isChoice) values[control.name] = control.type !== "password" ? control.value.trim() : control.value;
    else if (control.type === "radio") values[control.name] = control.checked ? control.value : (values[control.name] ?? "");
    else if (control.hasAttribute("value")) values[control.name] = [...(values[control.name] ?? []), ...(control.checked ? [control.value] : [])];
    else values[control.name] = control.checked;
  }
  return values;
}

/** @param {import("../core/query.js").UserError[]} userErrors @param {HTMLFormElement} form @param {Record<string, string>} fields */
function assignErrors(userErrors, form, fields) {
  /** @type {Record<string, string>} */
  const byField = {};
  const general = [];
  for (const { field, message } of userErrors) {
    const names = (field ?? []).map((part) => fields[part] ?? part);
    const name = names.findLast((part) => form.elements.namedItem(part));
    if (name) byField[name] = byField[name] ? `${byField[name]} ${message}` : message;
    else general.push(message);
  }
  return { byField, general };
}
