// Chooses the page of the address, with its frame around it.

import { account, enterAccount, loadAccount, viewAs } from "../core/account.js";
import { execute } from "../core/graph.js";
import { listen } from "../core/live.js";
import { address, match, navigate } from "../core/router.js";
import { viewer } from "../core/session.js";
import { useStore } from "../core/store.js";
import { locale, translate } from "../core/texts.js";
import { html, useEffect, useErrorBoundary, useState } from "../core/view.js";
import { useReload } from "../core/query.js";
import { ACCOUNT_PAGES, PUBLIC_PAGES, USER_PAGES } from "../routes.js";
import { AccountFrame, DoorFrame, UserFrame } from "./layout.js";
import { ReauthenticationDialog } from "./reauthentication.js";

/** The route of a path, with its parameters and its account's number. */
function findRoute(path) {
  for (const route of [...PUBLIC_PAGES, ...USER_PAGES]) {
    const parameters = match(route.pattern, path);
    if (parameters) return { route, parameters, number: null };
  }
  for (const route of ACCOUNT_PAGES) {
    const parameters = match(`/a/:number${route.pattern}`, path);
    if (parameters && /^\d{1,9}$/.test(parameters.number ?? "")) return { route, parameters, number: Number(parameters.number) };
  }
  return null;
}

export function App() {
  const { path } = useStore(address);
  const user = useStore(viewer);
  useStore(locale);
  useEffect(() => {
    if (!user) listen(undefined);
  }, [user]);
  return html`
    <${Page} path=${path} user=${user} />
    <${ReauthenticationDialog} />
  `;
}

function Page({ path, user }) {
  const found = findRoute(path);
  useEffect(() => {
    if (path === "/") navigate(startPage(user), { replace: true });
    else if (found && !found.route.isPublic && user === null) navigate(`/sign-in?next=${encodeURIComponent(path + location.search)}`, { replace: true });
  }, [path, user]);
  if (path === "/") return null;
  if (!found) return html`<${DoorFrame} title=${translate("Page not found")}><p><a href="/">${translate("To the start")}</a></p><//>`;
  const { route, parameters, number } = found;
  if (route.isPublic) return html`<${Loaded} key=${route.pattern} route=${route} parameters=${parameters} />`;
  if (!user) return null;
  if (number === null) return html`<${UserPage} route=${route} parameters=${parameters} />`;
  return html`<${AccountPage} key=${number} number=${number} route=${route} parameters=${parameters} />`;
}

/** The page after a sign-in: the account of the session, otherwise the list of accounts. */
function startPage(user) {
  if (!user) return "/sign-in";
  return user.currentAccount ? `/a/${user.currentAccount.number}` : "/accounts";
}

function UserPage({ route, parameters }) {
  useEffect(() => {
    enterAccount(null);
    listen({ operation: "AccessChanged", variables: {} });
  }, []);
  return html`<${UserFrame} route=${route}><${Loaded} key=${route.pattern} route=${route} parameters=${parameters} /><//>`;
}

function AccountPage({ number, route, parameters }) {
  const [problem, setProblem] = useState(/** @type {string | null} */ (null));
  const [isScoped, setScoped] = useState(false);
  const frame = useStore(account);
  useEffect(() => {
    let isCurrent = true;
    enterAccount(number)
      .then(() => isCurrent && setProblem(null))
      .catch(() => isCurrent && setProblem(translate("The server did not answer. Try again.")));
    setScoped(true);
    return () => {
      isCurrent = false;
    };
  }, [number]);
  useEffect(() => {
    // The session remembers the account for the next visit without an address.
    if (frame) execute("SwitchAccount", { input: { accountId: frame.id } }, { anyView: true }).catch(() => undefined);
  }, [frame?.id]);
  useEffect(() => {
    // The events of the account have each change of access to it, too.
    const canFollow = frame?.decisions.EVENTS_READ?.allowed;
    listen(frame && canFollow ? { operation: "AccountEvents", variables: { accountId: frame.id } } : { operation: "AccessChanged", variables: {} });
  }, [frame?.id, frame?.decisions.EVENTS_READ?.allowed]);
  useReload(loadAccount);

  if (problem) return html`<${UserFrame} route=${route}><div class="problem" role="alert"><p>${problem}</p></div><//>`;
  if (!isScoped || frame === undefined) return html`<${UserFrame} route=${route}><p class="loading">${translate("Loading…")}</p><//>`;
  if (frame === null && viewAs.value)
    return html`<${UserFrame} route=${route}>
      <h1 tabindex="-1">${translate("No access")}</h1>
      <p>${translate("%(name)s sees nothing of this account.", { name: viewAs.value.label })}</p>
    <//>`;
  if (frame === null)
    return html`<${UserFrame} route=${route}>
      <h1 tabindex="-1">${translate("No access")}</h1>
      <p>${translate("You have no access to the account %(number)d, or no longer.", { number })}</p>
      <p><a href="/accounts">${translate("To your accounts")}</a></p>
    <//>`;
  const decision = route.permission ? frame.decisions[route.permission] : undefined;
  const isRefused = decision && !decision.allowed;
  return html`<${AccountFrame} frame=${frame} route=${route}>
    ${isRefused
      ? html`<h1 tabindex="-1">${route.title?.() ?? translate("No access")}</h1><p class="empty">${translate("This page cannot be shown.")} ${decision.explanation}</p>`
      : html`<${Loaded} key=${route.pattern} route=${route} parameters=${parameters} frame=${frame} />`}
  <//>`;
}

/** Loads the module of a page, shows the page, and moves the focus to its heading. */
function Loaded({ route, parameters, frame }) {
  const [component, setComponent] = useState(/** @type {{ view: any } | null} */ (null));
  const [problem, setProblem] = useState("");
  const [error] = useErrorBoundary((failure) => console.error(failure));
  useEffect(() => {
    route.load().then(
      (/** @type {any} */ module) => setComponent({ view: module.default }),
      () => setProblem(translate("The page could not be loaded. Load it again.")),
    );
  }, []);
  useEffect(() => {
    const heading = document.querySelector("main h1");
    if (component && heading instanceof HTMLElement) {
      document.title = `${heading.textContent} – Fullmakt`;
      heading.focus({ preventScroll: true });
    }
  }, [component]);
  if (problem || error) return html`<div class="problem" role="alert"><p>${problem || translate("Something went wrong on this page. Load it again.")}</p></div>`;
  if (!component) return html`<p class="loading">${translate("Loading…")}</p>`;
  return html`<${component.view} parameters=${parameters} account=${frame} />`;
}
