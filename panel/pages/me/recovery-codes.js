// Recovery codes, shown once: to copy, to save, or to print.

import { copyText, saveFile } from "../../core/files.js";
import { translate } from "../../core/texts.js";
import { html, useEffect, useRef, useState } from "../../core/view.js";

/** @param {{ codes: string[], onDone: () => void }} properties */
export function RecoveryCodes({ codes, onDone }) {
  const element = useRef(/** @type {HTMLElement | null} */ (null));
  const [isCopied, setCopied] = useState(false);
  useEffect(() => element.current?.focus(), []);
  const text = `${codes.join("\n")}\n`;
  return html`<section ref=${element} class="card printed" tabindex="-1" aria-label=${translate("Your recovery codes")}>
    <h2>${translate("Your recovery codes")}</h2>
    <p>${translate("Each of them takes the place of your app or passkey once. Keep them where you find them without your phone. They are shown only now.")}</p>
    <ul class="codes">${codes.map((code) => html`<li><code>${code}</code></li>`)}</ul>
    <div class="buttons">
      <button type="button" onClick=${async () => setCopied(await copyText(text))}>${isCopied ? translate("Copied") : translate("Copy")}</button>
      <button type="button" onClick=${() => saveFile("fullmakt-recovery-codes.txt", text)}>${translate("Save as a file")}</button>
      <button type="button" onClick=${() => print()}>${translate("Print")}</button>
      <button type="button" class="primary" onClick=${onDone}>${translate("I have stored them")}</button>
    </div>
  </section>`;
}
