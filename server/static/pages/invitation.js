import { execute, requireSuccess, finish, onSubmit, showProblem, token } from "./graph.js";

const PREVIEW = `query ($token: String!) {
  invitation(token: $token) { status accountName invitedByName email role expiresAt hasLogin }
}`;
const SIGN_IN = `mutation ($input: SignInInput!) {
  signIn(input: $input) { accessToken errors { code message field } }
}`;
const ACCEPT = `mutation ($input: AcceptInvitationInput!) {
  acceptInvitation(input: $input) { accessToken account { name } errors { code message field } }
}`;
const DECLINE = `mutation ($input: DeclineInvitationInput!) {
  declineInvitation(input: $input) { errors { code message field } }
}`;

const element = (id) => document.getElementById(id);
let accountName = "";

async function accept(input, accessToken) {
  const data = await execute(ACCEPT, { input: { token, ...input } }, accessToken);
  const payload = requireSuccess(data.acceptInvitation);
  finish(`You now have access to ${payload.account?.name ?? accountName}.`, payload.accessToken ?? accessToken);
}

// Sign in only once, even if the acceptance is refused and the user tries again.
let signIn;
onSubmit(element("sign-in"), async ({ email, password, oneTimeCode }) => {
  if (signIn?.email !== email || signIn.password !== password) {
    const data = await execute(SIGN_IN, { input: { email, password, oneTimeCode: oneTimeCode || null } });
    signIn = { email, password, accessToken: requireSuccess(data.signIn).accessToken };
  }
  await accept({}, signIn.accessToken);
});

onSubmit(element("new-login"), ({ name, password }) => accept({ name, password }));

onSubmit(element("decline"), async () => {
  requireSuccess((await execute(DECLINE, { input: { token } })).declineInvitation);
  finish("You declined the invitation. You have no access to the account.");
});

function show(invitation) {
  accountName = invitation.accountName;
  element("account").textContent = invitation.accountName;
  element("inviter").textContent = invitation.invitedByName;
  element("role").textContent = invitation.role.toLowerCase().replaceAll("_", " ");
  element("address").textContent = invitation.email;
  element("expires").textContent = new Date(invitation.expiresAt).toLocaleString();
  element(invitation.hasLogin ? "with-login" : "without-login").open = true;
  element("step").hidden = false;
}

try {
  const { invitation } = await execute(PREVIEW, { token });
  if (invitation?.status === "PENDING") show(invitation);
  else if (invitation?.status === "EXPIRED") showProblem("This invitation has expired. Ask for a new one.");
  else showProblem("This link does not work, or it no longer works.");
} catch (error) {
  showProblem(error.message);
}
