// Chooses the page of the address, with its frame around it.

import { account, accountProblem, enterAccount, loadAccount, viewAs } from "../core/account.js";
import { execute } from "../core/graph.js";
import { listen } from "../core/live.js";
import { address, match, navigate } from "../core/router.js";
import { storeCurrentAccount, viewer } from "../core/session.js";
import { useStore } from "../core/store.js";
import { locale, translate } from "../core/texts.js";
import { html, useEffect, useErrorBoundary, useState } from "../core/view.js";
import { useReload } from "../core/query.js";
import { ACCOUNT_PAGES, PUBLIC_PAGES, USER_PAGES } from "../routes.js";
import { AccountFrame, DoorFrame, showHeading, UserFrame } from "./layout.js";
import { Problem } from "./problem.js";
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
  return html`
    <${Page} path=${path} user=${user} />
    <${ReauthenticationDialog} />
  `;
}

function Page({ path, user }) {
  const destination = findRoute(path);
  useEffect(() => {
    if (path === "/") navigate(startPage(user), { replace: true });
    else if (destination && !destination.route.isPublic && user === null) navigate(`/sign-in?next=${encodeURIComponent(path + location.search)}`, { replace: true });
  }, [path, user]);
  if (path === "/") return null;
  if (!destination) return html`<${DoorFrame} title=${translate("Page not found")}><p><a href="/">${translate("To the start")}</a></p><//>`;
  const { route, parameters, number } = destination;
  if (route.isPublic) return html`<${Loaded} key=${route.pattern} route=${route} parameters=${parameters} />`;
  if (!user) return null;
  // The page of another user, or of another account, is built anew: its forms and lists keep nothing.
  const { id } = user.user;
  if (number === null) return html`<${UserPage} key=${id} route=${route} parameters=${parameters} />`;
  return html`<${AccountPage} key=${`${id} ${number}`} number=${number} route=${route} parameters=${parameters} />`;
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

/** Enter an account, and follow the changes of the viewer's access to it. Undefined until it is read, null without access. @param {number} number */
function useAccount(number) {
  const [isScoped, setScoped] = useState(false);
  const storedFrame = useStore(account);
  const hasProblem = useStore(accountProblem) !== "";
  // Until the account is entered, the stored frame is that of the former account.
  const frame = isScoped ? storedFrame : undefined;
  useEffect(() => {
    enterAccount(number);
    setScoped(true);
  }, []);
  useEffect(() => {
    if (!frame) return;
    storeCurrentAccount(number);
    // The session remembers the account for the next visit without an address.
    execute("SwitchAccount", { input: { accountId: frame.id } }, { anyView: true }).catch(() => undefined);
  }, [frame?.id]);
  useEffect(() => {
    // While the account is read, the former stream goes on.
    if (frame === undefined && !hasProblem) return;
    // The events of the account have each change of access to it, too.
    const canFollow = frame?.decisions.EVENTS_READ?.allowed;
    listen(frame && canFollow ? { operation: "AccountEvents", variables: { accountId: frame.id } } : { operation: "AccessChanged", variables: {} });
  }, [frame === undefined, frame?.id, frame?.decisions.EVENTS_READ?.allowed, hasProblem]);
  useReload(loadAccount);
  return frame;
}

function AccountPage({ number, route, parameters }) {
  const frame = useAccount(number);
  const problem = useStore(accountProblem);
  if (frame === undefined)
    return html`<${UserFrame} route=${route}>
      ${problem ? html`<${Problem} problem=${problem} retry=${loadAccount} />` : html`<p class="loading">${translate("Loading…")}</p>`}
    <//>`;
  if (frame === null && viewAs.value)
    return html`<${UserFrame} route=${route}>
      <${Refusal} title=${translate("No access")}><p>${translate("%(name)s sees nothing of this account.", { name: viewAs.value.label })}</p><//>
    <//>`;
  if (frame === null)
    return html`<${UserFrame} route=${route}>
      <${Refusal} title=${translate("No access")}>
        <p>${translate("You have no access to the account %(number)d, or no longer.", { number })}</p>
        <p><a href="/accounts">${translate("To your accounts")}</a></p>
      <//>
    <//>`;
  const decision = route.permission ? frame.decisions[route.permission] : undefined;
  const isRefused = decision && !decision.allowed;
  return html`<${AccountFrame} frame=${frame} route=${route}>
    ${isRefused
      ? html`<${Refusal} key=${route.pattern} title=${route.title?.() ?? translate("No access")}><p class="empty">${translate("This page cannot be shown.")} ${decision.explanation}</p><//>`
      : html`<${Loaded} key=${route.pattern} route=${route} parameters=${parameters} frame=${frame} />`}
  <//>`;
}

/** In the place of a page: why it is not shown. @param {{ title: string, children?: any }} properties */
function Refusal({ title, children }) {
  useEffect(showHeading, []);
  return html`<h1 tabindex="-1">${title}</h1>${children}`;
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
    if (component) showHeading();
  }, [component]);
  if (problem || error) return html`<${Problem} problem=${problem || translate("Something went wrong on this page. Load it again.")} retry=${() => location.reload()} />`;
  if (!component) return html`<p class="loading">${translate("Loading…")}</p>`;
  return html`<${component.view} parameters=${parameters} account=${frame} />`;
}
