// The answer of a query that is no list: while it is loaded, if it failed, and what is made of it.

import { translate } from "../core/texts.js";
import { html } from "../core/view.js";
import { Problem } from "./problem.js";

/** `children` is a function that gets the data. @param {{ query: { data: any, problem: string | null, reload: () => void }, children: (data: any) => any }} properties */
export function Answer({ query: { data: answer, problem, reload }, children }) {
  // After the end of the session there is no viewer. The sign-in is about to be shown.
  const data = answer?.viewer === null ? null : answer;
  return html`
    ${problem && html`<${Problem} problem=${problem} retry=${reload} />`}
    ${!data && !problem && html`<p class="loading">${translate("Loading…")}</p>`}
    ${data && children(data)}
  `;
}
