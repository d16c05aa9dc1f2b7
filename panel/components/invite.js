// A button that invites people to an account: several addresses at once, with an outcome for each.

import { createIdempotencyKey, mutate, reloadAll } from "../core/query.js";
import { LOCALE_NAMES, translate, translatePlural } from "../core/texts.js";
import { html, useEffect, useRef, useState } from "../core/view.js";
import { DialogButton } from "./dialog.js";
import { Field, Form } from "./form.js";
import { newTerms, TERMS_FIELDS, TermsFields } from "./terms.js";

/** Refusals after which the other addresses are not tried: they would have the same outcome. */
const FATAL = ["REAUTHENTICATION_REQUIRED", "NETWORK", "VIEW_AS", "UNAUTHENTICATED", "SERVICE_UNAVAILABLE"];
/** @typedef {{ email: string, problem: string | null, code: string }} Outcome */

/** @param {{ account: any, label?: string, title?: string, kind?: string, email?: string, description?: string }} properties */
export function InviteButton({ account, label = translate("Invite people"), title = label, kind = "primary", email = "", description }) {
  return html`<${DialogButton} label=${label} title=${title} kind=${kind} can=${account.decisions.USERS_WRITE} description=${description}>
    ${(/** @type {() => void} */ close) => html`<${InviteForm} account=${account} email=${email} close=${close} />`}
  <//>`;
}

function InviteForm({ account, email, close }) {
  const [text, setText] = useState(email);
  const [outcomes, setOutcomes] = useState(/** @type {Outcome[]} */ ([]));
  const [progress, setProgress] = useState("");
  const keys = useRef(/** @type {Map<string, string>} */ (new Map()));
  const isOpen = useRef(true);
  useEffect(
    () => () => {
      isOpen.current = false;
    },
    [],
  );

  const inviteOne = async (/** @type {string} */ address, /** @type {any} */ input) => {
    // An address that is tried again after a lost answer is invited once.
    const request = JSON.stringify([address, input]);
    if (!keys.current.has(request)) keys.current.set(request, createIdempotencyKey());
    return mutate("InviteUser", { accountId: account.id, email: address, ...input, idempotencyKey: keys.current.get(request) });
  };

  const invite = async (/** @type {any} */ values) => {
    const addresses = splitAddresses(values.emails);
    const input = { ...newTerms(values), message: values.message || null, locale: values.locale || null, allowOtherLogin: values.allowOtherLogin };
    if (addresses.length < 2) return inviteOne(addresses[0] ?? "", input);
    /** @type {Outcome[]} */
    const newOutcomes = [];
    for (const address of addresses) {
      // Closing the dialog, or leaving the page, stops the invitations that were not sent yet.
      if (!isOpen.current) break;
      setProgress(translate("%(done)d of %(total)d addresses", { done: newOutcomes.length, total: addresses.length }));
      const { errors } = await inviteOne(address, input);
      newOutcomes.push({ email: address, problem: errors.length ? errors.map(({ message }) => message).join(" ") : null, code: errors[0]?.code ?? "" });
      if (FATAL.includes(errors[0]?.code)) break;
    }
    setProgress("");
    setOutcomes((former) => [...former.filter(({ problem }) => !problem), ...newOutcomes]);
    const invited = newOutcomes.filter(({ problem }) => !problem).map((outcome) => outcome.email);
    const left = addresses.filter((address) => !invited.includes(address));
    if (!left.length) return { errors: [] };
    if (invited.length) reloadAll();
    setText(left.join("\n"));
    return { errors: [{ code: "INVALID", field: ["emails"], message: translatePlural("%(n)d address was not invited.", "%(n)d addresses were not invited.", left.length) }] };
  };

  const isDone = outcomes.length > 0 && outcomes.every(({ problem }) => !problem);
  return html`
    ${outcomes.length > 0 && html`<${Outcomes} outcomes=${outcomes} />`}
    <p role="status">${progress}</p>
    ${isDone
      ? html`<div class="actions"><button ref=${focus} type="button" class="primary" onClick=${close}>${translate("Close")}</button></div>`
      : html`<${Form}
        submit=${translate("Invite")}
        run=${invite}
        cancel=${close}
        fields=${{ ...TERMS_FIELDS, email: "emails" }}
        onDone=${(/** @type {any} */ payload) => payload.invitation && close()}
      >
          <${Field}
            key=${text}
            name="emails"
            label=${translate("E-mail addresses")}
            type="textarea"
            rows="2"
            value=${text}
            hint=${translate("One in each line, or separated by commas.")}
            autofocus=${text === email}
          />
          <${TermsFields} role="SIMPLE_USER" />
          <${Field} name="message" label=${translate("Message")} type="textarea" rows="2" maxlength="2000" hint=${translate("It is part of the mail.")} />
          <${Field} name="locale" label=${translate("Language of the mail")} type="select" value="">
            <option value="">${translate("That of the person, otherwise mine")}</option>
            ${Object.entries(LOCALE_NAMES).map(([name, ownName]) => html`<option value=${name} lang=${name}>${ownName}</option>`)}
          <//>
          <${Field} name="allowOtherLogin" label=${translate("A login with another address may accept")} type="checkbox" />
        <//>`}
  `;
}

/** Focuses an element when it is new in the page. @param {HTMLElement | null} element */
const focus = (element) => element?.focus();

function Outcomes({ outcomes }) {
  return html`<div role="status"><ul aria-label=${translate("Outcomes")}>
    ${outcomes.map(({ email, problem }) => html`<li key=${email}><strong>${email}</strong>: ${problem ? html`<span class="problem">${problem}</span>` : translate("Invited.")}</li>`)}
  </ul></div>`;
}

/** The addresses of a text, each once. @param {string} text @returns {string[]} */
function splitAddresses(text) {
  return [...new Set(text.split(/[\s,;]+/).filter(Boolean))];
}
