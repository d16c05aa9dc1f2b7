// Where the user is signed in: each session with its device, and the end of one or of all others.

import { ConfirmButton } from "../../components/dialog.js";
import { List } from "../../components/list.js";
import { formatInstant } from "../../core/formats.js";
import { mutate } from "../../core/query.js";
import { translate } from "../../core/texts.js";
import { html } from "../../core/view.js";

/** Names in User-Agent headers. The first that fits counts: later ones are in the headers of earlier ones too. */
const BROWSERS = [
  ["Edg", "Edge"],
  ["OPR", "Opera"],
  ["SamsungBrowser", "Samsung Internet"],
  ["Firefox", "Firefox"],
  ["FxiOS", "Firefox"],
  ["Chrome", "Chrome"],
  ["CriOS", "Chrome"],
  ["Safari", "Safari"],
];
const SYSTEMS = [
  ["iPhone", "iPhone"],
  ["iPad", "iPad"],
  ["Android", "Android"],
  ["Windows", "Windows"],
  ["Mac OS X", "macOS"],
  ["CrOS", "ChromeOS"],
  ["Linux", "Linux"],
];

export function Sessions() {
  const columns = [
    { title: translate("Device"), cell: (/** @type {any} */ session) => html`${describeDevice(session.userAgent)} ${session.isCurrent && html`<span class="status">${translate("This session")}</span>`}` },
    { title: translate("Address"), cell: ({ ipAddress }) => ipAddress ?? translate("Unknown") },
    { title: translate("Signed in"), cell: ({ createdAt }) => formatInstant(createdAt) },
    { title: translate("Last used"), cell: ({ lastUsedAt }) => formatInstant(lastUsedAt) },
    { title: translate("Action"), cell: (/** @type {any} */ session) => !session.isCurrent && html`<${EndSession} session=${session} />` },
  ];
  return html`<section class="card">
    <h2>${translate("Sessions")}</h2>
    <p>${translate("The browsers and programs that are signed in with your login. End what you do not know, and change your password then.")}</p>
    <${List}
      operation="Sessions"
      label=${translate("Sessions")}
      connection=${(/** @type {any} */ data) => data.viewer?.sessions}
      columns=${columns}
      empty=${translate("There is no session.")}
      actions=${html`<${ConfirmButton}
        label=${translate("End all other sessions")}
        consequence=${translate("All other browsers and programs have to sign in again. You stay signed in here.")}
        run=${() => mutate("RevokeOtherSessions")}
      />`}
    />
  </section>`;
}

function EndSession({ session }) {
  const device = describeDevice(session.userAgent);
  return html`<${ConfirmButton}
    label=${translate("End")}
    title=${translate("End the session")}
    description=${translate("End the session: %(device)s, signed in %(instant)s", { device, instant: formatInstant(session.createdAt) })}
    consequence=${translate("%(device)s has to sign in again.", { device })}
    run=${() => mutate("RevokeSession", { sessionId: session.id })}
  />`;
}

/** The browser and the system of a User-Agent header, or the header itself if they are not known. @param {string | null} userAgent */
function describeDevice(userAgent) {
  if (!userAgent) return translate("Unknown device");
  const [browser, system] = [BROWSERS, SYSTEMS].map((names) => names.find(([part]) => part && userAgent.includes(part))?.[1]);
  if (!browser) return userAgent.slice(0, 60);
  return system ? translate("%(browser)s on %(system)s", { browser, system }) : browser;
}
