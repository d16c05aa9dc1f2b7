import { execute, requireSuccess, finish, onSubmit, token } from "./graph.js";

const ACTIVATE = `mutation ($input: ActivateInput!) {
  activate(input: $input) { accessToken errors { code message field } }
}`;
const SIGN_IN = `mutation ($input: SignInInput!) {
  signIn(input: $input) { accessToken errors { code message field } }
}`;

async function activate(password, accessToken) {
  const data = await execute(ACTIVATE, { input: { token, password } }, accessToken);
  finish("Your login is active.", requireSuccess(data.activate).accessToken);
}

onSubmit(document.getElementById("activate"), ({ password }) => activate(password || null));

// Sign in only once, even if the activation is refused and the user tries again.
let signIn;
onSubmit(document.getElementById("sign-in"), async ({ email, password }) => {
  if (signIn?.email !== email || signIn.password !== password) {
    const data = await execute(SIGN_IN, { input: { email, password } });
    signIn = { email, password, accessToken: requireSuccess(data.signIn).accessToken };
  }
  await activate(null, signIn.accessToken);
});
