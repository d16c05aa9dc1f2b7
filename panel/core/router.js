// The address of the page: `/a/NUMBER/...` has the account, so that two tabs can be two accounts and a link can be sent.

import { Store } from "./store.js";

/** The address that is shown: its path, the parameters after the `?`, and the token after the `#`. */
export const address = new Store(readAddress());

addEventListener("popstate", () => address.set(readAddress()));
addEventListener("hashchange", () => address.set(readAddress()));

function readAddress() {
  return { path: location.pathname, query: new URLSearchParams(location.search), token: location.hash.slice(1) };
}

/** Show another page. @param {string} target @param {{ replace?: boolean }} [options] */
export function navigate(target, { replace = false } = {}) {
  history[replace ? "replaceState" : "pushState"](null, "", target);
  address.set(readAddress());
  if (!replace) scrollTo(0, 0);
}

/** Change parameters of the address. Empty ones are removed. @param {Record<string, string>} parameters */
export function setParameters(parameters) {
  const query = new URLSearchParams(location.search);
  for (const [name, value] of Object.entries(parameters)) {
    if (value) query.set(name, value);
    else query.delete(name);
  }
  const text = query.toString();
  navigate(`${location.pathname}${text ? `?${text}` : ""}`, { replace: true });
}

/** Remove a used token from the address bar, so that it is not copied or kept in the history. */
export function removeToken() {
  history.replaceState(null, "", location.pathname + location.search);
}

/** The parameters of a path that matches a pattern such as `/a/:number/users`, or null. @param {string} pattern @param {string} path @returns {Record<string, string> | null} */
export function match(pattern, path) {
  const names = pattern.split("/");
  const parts = path.replace(/(.)\/$/, "$1").split("/");
  if (names.length !== parts.length) return null;
  /** @type {Record<string, string>} */
  const parameters = {};
  for (const [index, name] of names.entries()) {
    const part = parts[index] ?? "";
    if (name.startsWith(":") && part) parameters[name.slice(1)] = part;
    else if (name !== part) return null;
  }
  return parameters;
}

/** Follow links inside the panel without loading the document again. @param {MouseEvent} event */
export function followLink(event) {
  const link = event.target instanceof Element ? event.target.closest("a") : null;
  const isPlainClick = event.button === 0 && !event.ctrlKey && !event.metaKey && !event.shiftKey && !event.altKey;
  if (!link || !isPlainClick || event.defaultPrevented || link.target || link.hasAttribute("download")) return;
  if (link.origin !== location.origin || (link.hash && link.pathname === location.pathname)) return;
  event.preventDefault();
  navigate(link.href);
}
