// A button that gives up the viewer's own access to an account.

import { mutate } from "../core/query.js";
import { translate } from "../core/texts.js";
import { html } from "../core/view.js";
import { ConfirmButton } from "./dialog.js";

/** `note` is said with the consequence. @param {{ account: { name: string }, grantId: string, label?: string, description?: string, note?: any, onDone?: () => void }} properties */
export function ResignButton({ account, grantId, label = translate("Give up my access"), description, note, onDone }) {
  return html`<${ConfirmButton}
    label=${label}
    title=${translate("Give up my access to %(account)s", { account: account.name })}
    description=${description}
    consequence=${html`${translate("You lose your access to %(account)s at once and for good. To come back you need a new invitation.", { account: account.name })} ${note}`}
    run=${() => mutate("ResignGrant", { grantId })}
    onDone=${onDone}
  />`;
}
