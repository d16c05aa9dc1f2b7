import { ask, demand, finish, onSubmit, token } from "./graph.js";

const ACTIVATE = `mutation ($input: ActivateInput!) {
  activate(input: $input) { accessToken errors { code message field } }
}`;

onSubmit(document.getElementById("activate"), async ({ password }) => {
  const data = await ask(ACTIVATE, { input: { token, password: password || null } });
  finish("Your login is active.", demand(data.activate).accessToken);
});
