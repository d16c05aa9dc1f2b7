import { ask, demand, finish, onSubmit, token } from "./graph.js";

const ACTIVATE = `mutation ($input: ActivateInput!) {
  activate(input: $input) { accessToken errors { code message field } }
}`;
const SIGN_IN = `mutation ($input: SignInInput!) {
  signIn(input: $input) { accessToken errors { code message field } }
}`;

async function activate(password, accessToken) {
  const data = await ask(ACTIVATE, { input: { token, password } }, accessToken);
  finish("Your login is active.", demand(data.activate).accessToken);
}

onSubmit(document.getElementById("activate"), ({ password }) => activate(password || null));

// A second try after a refused activation signs in no second time.
let signedIn;
onSubmit(document.getElementById("sign-in"), async ({ email, password }) => {
  if (signedIn?.email !== email || signedIn.password !== password) {
    const data = await ask(SIGN_IN, { input: { email, password } });
    signedIn = { email, password, accessToken: demand(data.signIn).accessToken };
  }
  await activate(null, signedIn.accessToken);
});
