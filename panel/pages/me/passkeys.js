// The user's passkeys: add, rename, remove. Nothing in browsers that know none.

import { Answer } from "../../components/answer.js";
import { ConfirmButton, DialogButton } from "../../components/dialog.js";
import { Field, Form } from "../../components/form.js";
import { Table } from "../../components/list.js";
import { formatInstant } from "../../core/formats.js";
import { addPasskey, hasPasskeys } from "../../core/passkeys.js";
import { mutate, useQuery } from "../../core/query.js";
import { translate } from "../../core/texts.js";
import { html } from "../../core/view.js";

/** @param {{ onCodes: (codes: string[]) => void }} properties */
export function Passkeys({ onCodes }) {
  if (!hasPasskeys()) return null;
  return html`<section class="card" aria-label=${translate("Passkeys")}>
    <h2>${translate("Passkeys")}</h2>
    <p>${translate("A passkey signs you in with the lock of your phone or computer, without a password, and works only on this site. It is a second factor too.")}</p>
    <${PasskeyList} onCodes=${onCodes} />
  </section>`;
}

function PasskeyList({ onCodes }) {
  const query = useQuery("Security");
  const columns = [
    { title: translate("Name"), cell: ({ name }) => name },
    { title: translate("Added"), cell: ({ createdAt }) => formatInstant(createdAt) },
    { title: translate("Last used"), cell: ({ lastUsedAt }) => formatInstant(lastUsedAt) || translate("Never") },
    { title: translate("Where it is kept"), cell: ({ isBackedUp }) => (isBackedUp ? translate("By a service that has a copy") : translate("Only on its device")) },
    { title: translate("Action"), cell: (/** @type {any} */ passkey) => html`<${Changes} passkey=${passkey} query=${query} />` },
  ];
  return html`<${Answer} query=${query}>
    ${({ viewer: { passkeys } }) => html`
      ${passkeys.length > 0
        ? html`<${Table} label=${translate("Passkeys")} columns=${columns} nodes=${passkeys} keyOf=${({ id }) => id} />`
        : html`<p class="empty">${translate("You have no passkey yet.")}</p>`}
      <div class="actions">
        <${DialogButton} label=${translate("Add a passkey")} kind="primary">
          ${(/** @type {() => void} */ close) => html`<${NewPasskey} close=${close} onCodes=${onCodes} />`}
        <//>
      </div>
    `}
  <//>`;
}

function NewPasskey({ close, onCodes }) {
  const finish = (/** @type {any} */ { recoveryCodes }) => {
    close();
    if (recoveryCodes) onCodes(recoveryCodes);
  };
  return html`
    <p>${translate("Your browser asks you for the lock of this device, or for another device. If this is your first second factor, your other sessions end.")}</p>
    <${Form} submit=${translate("Add the passkey")} run=${({ name }) => (name ? addPasskey(name) : missingName())} onDone=${finish} cancel=${close}>
      <${Field} name="name" label=${translate("Name")} maxlength="100" required hint=${translate("So that you know it again, such as the name of the device.")} />
    <//>
  `;
}

/** The browser asks for a passkey before the graph sees the name, so a missing one is found here. */
const missingName = () => Promise.resolve({ errors: [{ code: "REQUIRED", message: translate("Enter a name."), field: ["name"] }] });

function Changes({ passkey, query }) {
  const { id, name } = passkey;
  const { passkeys, secondFactor } = query.data.viewer;
  const isLastFactor = passkeys.length === 1 && !secondFactor.isActive;
  return html`<div class="buttons">
    <${DialogButton} label=${translate("Rename")} title=${translate("Rename the passkey")} description=${translate("Rename the passkey %(name)s", { name })}>
      ${(/** @type {() => void} */ close) => html`
        <${Form} submit=${translate("Save")} run=${(/** @type {any} */ values) => mutate("RenamePasskey", { passkeyId: id, name: values.name })} onDone=${close} cancel=${close}>
          <${Field} name="name" label=${translate("Name")} value=${name} maxlength="100" required />
        <//>
      `}
    <//>
    <${ConfirmButton}
      label=${translate("Remove")}
      title=${translate("Remove the passkey")}
      description=${translate("Remove the passkey %(name)s", { name })}
      consequence=${isLastFactor
        ? translate("%(name)s no longer signs you in, and the sessions that it started end. Your password alone is then enough to sign in, and accounts that demand a second factor stay closed to you.", { name })
        : translate("%(name)s no longer signs you in, and the sessions that it started end. Remove it from your device too.", { name })}
      run=${() => mutate("RemovePasskey", { passkeyId: id })}
    />
  </div>`;
}
