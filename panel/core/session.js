// The signed-in user.

import { storeRoleNames } from "./decisions.js";
import { describeErrors, describeFailure, execute, NetworkError } from "./graph.js";
import { navigate } from "./router.js";
import { Store } from "./store.js";
import { chooseLocale, locale } from "./texts.js";

/** @typedef {{ user: { id: string, name: string, email: string, locale: string }, session: any, currentAccount: any }} Viewer */

/** The viewer; null: not signed in; undefined: not known yet. @type {Store<Viewer | null | undefined>} */
export const viewer = new Store(/** @type {Viewer | null | undefined} */ (undefined));

/** All tabs of a browser share the session. A tab whose user changes sends the id of the new one, null for none. */
const tabs = new BroadcastChannel("session");
tabs.addEventListener("message", ({ data: userId }) => {
  if (viewer.value !== undefined && userId !== (viewer.value?.user.id ?? null)) loadViewer().catch(() => undefined);
});

/** Store who is signed in, and tell the other tabs if it is another user. Without a viewer, private pages lead to the sign-in. @param {Viewer | null} newViewer */
export function setViewer(newViewer) {
  const former = viewer.value;
  viewer.set(newViewer);
  if (former !== undefined && former?.user.id !== newViewer?.user.id) tabs.postMessage(newViewer?.user.id ?? null);
}

/** Read who is signed in, and switch to their language. Throws NetworkError. */
export async function loadViewer() {
  const { data, errors } = await execute("Viewer");
  // Null for the viewer is an answer, null for everything is none.
  if (!data) throw new NetworkError(describeErrors(errors));
  const newViewer = data.viewer;
  storeRoleNames(data.roles);
  if (newViewer?.user.locale && newViewer.user.locale !== locale.value) await chooseLocale(newViewer.user.locale);
  setViewer(newViewer);
}

/** Store which account the user has entered last. It is their start page. @param {number} number */
export function storeCurrentAccount(number) {
  if (viewer.value) viewer.set({ ...viewer.value, currentAccount: { number } });
}

/**
 * Run an operation as the signed-in user. If the answer says that their session has ended, there is no viewer any more.
 * Throws NetworkError.
 * @type {typeof execute}
 */
export async function executeInSession(operation, variables, options) {
  const userId = viewer.value?.user.id;
  const result = await execute(operation, variables, options);
  // Without a session, the field `viewer` is null, and most other fields are refused.
  const isEnded = result.data?.viewer === null || result.errors.some(({ extensions }) => extensions?.code === "UNAUTHENTICATED");
  // Another user can have signed in before a late answer.
  if (isEnded && userId && userId === viewer.value?.user.id) setViewer(null);
  return result;
}

/** End the session of this browser. Returns why it has not ended, or an empty text. */
export async function signOut() {
  try {
    const { data, errors } = await executeInSession("SignOut", {}, { anyView: true });
    const failures = data?.signOut?.errors ?? errors;
    if (viewer.value && failures.length) return describeErrors(failures);
  } catch (error) {
    return describeFailure(error);
  }
  setViewer(null);
  navigate("/sign-in");
  return "";
}

/** The page to show after a sign-in: that of `next`, which is a path of this server, otherwise the start. @param {URLSearchParams} query */
export function nextPage(query) {
  const target = query.get("next") ?? "/";
  // `//host`, `/\host` and `/<tab>/host` leave this server. A browser reads them as URL does.
  const url = target.startsWith("/") && URL.canParse(target, location.origin) ? new URL(target, location.origin) : null;
  return url?.origin === location.origin ? url.href : "/";
}
