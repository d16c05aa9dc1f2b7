// Reads the page again while the server works on something that no event announces.

import { reloadAll } from "../../core/query.js";
import { useEffect } from "../../core/view.js";

const FIRST_PAUSE_MILLISECONDS = 2_000;
const MAX_PAUSE_MILLISECONDS = 30_000;
const PAUSE_GROWTH = 1.25;

/** Read all data of the page again and again, as long as something waits: after two seconds at first, and then less often. @param {boolean} isWaiting */
export function useWaiting(isWaiting) {
  useEffect(() => {
    if (!isWaiting) return undefined;
    let timer = 0;
    const wait = (/** @type {number} */ pause) => {
      timer = setTimeout(async () => {
        if (!document.hidden) await reloadAll();
        if (timer) wait(Math.min(pause * PAUSE_GROWTH, MAX_PAUSE_MILLISECONDS));
      }, pause);
    };
    wait(FIRST_PAUSE_MILLISECONDS);
    return () => {
      clearTimeout(timer);
      timer = 0;
    };
  }, [isWaiting]);
}
