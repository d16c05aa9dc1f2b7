// Changes that others make. Open pages read their data again within a second.
//
// A browser opens few connections to one server (six in HTTP/1.1) for all tabs. So a tab has one stream at a time, and only
// while it is visible. A tab that becomes visible reads everything again.

import { subscribe } from "./graph.js";
import { reloadAll } from "./query.js";
import { viewer } from "./session.js";

const QUIET_MILLISECONDS = 150;
const MAX_PAUSE_MILLISECONDS = 30_000;
/** @typedef {{ operation: string, variables: Record<string, any> }} Subscription */

/** @type {AbortController | undefined} */
let stream;
/** @type {Subscription | undefined} */
let subscription;
let timer = 0;
let userId = /** @type {string | undefined} */ (undefined);

// A stream belongs to the user who has opened it.
viewer.subscribe((newViewer) => {
  if (newViewer?.user.id === userId) return;
  userId = newViewer?.user.id;
  listen(undefined);
});

document.addEventListener("visibilitychange", () => {
  if (document.hidden) close();
  else if (subscription) {
    open();
    reloadAll();
  }
});

/** Listen to this subscription, and to no other. Undefined: to none. @param {Subscription | undefined} newSubscription */
export function listen(newSubscription) {
  if (JSON.stringify(newSubscription) === JSON.stringify(subscription)) return;
  subscription = newSubscription;
  close();
  if (!document.hidden) open();
}

function close() {
  stream?.abort();
  stream = undefined;
}

function open() {
  if (stream || !subscription) return;
  stream = new AbortController();
  follow(subscription, stream.signal);
}

/** Follow a subscription until the signal, with growing pauses after failures. @param {Subscription} followed @param {AbortSignal} signal */
async function follow({ operation, variables }, signal) {
  let pause = 1_000;
  while (!signal.aborted) {
    const startedAt = Date.now();
    try {
      // What changed before the stream was open is read once it is.
      const end = await subscribe(operation, variables, { onOpen: scheduleReload, onResult: scheduleReload, signal });
      if (signal.aborted) return;
      scheduleReload();
      // The right to listen has ended: the pages read what is left, and listen again if they may.
      if (end === "refused") return;
    } catch {
      if (signal.aborted) return;
    }
    pause = Date.now() - startedAt > MAX_PAUSE_MILLISECONDS ? 1_000 : Math.min(pause * 2, MAX_PAUSE_MILLISECONDS);
    await new Promise((resolve) => setTimeout(resolve, pause));
    if (!signal.aborted) scheduleReload();
  }
}

/** Several changes at once are one reload. */
function scheduleReload() {
  clearTimeout(timer);
  timer = setTimeout(reloadAll, QUIET_MILLISECONDS);
}
