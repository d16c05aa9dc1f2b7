// The signed-in user.

import { storeRoleNames } from "./decisions.js";
import { execute } from "./graph.js";
import { navigate } from "./router.js";
import { Store } from "./store.js";
import { chooseLocale, locale } from "./texts.js";

/** @typedef {{ user: { id: string, name: string, email: string, locale: string }, session: any, currentAccount: any }} Viewer */

/** The viewer; null: not signed in; undefined: not known yet. @type {Store<Viewer | null | undefined>} */
export const viewer = new Store(/** @type {Viewer | null | undefined} */ (undefined));

/** Read who is signed in, and switch to their language. Throws NetworkError. */
export async function loadViewer() {
  const { data } = await execute("Viewer");
  const newViewer = data?.viewer ?? null;
  storeRoleNames(data?.roles ?? []);
  if (newViewer?.user.locale && newViewer.user.locale !== locale.value) await chooseLocale(newViewer.user.locale);
  viewer.set(newViewer);
  return newViewer;
}

/** Show the sign-in, which returns to the current page afterwards. */
export function requireSignIn() {
  viewer.set(null);
  const target = location.pathname + location.search;
  navigate(target === "/" ? "/sign-in" : `/sign-in?next=${encodeURIComponent(target)}`, { replace: true });
}

/** End the session of this browser. */
export async function signOut() {
  await execute("SignOut", {}, { anyView: true });
  viewer.set(null);
  navigate("/sign-in");
}

/** The page to show after a sign-in: that of `next`, which is a path of this server, otherwise the start. @param {URLSearchParams} query */
export function nextPage(query) {
  const target = query.get("next") ?? "/";
  // `//host` and `/\host` would leave this server.
  return /^\/(?![/\\])/.test(target) ? target : "/";
}
