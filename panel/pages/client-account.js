// Accounts of clients, by the bureau: open one, pay for its days, and what the bureau decides until the client has activated it.

import { ConfirmButton, DialogButton } from "../components/dialog.js";
import { Field, Form } from "../components/form.js";
import { createIdempotencyKey, mutate, useQuery } from "../core/query.js";
import { translate, translatePlural } from "../core/texts.js";
import { html, useMemo, useState } from "../core/view.js";
import { DaysField } from "./subscription.js";

/** Opens a new account for a client. @param {{ account: any }} properties */
export function NewClientButton({ account }) {
  return html`<${DialogButton} label=${translate("New client account")} kind="primary" can=${account.decisions.SETTINGS_WRITE}>
    ${(/** @type {() => void} */ close) => html`<${NewClientForm} account=${account} close=${close} />`}
  <//>`;
}

function NewClientForm({ account, close }) {
  const idempotencyKey = useMemo(createIdempotencyKey, []);
  const [client, setClient] = useState(/** @type {any} */ (null));
  const create = ({ name, ownerName, ownerEmail, country, organizationNumber }) =>
    mutate("CreateClientAccount", { bureauAccountId: account.id, name, ownerName, ownerEmail, country: country || null, organizationNumber: organizationNumber || null, idempotencyKey });
  if (client)
    return html`
      <p role="status">${translate("The account %(name)s is open. Its owner gets a mail with a link to take it over.", { name: client.name })}</p>
      <p><a href=${`/a/${client.number}`}>${translate("Enter the account")}</a></p>
      <div class="actions"><button type="button" onClick=${close}>${translate("Close")}</button></div>
    `;
  return html`
    <p>${translate("You can work in the account at once. The client gets a mail with a link and becomes the owner by it.")}</p>
    <${Form} submit=${translate("Open the account")} run=${create} cancel=${close} onDone=${(/** @type {any} */ payload) => setClient(payload.account)}>
      <${Field} name="name" label=${translate("Name of the account")} autocomplete="off" required />
      <${Field} name="ownerName" label=${translate("Name of the owner")} autocomplete="off" required />
      <${Field} name="ownerEmail" label=${translate("E-mail of the owner")} type="email" autocomplete="off" required />
      <${Field} name="country" label=${translate("Country")} maxlength="2" hint=${translate("Two letters, for example NO. Needed for an organization number.")} />
      <${Field} name="organizationNumber" label=${translate("Organization number")} />
    <//>
  `;
}

/** Moves days of the bureau's subscription to a client. @param {{ account: any, client: any }} properties */
export function ExtendButton({ account, client }) {
  return html`<${DialogButton}
    label=${translate("Extend")}
    title=${translate("Extend the subscription of %(name)s", { name: client.name })}
    description=${translate("Extend the subscription of %(name)s", { name: client.name })}
    can=${account.decisions.SUBSCRIPTION_WRITE}
  >
    ${(/** @type {() => void} */ close) => html`<${ExtendForm} account=${account} client=${client} close=${close} />`}
  <//>`;
}

function ExtendForm({ account, client, close }) {
  const idempotencyKey = useMemo(createIdempotencyKey, []);
  const { data } = useQuery("TransferableDays", { number: account.number });
  const days = data?.account?.subscription?.transferableDays;
  const extend = (/** @type {any} */ values) => mutate("ExtendSubscription", { accountId: client.id, payerAccountId: account.id, days: Number(values.days), idempotencyKey });
  return html`
    <p>${translate("The days are taken from the subscription of %(name)s. They cannot be taken back.", { name: account.name })}</p>
    ${days !== undefined && html`<p>${translatePlural("%(n)d day can be given.", "%(n)d days can be given.", days)}</p>`}
    <${Form} submit=${translate("Give the days")} run=${extend} cancel=${close} onDone=${close}>
      <${DaysField} />
    <//>
  `;
}

/** What the bureau decides about an account until its owner has activated it. @param {{ account: any, client: any }} properties */
export function ActivationButton({ account, client }) {
  const { SETTINGS_WRITE } = account.decisions;
  return html`<${DialogButton}
    label=${translate("Activation")}
    title=${translate("Activation of %(name)s", { name: client.name })}
    description=${translate("Activation of %(name)s", { name: client.name })}
    can=${SETTINGS_WRITE}
  >
    ${(/** @type {() => void} */ close) => html`<${Activation} account=${account} client=${client} close=${close} />`}
  <//>`;
}

function Activation({ account, client, close }) {
  const idempotencyKey = useMemo(createIdempotencyKey, []);
  const correctionKey = useMemo(createIdempotencyKey, []);
  const [isSent, setSent] = useState(false);
  const ids = { bureauAccountId: account.id, clientAccountId: client.id };
  const correct = ({ ownerEmail, ownerName }) => mutate("CorrectClientOwner", { ...ids, ownerEmail, ownerName: ownerName || null, idempotencyKey: correctionKey });
  if (isSent)
    return html`<p role="status">${translate("The mail with a new link is on its way. The former link no longer works.")}</p>
      <div class="actions"><button type="button" onClick=${close}>${translate("Close")}</button></div>`;
  return html`
    <p>${translate("The bureau that opened the account decides about it until its owner has activated it.")}</p>
    <${Form} submit=${translate("Send a new link")} run=${() => mutate("ResendClientActivation", { ...ids, idempotencyKey })} onDone=${() => setSent(true)}>
      <p><small>${translate("The owner gets a mail at %(email)s. The former link no longer works.", { email: client.ownerEmail ?? translate("the known address") })}</small></p>
    <//>
    <details>
      <summary>${translate("Correct the address of the owner")}</summary>
      <${Form} submit=${translate("Correct and send")} run=${correct} onDone=${() => setSent(true)}>
        <${Field} name="ownerEmail" label=${translate("Correct e-mail of the owner")} type="email" autocomplete="off" hint=${translate("The new address gets a link. The link at the former address no longer works.")} required />
        <${Field} name="ownerName" label=${translate("Correct name of the owner")} autocomplete="off" hint=${translate("Empty: the name stays.")} />
      <//>
    </details>
    <hr />
    <${ConfirmButton}
      label=${translate("Withdraw the account")}
      title=${translate("Withdraw the account %(name)s", { name: client.name })}
      can=${account.decisions.USERS_WRITE}
      consequence=${translate("The account is closed for ever, and all access to it ends, that of your colleagues too. The link of the owner no longer works. Days that are left after the trial come back to the bureau.")}
      run=${() => mutate("WithdrawClientAccount", ids)}
      onDone=${close}
    />
  `;
}
