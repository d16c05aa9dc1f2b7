import { execute, requireSuccess, finish, onSubmit, token } from "./graph.js";

const RESET = `mutation ($input: ResetPasswordInput!) {
  resetPassword(input: $input) { errors { code message field } }
}`;

onSubmit(document.getElementById("reset"), async ({ password }) => {
  requireSuccess((await execute(RESET, { input: { token, password } })).resetPassword);
  finish("Your password is changed. Sign in with the new one.");
});
