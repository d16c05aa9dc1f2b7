// What went wrong, with a button that tries again.

import { translate } from "../core/texts.js";
import { html } from "../core/view.js";

/** @param {{ problem: string, retry: () => void }} properties */
export function Problem({ problem, retry }) {
  return html`<div class="problem" role="alert"><p>${problem}</p><button type="button" onClick=${retry}>${translate("Try again")}</button></div>`;
}
