// Pages without a session: sign in, sign up, and those that mailed links open.
//
// The token of a mailed link is after the `#`, which browsers never send to a server. Opening a page changes nothing.

import { DoorFrame } from "../components/layout.js";
import { Field, Form } from "../components/form.js";
import { hasPasskeys, signInWithPasskey } from "../core/passkeys.js";
import { mutate } from "../core/query.js";
import { address, navigate, removeToken } from "../core/router.js";
import { loadViewer, nextPage, viewer } from "../core/session.js";
import { useStore } from "../core/store.js";
import { locale, translate } from "../core/texts.js";
import { html, useEffect, useState } from "../core/view.js";

const secretKey = (/** @type {string} */ email) => `registration:${email.toLowerCase()}`;

/** Read who is signed in now, and show a page. @param {string} target */
export async function enter(target) {
  try {
    await loadViewer();
  } catch {
    // The server does not answer at the moment. The start of the panel says so, and tries again.
    location.replace(target);
    return;
  }
  navigate(target, { replace: true });
}

/** The fields of a sign-in. The code is asked for after the graph has demanded it. @param {{ needsCode: boolean, email?: string }} properties */
export function SignInFields({ needsCode, email }) {
  return html`
    <${Field} name="email" label=${translate("E-mail")} type="email" autocomplete="username" value=${email} required />
    <${Field} name="password" label=${translate("Password")} type="password" autocomplete="current-password" required />
    ${needsCode &&
    html`<${Field} name="oneTimeCode" label=${translate("Code of your authenticator app, or a recovery code")} autocomplete="one-time-code" autocapitalize="none" spellcheck=${false} />`}
  `;
}

/** Sign in with the values of SignInFields. `onCodeRequired` is called if the login has a second factor. @param {Record<string, string>} values @param {() => void} onCodeRequired */
export async function signIn({ email, password, oneTimeCode }, onCodeRequired) {
  const payload = await mutate("SignIn", { email, password, oneTimeCode: oneTimeCode || null });
  if (payload.errors.some((/** @type {any} */ error) => error.code === "ONE_TIME_CODE_REQUIRED")) onCodeRequired();
  return payload;
}

export function SignIn() {
  const { query } = useStore(address);
  const user = useStore(viewer)?.user;
  const [needsCode, setNeedsCode] = useState(false);
  const [unactivated, setUnactivated] = useState("");
  const finish = () => enter(nextPage(query));
  const run = async (/** @type {any} */ values) => {
    const payload = await signIn(values, () => setNeedsCode(true));
    setUnactivated(payload.errors.some((/** @type {any} */ { code }) => code === "NOT_ACTIVATED") ? values.email : "");
    return payload;
  };
  return html`<${DoorFrame} title=${translate("Sign in")}>
    <div role="status">
      ${query.get("notice") === "erased" && html`<p class="notice">${translate("Your login is erased.")}</p>`}
      ${user && html`<p class="notice"><span>${translate("You are signed in as %(name)s.", { name: user.name })} <a href=${nextPage(query)}>${translate("Continue")}</a></span></p>`}
    </div>
    <${Form} submit=${translate("Sign in")} run=${run} onDone=${finish}>
      <${SignInFields} needsCode=${needsCode} />
    <//>
    ${unactivated && html`<${Repeat} key=${unactivated} email=${unactivated} operation="ResendActivation" />`}
    ${hasPasskeys() && html`<${Form} submit=${translate("Sign in with a passkey")} kind="secondary" run=${signInWithPasskey} onDone=${finish} />`}
    <p><a href="/forgot">${translate("Forgot your password?")}</a></p>
    <p>${translate("No login yet?")} <a href="/sign-up">${translate("Sign up")}</a></p>
  <//>`;
}

export function SignUp() {
  const [email, setEmail] = useState("");
  const register = async (/** @type {any} */ values) => {
    const payload = await mutate("Register", { ...values, accountName: values.accountName || null, locale: locale.value });
    // The activation proves with this secret that the password of the form is the user's own.
    if (payload.registrationSecret) localStorage.setItem(secretKey(values.email), payload.registrationSecret);
    if (!payload.errors.length) setEmail(values.email);
    return payload;
  };
  if (email) return html`<${DoorFrame} title=${translate("Look into your mailbox")}><${MailSent} email=${email} operation="ResendActivation" /><//>`;
  return html`<${DoorFrame} title=${translate("Sign up")}>
    <${Form} submit=${translate("Sign up")} run=${register}>
      <${Field} name="name" label=${translate("Your name")} autocomplete="name" required />
      <${Field} name="email" label=${translate("E-mail")} type="email" autocomplete="username" required />
      <${Field} name="password" label=${translate("Password")} type="password" autocomplete="new-password" required hint=${translate("At least twelve characters, and not easy to guess.")} />
      <${Field} name="accountName" label=${translate("Name of your company")} autocomplete="organization" hint=${translate("It names your account. You can change it later.")} />
    <//>
    <p>${translate("You have a login?")} <a href="/sign-in">${translate("Sign in")}</a></p>
  <//>`;
}

/** What happens next after a mail, with a button that sends it again. @param {{ email: string, operation: string }} properties */
function MailSent({ email, operation }) {
  return html`
    <p>${translate("If this address can be used, a mail with a link is on its way to %(email)s.", { email })}</p>
    <${Repeat} email=${email} operation=${operation} />
    <p><a href="/sign-in">${translate("To the sign-in")}</a></p>
  `;
}

/** A button that sends a mail again. @param {{ email: string, operation: string }} properties */
function Repeat({ email, operation }) {
  const [isRepeated, setRepeated] = useState(false);
  return html`
    <${Form} submit=${translate("Send the mail again")} kind="secondary" run=${() => mutate(operation, { email })} onDone=${() => setRepeated(true)} />
    <p role="status">${isRepeated && translate("The mail was sent again.")}</p>
  `;
}

const isRegistration = (/** @type {string} */ key) => key.startsWith("registration:");

/** Remove the secrets of registrations: a login that is active needs none. */
function removeSecrets() {
  for (const key of Object.keys(localStorage).filter(isRegistration)) localStorage.removeItem(key);
}

export function Activate() {
  const { token } = useStore(address);
  const user = useStore(viewer);
  // What the graph has demanded: a password, a sign-in with a login that exists, or a link that works.
  const [demand, setDemand] = useState("");
  useEffect(() => {
    // The field for the password is new in the page.
    if (demand === "REQUIRED") /** @type {HTMLInputElement | null} */ (document.querySelector("main input"))?.focus();
  }, [demand]);
  const activate = async (/** @type {any} */ { password }) => {
    const input = { token, password: password || null };
    // This browser may have registered several addresses. Only the secret of this token's address is accepted.
    for (const [, registrationSecret] of password ? [] : Object.entries(localStorage).filter(([key]) => isRegistration(key))) {
      const payload = await mutate("Activate", { ...input, registrationSecret });
      if (!needsPassword(payload)) return note(payload);
    }
    return note(await mutate("Activate", input));
  };
  const note = (/** @type {any} */ payload) => {
    const code = payload.errors[0]?.code ?? "";
    // A missing password is no mistake of the visitor: the field was not there yet.
    if (needsPassword(payload) && demand !== "REQUIRED") {
      setDemand("REQUIRED");
      return { errors: [], isIncomplete: true };
    }
    if (code === "ALREADY_ACTIVE") removeSecrets();
    if (["ALREADY_ACTIVE", "SIGN_IN_REQUIRED", "TOKEN_INVALID", "TOKEN_EXPIRED"].includes(code)) setDemand(code);
    return payload;
  };
  const finish = (/** @type {any} */ { isIncomplete }) => {
    if (isIncomplete) return;
    removeSecrets();
    enter("/");
  };
  if (!token) return html`<${MissingToken} title=${translate("Activate your login")} />`;
  return html`<${DoorFrame} title=${translate("Activate your login")}>
    <p>${demand === "REQUIRED" ? translate("Choose a password for your login.") : translate("Press the button to activate your login.")}</p>
    <${Form} submit=${translate("Activate")} run=${activate} onDone=${finish}>
      ${demand === "REQUIRED" &&
      html`<${Field} name="password" label=${translate("New password")} type="password" autocomplete="new-password" hint=${translate("At least twelve characters, and not easy to guess.")} required />`}
    <//>
    ${demand === "SIGN_IN_REQUIRED" && html`<h2>${translate("Take the account over")}</h2><p>${translate("Sign in with your existing login. The account then belongs to it.")}</p><${TakeOver} token=${token} />`}
    ${demand.startsWith("TOKEN") && html`<${NewLink} />`}
    ${demand.length > 0 && demand !== "REQUIRED" && html`<p>${user ? html`<a href="/">${translate("To the start")}</a>` : html`<a href="/sign-in">${translate("To the sign-in")}</a>`}</p>`}
  <//>`;
}

const needsPassword = (/** @type {any} */ { errors }) => errors.some(({ code, field }) => code === "REQUIRED" && field?.at(-1) === "password");

/** Asks for a new activation link, in the place of one that no longer works. */
function NewLink() {
  const [email, setEmail] = useState("");
  const request = async (/** @type {any} */ values) => {
    const payload = await mutate("ResendActivation", values);
    if (!payload.errors.length) setEmail(values.email);
    return payload;
  };
  if (email) return html`<p role="status">${translate("If this address can be used, a mail with a link is on its way to %(email)s.", { email })}</p>`;
  return html`<details>
    <summary>${translate("Get a new link")}</summary>
    <${Form} submit=${translate("Send the mail")} run=${request}>
      <${Field} name="email" label=${translate("E-mail")} type="email" autocomplete="username" required />
    <//>
  </details>`;
}

/** Activates a link for the login that the visitor signs in with. @param {{ token: string }} properties */
function TakeOver({ token }) {
  const [needsCode, setNeedsCode] = useState(false);
  const run = async (/** @type {any} */ values) => {
    const signInPayload = await signIn(values, () => setNeedsCode(true));
    if (signInPayload.errors.length) return signInPayload;
    const payload = await mutate("Activate", { token });
    // The visitor is signed in, even if the link does not work for this login.
    if (payload.errors.length) await refreshViewer();
    return payload;
  };
  return html`<${Form} submit=${translate("Sign in and take over")} run=${run} onDone=${() => enter("/")}><${SignInFields} needsCode=${needsCode} /><//>`;
}

export function ForgotPassword() {
  const [email, setEmail] = useState("");
  const request = async (/** @type {any} */ values) => {
    const payload = await mutate("RequestPasswordReset", values);
    if (!payload.errors.length) setEmail(values.email);
    return payload;
  };
  if (email) return html`<${DoorFrame} title=${translate("Look into your mailbox")}><${MailSent} email=${email} operation="RequestPasswordReset" /><//>`;
  return html`<${DoorFrame} title=${translate("Forgot your password?")}>
    <p>${translate("You get a mail with a link to choose a new password.")}</p>
    <${Form} submit=${translate("Send the mail")} run=${request}>
      <${Field} name="email" label=${translate("E-mail")} type="email" autocomplete="username" required />
    <//>
    <p><a href="/sign-in">${translate("To the sign-in")}</a></p>
  <//>`;
}

export function ResetPassword() {
  const { token } = useStore(address);
  const [isDone, setDone] = useState(false);
  const [isUsed, setUsed] = useState(false);
  const user = useStore(viewer);
  const title = translate("Choose a new password");
  if (isDone)
    return html`<${DoorFrame} title=${translate("Your password is changed")}>
      <p role="status">${user ? translate("All other sessions have ended.") : translate("All sessions have ended. Sign in with the new password.")}</p>
      <p>${user ? html`<a href="/">${translate("To the start")}</a>` : html`<a href="/sign-in">${translate("To the sign-in")}</a>`}</p>
    <//>`;
  if (!token) return html`<${MissingToken} title=${title} />`;
  const reset = async (/** @type {any} */ { password }) => {
    const payload = await mutate("ResetPassword", { token, password });
    setUsed(payload.errors.some((/** @type {any} */ { field }) => field?.at(-1) === "token"));
    return payload;
  };
  const finish = () => {
    removeToken();
    refreshViewer().then(() => setDone(true));
  };
  return html`<${DoorFrame} title=${title}>
    <p>${translate("All other sessions of your login end with it.")}</p>
    <${Form} submit=${translate("Save the password")} run=${reset} onDone=${finish}>
      <${Field} name="password" label=${translate("New password")} type="password" autocomplete="new-password" hint=${translate("At least twelve characters, and not easy to guess.")} required />
    <//>
    ${isUsed && html`<p><a href="/forgot">${translate("Get a new link")}</a></p>`}
  <//>`;
}

/** Read who is signed in now: the session of this browser may have ended. */
const refreshViewer = () => loadViewer().catch(() => undefined);

export function ConfirmEmail() {
  return html`<${TokenButton}
    operation="ConfirmEmailChange"
    title=${translate("Use a new address")}
    explanation=${translate("Your login gets this address. You stay signed in, and your accounts stay as they are. Your former address gets a mail with which you can undo the change.")}
    button=${translate("Use this address")}
    outcome=${translate("Your login has its new address.")}
  />`;
}

export function UndoEmail() {
  return html`<${TokenButton}
    operation="UndoEmailChange"
    title=${translate("Undo the change of your address")}
    explanation=${translate("Your login gets its former address back. All other sessions end, and the password no longer works. You get a mail with a link to a new password.")}
    button=${translate("Undo the change")}
    outcome=${translate("Your login has its former address. Look into its mailbox for the link to a new password.")}
  />`;
}

/** A page with one button that uses the token of its link. @param {{ operation: string, title: string, explanation: string, button: string, outcome: string }} properties */
function TokenButton({ operation, title, explanation, button, outcome }) {
  const { token } = useStore(address);
  const [isDone, setDone] = useState(false);
  if (isDone) return html`<${DoorFrame} title=${title}><p role="status">${outcome}</p><p><a href="/">${translate("To the start")}</a></p><//>`;
  if (!token) return html`<${MissingToken} title=${title} />`;
  const finish = () => {
    removeToken();
    setDone(true);
    refreshViewer();
  };
  return html`<${DoorFrame} title=${title}>
    <p>${explanation}</p>
    <${Form} submit=${button} run=${() => mutate(operation, { token })} onDone=${finish} />
    <p><a href="/">${translate("To the start")}</a></p>
  <//>`;
}

/** @param {{ title: string }} properties */
export function MissingToken({ title }) {
  return html`<${DoorFrame} title=${title}>
    <p class="problem">${translate("This address is incomplete. Open the link of your mail again, or copy it whole.")}</p>
    <p><a href="/">${translate("To the start")}</a></p>
  <//>`;
}
