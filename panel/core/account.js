// The account of the address: what every page of an account needs of it, and what the viewer may do in it.

import { describeErrors, describeFailure, setScope } from "./graph.js";
import { Store } from "./store.js";
import { explainDecision } from "./decisions.js";
import { executeInSession, viewer } from "./session.js";

/** @typedef {{ allowed: boolean, reason: string, explanation: string, needsReauthentication: boolean }} Decision */
/** @typedef {{ id: string, number: number, name: string, kind: string, status: string, closesAt: string | null, viewerGrant: any, decisions: Record<string, Decision> }} AccountFrame */

/** Codes of errors that do not say whether the viewer can enter the account. */
const TEMPORARY_ERRORS = ["RATE_LIMITED", "SERVICE_UNAVAILABLE", "INTERNAL_SERVER_ERROR"];

/** The account; null: the viewer cannot enter it; undefined: not read yet. @type {Store<AccountFrame | null | undefined>} */
export const account = new Store(/** @type {AccountFrame | null | undefined} */ (undefined));

/** Why the account could not be read the last time. Empty if it was. */
export const accountProblem = new Store("");

/** As whom the account is viewed: a role or the id of a grant, with a label. Null: as the user themselves. @type {Store<{ value: string, label: string } | null>} */
export const viewAs = new Store(/** @type {{ value: string, label: string } | null} */ (null));

/** The account of the address. Each change of the account, the view or the user makes a new object: answers for a former one are dropped. */
let scope = { number: /** @type {number | null} */ (null) };
let lastRequest = 0;
let lastAnswer = 0;

/** The user for whom the account was read. */
let userId = /** @type {string | undefined} */ (undefined);

// The next user of this tab must see nothing of the former one, and not through the same view.
viewer.subscribe((newViewer) => {
  if (newViewer?.user.id === userId) return;
  userId = newViewer?.user.id;
  changeScope(null, null);
});

/** Enter the account with this number, or none. @param {number | null} number */
export async function enterAccount(number) {
  if (number !== scope.number) changeScope(number, null);
  if (number !== null) await loadAccount();
}

/**
 * View the account as a role or the holder of a grant, or as the user themselves.
 *
 * The page is taken away and built again, so that it keeps nothing of what the former viewer saw.
 * @param {{ value: string, label: string } | null} view
 */
export async function viewAccountAs(view) {
  changeScope(scope.number, view);
  await loadAccount();
}

/** @param {number | null} number @param {{ value: string, label: string } | null} view */
function changeScope(number, view) {
  scope = { number };
  setScope(number, view?.value ?? null);
  viewAs.set(view);
  account.set(undefined);
  accountProblem.set("");
}

/** Read the account again. If that is not possible, `accountProblem` says why, and the account stays as it was. */
export async function loadAccount() {
  const expectedScope = scope;
  if (expectedScope.number === null) return;
  const request = ++lastRequest;
  let result;
  try {
    result = await executeInSession("AccountFrame", { number: expectedScope.number });
  } catch (error) {
    const problem = describeFailure(error);
    if (expectedScope === scope) accountProblem.set(problem);
    return;
  }
  if (expectedScope !== scope || request < lastAnswer) return;
  lastAnswer = request;
  const frame = result.data?.account ?? null;
  const isTemporary = !frame && result.errors.some(({ extensions }) => TEMPORARY_ERRORS.includes(extensions?.code));
  accountProblem.set(isTemporary ? describeErrors(result.errors) : "");
  if (!isTemporary) account.set(frame && { ...frame, decisions: readDecisions(frame) });
}

/** The decisions of the frame by the name of their permission. */
function readDecisions(frame) {
  const decisions = Object.values(frame).filter((value) => value?.__typename === "AccessDecision");
  return Object.fromEntries(decisions.map((decision) => [decision.permission, { ...decision, explanation: explainDecision(decision, frame) }]));
}
