// The frames around pages: a door for visitors, the user's own pages, and the pages of an account.

import { viewAs, viewAccountAs } from "../core/account.js";
import { formatDate } from "../core/formats.js";
import { address } from "../core/router.js";
import { signOut, viewer } from "../core/session.js";
import { useStore } from "../core/store.js";
import { chooseLocale, LOCALE_NAMES, locale, translate } from "../core/texts.js";
import { html, useId } from "../core/view.js";
import { ACCOUNT_PAGES, USER_PAGES } from "../routes.js";
import { QuickSwitch } from "./quick-switch.js";

/** A page without a session. @param {{ title: string, children?: any }} properties */
export function DoorFrame({ title, children }) {
  return html`<${SkipLink} />
    <main id="content" class="door">
      <p class="brand">Fullmakt</p>
      <h1 tabindex="-1">${title}</h1>
      ${children}
      <${LanguageChoice} />
    </main>`;
}

/** A page of the user that belongs to no account. @param {{ route: any, children?: any }} properties */
export function UserFrame({ route, children }) {
  return html`<${SkipLink} />
    <${ViewAsBar} />
    <${Header} frame=${null} />
    <div class="columns">
      <${Navigation} label=${translate("You")} pages=${USER_PAGES} base="" route=${route} />
      <main id="content">${children}</main>
    </div>`;
}

/** A page of an account. @param {{ frame: any, route: any, children?: any }} properties */
export function AccountFrame({ frame, route, children }) {
  const pages = ACCOUNT_PAGES.filter(({ kind, permission }) => (!kind || kind === frame.kind) && (!permission || isKnown(frame.decisions[permission])));
  return html`<${SkipLink} />
    <${ViewAsBar} />
    <${Header} frame=${frame} />
    <${AccountNotice} frame=${frame} />
    <div class="columns">
      <${Navigation} label=${frame.name} pages=${pages} base=${`/a/${frame.number}`} route=${route} decisions=${frame.decisions} />
      <main id="content">${children}</main>
    </div>`;
}

/** True if an installation has the permission. A switched-off module has none. */
const isKnown = (/** @type {any} */ decision) => decision !== undefined;

function SkipLink() {
  return html`<a class="skip" href="#content" data-reload>${translate("To the content")}</a>`;
}

function Header({ frame }) {
  const user = useStore(viewer);
  return html`<header class="top">
    <a class="brand" href="/">Fullmakt</a>
    <${QuickSwitch} frame=${frame} />
    <span class="spacer"></span>
    <a href=${USER_PAGES[0]?.pattern} class="who">${user?.user.name}</a>
    <button type="button" onClick=${signOut}>${translate("Sign out")}</button>
  </header>`;
}

/** What holds for the whole account at the moment. */
function AccountNotice({ frame }) {
  if (frame.closesAt) return html`<p class="notice" role="status">${translate("This account closes on %(date)s. Until then it is read-only.", { date: formatDate(frame.closesAt) })}</p>`;
  if (frame.status === "READ_ONLY") return html`<p class="notice" role="status">${translate("This account is read-only, because its subscription has expired.")}</p>`;
  return null;
}

function ViewAsBar() {
  const view = useStore(viewAs);
  if (!view) return null;
  return html`<div class="view-as" role="status">
    <span>${translate("You see this account as: %(name)s. Nothing can be changed.", { name: view.label })}</span>
    <button type="button" onClick=${() => viewAccountAs(null)}>${translate("End")}</button>
  </div>`;
}

function Navigation({ label, pages, base, route, decisions = {} }) {
  useStore(address);
  // A page below another one, such as a single document, shows the navigation at that one.
  const isBelow = (/** @type {string} */ pattern) => pattern && !route.title && route.pattern.startsWith(`${pattern}/`);
  return html`<nav class="pages" aria-label=${label}>
    <ul>
      ${pages
        .filter(({ title }) => title)
        .map(({ pattern, title, permission }) => {
          const isRefused = permission && !decisions[permission]?.allowed;
          return html`<li><a href=${base + pattern} class=${isRefused ? "refused" : ""} aria-current=${pattern === route.pattern ? "page" : isBelow(pattern) ? "true" : undefined}>${title()}</a></li>`;
        })}
    </ul>
  </nav>`;
}

function LanguageChoice() {
  const id = useId();
  const name = useStore(locale);
  return html`<footer class="languages">
    <label for=${id}>${translate("Language")}</label>
    <select id=${id} value=${name} onChange=${(/** @type {any} */ event) => chooseLocale(event.target.value)}>
      ${Object.entries(LOCALE_NAMES).map(([value, text]) => html`<option value=${value} lang=${value}>${text}</option>`)}
    </select>
  </footer>`;
}
