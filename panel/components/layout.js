// The frames around pages: a door for visitors, the user's own pages, and the pages of an account.

import { viewAs, viewAccountAs } from "../core/account.js";
import { formatDate } from "../core/formats.js";
import { reloadAll } from "../core/query.js";
import { address } from "../core/router.js";
import { signOut, viewer } from "../core/session.js";
import { useStore } from "../core/store.js";
import { chooseLocale, LOCALE_NAMES, locale, translate } from "../core/texts.js";
import { html, useEffect, useId, useState } from "../core/view.js";
import { pagesOf, USER_PAGES } from "../routes.js";
import { QuickSwitch } from "./quick-switch.js";

/** Move the focus to the heading of the page, and give its text to the window. */
export function showHeading() {
  const heading = document.querySelector("main h1");
  if (!(heading instanceof HTMLElement)) return;
  document.title = `${heading.textContent} – Fullmakt`;
  heading.focus({ preventScroll: true });
}

/** A page without a session. @param {{ title: string, children?: any }} properties */
export function DoorFrame({ title, children }) {
  useEffect(() => {
    document.title = `${title} – Fullmakt`;
    // A form that gives way to its outcome takes the focus with it.
    if (document.activeElement === document.body) showHeading();
  });
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
  return html`<${SkipLink} />
    <${ViewAsBar} />
    <${Header} frame=${frame} />
    <${AccountNotice} frame=${frame} />
    <div class="columns">
      <${Navigation} label=${frame.name} pages=${pagesOf(frame)} base=${`/a/${frame.number}`} route=${route} decisions=${frame.decisions} />
      <main id="content">${children}</main>
    </div>`;
}

function SkipLink() {
  const skip = (/** @type {MouseEvent} */ event) => {
    // The address keeps the token of a mailed link after its `#`.
    event.preventDefault();
    const heading = document.querySelector("main h1");
    if (heading instanceof HTMLElement) heading.focus();
  };
  return html`<a class="skip" href="#content" onClick=${skip}>${translate("To the content")}</a>`;
}

function Header({ frame }) {
  const user = useStore(viewer);
  return html`<header class="top">
    <a class="brand" href="/">Fullmakt</a>
    <${QuickSwitch} frame=${frame} />
    <span class="spacer"></span>
    <a href=${USER_PAGES[0]?.pattern} class="who">${user?.user.name}</a>
    <${SignOutButton} />
  </header>`;
}

function SignOutButton() {
  const [problem, setProblem] = useState("");
  return html`<button type="button" onClick=${async () => setProblem(await signOut())}>${translate("Sign out")}</button>
    ${problem && html`<span class="problem" role="alert">${problem}</span>`}`;
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
          const reason = isRefused ? decisions[permission]?.explanation : undefined;
          return html`<li><a href=${base + pattern} class=${isRefused ? "refused" : ""} title=${reason} aria-current=${pattern === route.pattern ? "page" : isBelow(pattern) ? "true" : undefined}>${title()}</a></li>`;
        })}
    </ul>
  </nav>`;
}

function LanguageChoice() {
  const id = useId();
  const name = useStore(locale);
  const choose = async (/** @type {any} */ { target: select }) => {
    try {
      await chooseLocale(select.value);
    } catch {
      select.value = locale.value;
    }
    // Texts of the server, such as the names of roles, are in a language too.
    reloadAll();
  };
  return html`<footer class="languages">
    <label for=${id}>${translate("Language")}</label>
    <select id=${id} value=${name} onChange=${choose}>
      ${Object.entries(LOCALE_NAMES).map(([value, text]) => html`<option value=${value} lang=${value}>${text}</option>`)}
    </select>
  </footer>`;
}
