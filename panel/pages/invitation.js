// An invitation: what it offers, and three ways to accept it: with the current login, another login, or a new one.

import { DoorFrame } from "../components/layout.js";
import { Problem } from "../components/problem.js";
import { Field, Form } from "../components/form.js";
import { formatInstant } from "../core/formats.js";
import { mutate, useQuery } from "../core/query.js";
import { address } from "../core/router.js";
import { loadViewer, viewer } from "../core/session.js";
import { useStore } from "../core/store.js";
import { translate } from "../core/texts.js";
import { html, useState } from "../core/view.js";
import { enter, MissingToken, signIn, SignInFields } from "./doors.js";

export default function InvitationPage() {
  const { token } = useStore(address);
  const [isDeclined, setDeclined] = useState(false);
  const { data, problem, isLoading, reload } = useQuery("InvitationPreview", { token }, { skip: !token });
  const title = translate("You are invited");
  if (!token) return html`<${MissingToken} title=${title} />`;
  if (isDeclined) return html`<${DoorFrame} title=${title}><p role="status">${translate("You declined the invitation. You have no access to the account.")}</p><p><a href="/">${translate("To the start")}</a></p><//>`;
  if (isLoading && !data) return html`<${DoorFrame} title=${title}><p class="loading">${translate("Loading…")}</p><//>`;
  if (!data) return html`<${DoorFrame} title=${title}><${Problem} problem=${problem ?? ""} retry=${reload} /><//>`;
  const { invitation, roles } = data;
  if (invitation?.grant?.account)
    return html`<${DoorFrame} title=${title}><p>${translate("You have accepted this invitation.")}</p><p><a href=${`/a/${invitation.grant.account.number}`}>${translate("To the account")}</a></p><//>`;
  if (invitation?.status === "EXPIRED")
    return html`<${DoorFrame} title=${title}><p class="problem">${translate("This invitation has expired. Ask %(name)s for a new one.", { name: invitation.invitedByName })}</p><//>`;
  if (invitation?.status !== "PENDING")
    return html`<${DoorFrame} title=${title}><p class="problem">${translate("This link does not work, or it no longer works.")}</p><p>${translate("If you have accepted it before, sign in.")}</p><p><a href="/">${translate("To the start")}</a></p><//>`;
  return html`<${DoorFrame} title=${title}>
    <${Offer} invitation=${invitation} role=${roles.find((/** @type {any} */ { role }) => role === invitation.role)} />
    <${Answers} invitation=${invitation} token=${token} onDeclined=${() => setDeclined(true)} />
  <//>`;
}

function Offer({ invitation, role }) {
  return html`<dl>
    <dt>${translate("Account")}</dt><dd>${invitation.accountName}</dd>
    <dt>${translate("Invited by")}</dt><dd>${invitation.invitedByName}</dd>
    <dt>${translate("Role")}</dt><dd><strong>${role?.name}</strong><br />${role?.description}</dd>
    <dt>${translate("Sent to")}</dt><dd>${invitation.email}</dd>
    <dt>${translate("Expires")}</dt><dd>${formatInstant(invitation.expiresAt)}</dd>
  </dl>`;
}

/** An address as the graph masks it: j***@example.com. @param {string} email */
const mask = (email) => `${email.slice(0, 1)}***@${email.slice(email.lastIndexOf("@") + 1)}`.toLowerCase();

function Answers({ invitation, token, onDeclined }) {
  const user = useStore(viewer)?.user;
  const [needsCode, setNeedsCode] = useState(false);
  const [problem, setProblem] = useState("");
  const accept = (/** @type {any} */ input) => mutate("AcceptInvitation", { token, ...input });
  const show = (/** @type {any} */ { account, isRefused }) => {
    if (!isRefused) enter(account ? `/a/${account.number}` : "/accounts");
  };
  const signInAndAccept = async (/** @type {any} */ values) => {
    setProblem("");
    const signInPayload = await signIn(values, () => setNeedsCode(true));
    if (signInPayload.errors.length) return signInPayload;
    const payload = await accept({});
    if (!payload.errors.length) return payload;
    // The visitor is signed in now, so the page changes. The problem stays above it.
    setProblem(payload.errors.map((/** @type {any} */ { message }) => message).join(" "));
    await loadViewer().catch(() => undefined);
    return { errors: [], isRefused: true };
  };
  const isOtherAddress = user && mask(user.email) !== invitation.email.toLowerCase();
  return html`
    <div role="alert">${problem && html`<p class="problem">${problem}</p>`}</div>
    ${user &&
    html`<${Form} submit=${translate("Accept as %(name)s", { name: user.name })} kind=${isOtherAddress ? "secondary" : ""} run=${() => accept({})} onDone=${show} />
      <p><small>${user.email}</small></p>
      ${isOtherAddress && html`<p><small>${translate("The invitation was sent to another address. It works with your login only if the inviter has allowed this.")}</small></p>`}`}
    <details open=${!user && invitation.hasLogin}>
      <summary>${user ? translate("Accept with another login") : translate("Accept with my login")}</summary>
      <${Form} submit=${translate("Sign in and accept")} run=${signInAndAccept} onDone=${show}>
        <${SignInFields} needsCode=${needsCode} />
      <//>
    </details>
    ${!invitation.hasLogin &&
    html`<details open=${!user}>
      <summary>${translate("Accept with a new login")}</summary>
      <p><small>${translate("You sign in with the address that the invitation was sent to.")}</small></p>
      <${Form} submit=${translate("Create a login and accept")} run=${({ name, password }) => accept({ name, password })} onDone=${show}>
        <${Field} name="name" label=${translate("Your name")} autocomplete="name" required />
        <${Field} name="password" label=${translate("Password")} type="password" autocomplete="new-password" hint=${translate("At least twelve characters, and not easy to guess.")} required />
      <//>
    </details>`}
    <hr />
    <${Form} submit=${translate("Decline")} kind="secondary" run=${() => mutate("DeclineInvitation", { token })} onDone=${onDeclined} />
  `;
}
