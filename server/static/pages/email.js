import { execute, requireSuccess, finish, onSubmit, token } from "./graph.js";

const CONFIRM = `mutation ($input: ConfirmEmailChangeInput!) {
  confirmEmailChange(input: $input) { email errors { code message field } }
}`;

onSubmit(document.getElementById("confirm"), async () => {
  const { email } = requireSuccess((await execute(CONFIRM, { input: { token } })).confirmEmailChange);
  finish(`The address of your login is ${email}.`);
});
