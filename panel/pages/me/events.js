// The user's events: what happened to their login, what they did in accounts, and who entered theirs.

import { List } from "../../components/list.js";
import { formatInstant } from "../../core/formats.js";
import { viewer } from "../../core/session.js";
import { useStore } from "../../core/store.js";
import { translate } from "../../core/texts.js";
import { html } from "../../core/view.js";
import { eventText } from "../event-texts.js";
import { Changes } from "../events.js";

/** @type {Record<string, () => string>} */
const TYPES = {
  "account:account:enter": () => translate("The account was entered"),
  "account:account:view-as": () => translate("The account was viewed as another user"),
  "user:login:register": () => translate("You registered"),
  "user:login:resend": () => translate("The activation link was sent again"),
  "user:login:activate": () => translate("You activated your login"),
  "user:login:erase": () => translate("You erased your login"),
  "user:data:export": () => translate("You downloaded your data"),
  "user:password:change": () => translate("You changed your password"),
  "user:password:forget": () => translate("A link for a new password was requested"),
  "user:password:reset": () => translate("A new password was set by a mailed link"),
  "user:email:change-request": () => translate("You asked for a change of your address"),
  "user:email:change-cancel": () => translate("You canceled the change of your address"),
  "user:email:change": () => translate("Your address changed"),
  "user:email:undo": () => translate("The change of your address was undone"),
  "user:profile:update": () => translate("You changed your profile"),
  "user:session:start": () => translate("You signed in"),
  "user:session:end": () => translate("You signed out"),
  "user:session:revoke": () => translate("You ended a session"),
  "user:session:revoke-others": () => translate("Your other sessions ended"),
  "user:session:reauthenticate": () => translate("You confirmed that it is you"),
  "user:second-factor:enroll": () => translate("You began to set up an authenticator app"),
  "user:second-factor:confirm": () => translate("Your authenticator app became active"),
  "user:second-factor:disable": () => translate("Your authenticator app was removed"),
  "user:second-factor:refuse": () => translate("A wrong code was entered"),
  "user:recovery-code:use": () => translate("A recovery code was used"),
  "user:recovery-code:renew": () => translate("You got new recovery codes"),
  "user:passkey:add": () => translate("You added a passkey"),
  "user:passkey:rename": () => translate("You renamed a passkey"),
  "user:passkey:remove": () => translate("A passkey was removed"),
  "user:passkey:refuse": () => translate("A passkey was refused, because it may have been copied"),
  "user:access-request:ask": () => translate("You asked for access"),
  "user:access-request:withdraw": () => translate("You withdrew your request for access"),
  "operator:second-factor:disable": () => translate("The operator removed your second factor"),
};

export default function MyEventsPage() {
  const user = useStore(viewer)?.user;
  const columns = [
    { title: translate("Time"), cell: ({ occurredAt }) => formatInstant(occurredAt) },
    { title: translate("Event"), cell: ({ type, actor }) => html`${TYPES[type]?.() ?? eventText(type)}${actor && actor.id !== user?.id && html`<br /><small>${actor.name}</small>`}` },
    { title: translate("Account"), cell: ({ account }) => account && html`${account.name}<br /><small>${account.number}</small>` },
    { title: translate("IP address"), cell: ({ ipAddress }) => ipAddress ?? "" },
    { title: translate("Changes"), cell: (/** @type {any} */ event) => html`<${Changes} event=${event} />` },
  ];
  return html`
    <h1 tabindex="-1">${translate("Your events")}</h1>
    <p>${translate("Changes of your login, your actions in accounts, and visits of your accounts. If you do not know something here, change your password and end the other sessions.")}</p>
    <${List} operation="MyEvents" label=${translate("Your events")} connection=${(/** @type {any} */ data) => data.viewer?.events} columns=${columns} empty=${translate("Nothing has happened yet.")} />
  `;
}
