import { execute, requireSuccess, finish, onSubmit, token } from "./graph.js";

const UNDO = `mutation ($input: UndoEmailChangeInput!) {
  undoEmailChange(input: $input) { email errors { code message field } }
}`;

onSubmit(document.getElementById("undo"), async () => {
  const { email } = requireSuccess((await execute(UNDO, { input: { token } })).undoEmailChange);
  finish(`The address of your login is ${email} again. Choose a new password by the link in your mail.`);
});
