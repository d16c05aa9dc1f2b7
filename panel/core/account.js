// The account of the address: what every page of an account needs of it, and what the viewer may do in it.

import { execute, setScope } from "./graph.js";
import { Store } from "./store.js";
import { explainDecision } from "./decisions.js";

/** @typedef {{ allowed: boolean, reason: string, explanation: string, needsReauthentication: boolean }} Decision */
/** @typedef {{ id: string, number: number, name: string, kind: string, status: string, closesAt: string | null, viewerGrant: any, decisions: Record<string, Decision> }} AccountFrame */

/** The account; null: the viewer cannot enter it; undefined: not read yet. @type {Store<AccountFrame | null | undefined>} */
export const account = new Store(/** @type {AccountFrame | null | undefined} */ (undefined));

/** As whom the account is viewed: a role or the id of a grant, with a label. Null: as the user themselves. @type {Store<{ value: string, label: string } | null>} */
export const viewAs = new Store(/** @type {{ value: string, label: string } | null} */ (null));

/** The number of the account of the address. */
let number = /** @type {number | null} */ (null);

/** Enter the account with this number, or none. @param {number | null} newNumber */
export async function enterAccount(newNumber) {
  if (newNumber !== number) {
    number = newNumber;
    viewAs.set(null);
    account.set(undefined);
  }
  setScope(number, viewAs.value?.value ?? null);
  if (number !== null) await loadAccount();
}

/**
 * View the account as a role or the holder of a grant, or as the user themselves.
 *
 * The page is taken away and built again, so that it keeps nothing of what the former viewer saw. If the server does not
 * answer, the user sees the account as themselves.
 * @param {{ value: string, label: string } | null} view
 */
export async function viewAccountAs(view) {
  const former = account.value;
  viewAs.set(view);
  setScope(number, view?.value ?? null);
  account.set(undefined);
  try {
    await loadAccount();
  } catch (error) {
    if (!view) return account.set(former);
    await viewAccountAs(null);
  }
}

/** Read the account again. Throws NetworkError. */
export async function loadAccount() {
  const expected = number;
  const { data } = await execute("AccountFrame", { number });
  if (expected !== number) return;
  const frame = data?.account ?? null;
  account.set(frame && { ...frame, decisions: readDecisions(frame) });
}

/** The decisions of the frame by the name of their permission. */
function readDecisions(frame) {
  const decisions = Object.values(frame).filter((value) => value?.__typename === "AccessDecision");
  return Object.fromEntries(decisions.map((decision) => [decision.permission, { ...decision, explanation: explainDecision(decision, frame) }]));
}
