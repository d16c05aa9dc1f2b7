// The authenticator app as a second factor, and the recovery codes that help if it is lost.

import { Answer } from "../../components/answer.js";
import { ConfirmButton, DialogButton } from "../../components/dialog.js";
import { Field, Form } from "../../components/form.js";
import { copyText } from "../../core/files.js";
import { formatDate } from "../../core/formats.js";
import { mutate, useQuery } from "../../core/query.js";
import { translate, translatePlural } from "../../core/texts.js";
import { html, useMemo, useState } from "../../core/view.js";
import { encodeQr } from "./qr.js";

/** The fewest unused recovery codes that need no warning. */
const ENOUGH_CODES = 3;
const QUIET_MODULES = 4;

/** The cards of the app and of the recovery codes. @param {{ onCodes: (codes: string[]) => void }} properties */
export function SecondFactor({ onCodes }) {
  const query = useQuery("Security");
  const [enrolment, setEnrolment] = useState(/** @type {{ secret: string, uri: string } | null} */ (null));
  const finish = (/** @type {any} */ { recoveryCodes }) => {
    setEnrolment(null);
    if (recoveryCodes) onCodes(recoveryCodes);
  };
  return html`<${Answer} query=${query}>
    ${({ viewer: { secondFactor, passkeys } }) => html`
      <section class="card" aria-label=${translate("Authenticator app")}>
        <h2>${translate("Authenticator app")}</h2>
        ${secondFactor.isActive
          ? html`<${Active} secondFactor=${secondFactor} hasPasskey=${passkeys.length > 0} />`
          : enrolment
            ? html`<${Enrolment} ...${enrolment} cancel=${() => setEnrolment(null)} onDone=${finish} />`
            : html`<${Begin} onDone=${setEnrolment} />`}
      </section>
      ${(secondFactor.isActive || passkeys.length > 0) && html`<${CodesLeft} count=${secondFactor.recoveryCodesLeft} onCodes=${onCodes} />`}
    `}
  <//>`;
}

function Begin({ onDone }) {
  return html`
    <p>${translate("With an authenticator app on your phone, your password alone is not enough to sign in. Some accounts demand a second factor.")}</p>
    <details>
      <summary>${translate("Set up an authenticator app")}</summary>
      <${Form} submit=${translate("Begin")} run=${({ password }) => mutate("EnrollSecondFactor", { password })} onDone=${onDone}>
        <${Password} />
      <//>
    </details>
  `;
}

function Enrolment({ secret, uri, cancel, onDone }) {
  const [isCopied, setCopied] = useState(false);
  return html`
    <ol>
      <li>
        <p>${translate("Scan this code with the app, or enter the secret.")}</p>
        <${QrCode} text=${uri} label=${translate("Code for the authenticator app")} />
        <p><code class="secret">${secret.match(/.{1,4}/g)?.join(" ")}</code></p>
        <p class="buttons">
          <button type="button" onClick=${async () => setCopied(await copyText(secret))}>${isCopied ? translate("Copied") : translate("Copy the secret")}</button>
          <a href=${uri}>${translate("Open the app on this device")}</a>
        </p>
      </li>
      <li>
        <p>${translate("Enter the code that the app shows. Your other sessions end then.")}</p>
        <${Form} submit=${translate("Activate")} run=${({ code }) => mutate("ConfirmSecondFactor", { code })} onDone=${onDone} cancel=${cancel}>
          <${Field} name="code" label=${translate("Code of the app")} autocomplete="one-time-code" inputmode="numeric" required />
        <//>
      </li>
    </ol>
  `;
}

function Active({ secondFactor: { confirmedAt }, hasPasskey }) {
  return html`
    <p>${translate("Active since %(date)s. You need a code of your app to sign in with your password.", { date: formatDate(confirmedAt) })}</p>
    <${ConfirmButton}
      label=${translate("Remove the app")}
      consequence=${hasPasskey
        ? translate("Your passkeys stay, and so do your recovery codes. Without a passkey you then sign in with your password and a recovery code.")
        : translate("Your password alone is then enough to sign in, and accounts that demand a second factor stay closed to you.")}
      run=${({ password }) => mutate("DisableSecondFactor", { password })}
    >
      <${Password} />
    <//>
  `;
}

function CodesLeft({ count, onCodes }) {
  return html`<section class="card" aria-label=${translate("Recovery codes")}>
    <h2>${translate("Recovery codes")}</h2>
    <p>${translate("A recovery code takes the place of your app or passkey once.")}</p>
    <p class=${count < ENOUGH_CODES ? "problem" : ""}>
      ${translatePlural("%(n)d recovery code is left.", "%(n)d recovery codes are left.", count)}
      ${" "}${count < ENOUGH_CODES && translate("Create new ones, so that you do not lose your login with your phone.")}
    </p>
    <${DialogButton} label=${translate("New recovery codes")}>
      ${(/** @type {() => void} */ close) => html`
        <p>${translate("You get ten new codes. The former ones stop working.")}</p>
        <${Form}
          submit=${translate("Create new codes")}
          run=${({ password }) => mutate("RegenerateRecoveryCodes", { password })}
          cancel=${close}
          onDone=${(/** @type {any} */ payload) => {
            close();
            onCodes(payload.recoveryCodes);
          }}
        >
          <${Password} />
        <//>
      `}
    <//>
  </section>`;
}

const Password = () => html`<${Field} name="password" label=${translate("Password")} type="password" autocomplete="current-password" required />`;

/** A QR code, dark on light also in the dark look. Nothing if the text is too long. @param {{ text: string, label: string }} properties */
function QrCode({ text, label }) {
  const modules = useMemo(() => encodeQr(text), [text]);
  if (!modules) return null;
  const size = modules.length + 2 * QUIET_MODULES;
  const path = modules.flatMap((row, y) => row.flatMap((isDark, x) => (isDark ? [`M${x + QUIET_MODULES},${y + QUIET_MODULES}h1v1h-1z`] : []))).join("");
  return html`<svg class="qr" role="img" aria-label=${label} viewBox=${`0 0 ${size} ${size}`} shape-rendering="crispEdges">
    <rect width=${size} height=${size} fill="#ffffff" /><path d=${path} fill="#000000" />
  </svg>`;
}
