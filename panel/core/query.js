// Hooks that read and change data through the graph.

import { viewAs } from "./account.js";
import { describeErrors, describeFailure } from "./graph.js";
import { executeInSession, viewer } from "./session.js";
import { translate } from "./texts.js";
import { useCallback, useEffect, useRef, useState } from "./view.js";

/** @typedef {{ code: string, message: string, field: string[] | null }} UserError */

/** @type {Set<() => void>} */
const reloaders = new Set();

/** Asks the user for a proof of their identity. Resolves to false if they give up. @type {() => Promise<boolean>} */
let requireReauthentication = async () => false;

/** Set what asks for a proof of identity. @param {() => Promise<boolean>} ask */
export function setReauthentication(ask) {
  requireReauthentication = ask;
}

/** Read the data of all visible queries again, because something has changed. @returns {Promise<void>} */
export async function reloadAll() {
  await Promise.all([...reloaders].map((reload) => reload()));
}

/** Call a function at each change that others make, as long as the component stands. @param {() => Promise<any>} reload */
export function useReload(reload) {
  useEffect(() => {
    const run = () => reload().catch(() => undefined);
    reloaders.add(run);
    return () => {
      reloaders.delete(run);
    };
  }, [reload]);
}

/**
 * The data of a query, read again when the variables change, and when others change something.
 *
 * While it is read again, the former data stay. `data` is null before the first answer. `errors` are those of refused fields.
 * @param {string} operation
 * @param {Record<string, any>} [variables]
 * @param {{ skip?: boolean, anyView?: boolean }} [options] With `anyView`, it is always read as the user themselves.
 */
export function useQuery(operation, variables = {}, { skip = false, anyView = false } = {}) {
  const [result, setResult] = useState(/** @type {{ data: any, errors: any[], problem: string | null, key: string }} */ ({ data: null, errors: [], problem: null, key: "" }));
  const [isLoading, setLoading] = useState(!skip);
  const key = operation + JSON.stringify(variables);
  const requests = useRef({ key: "", sent: 0, answered: 0 });
  const load = useCallback(async () => {
    if (skip) return;
    requests.current.key = key;
    const request = ++requests.current.sent;
    setLoading(true);
    /** @type {typeof result} */
    let newResult;
    try {
      const { data, errors } = await executeInSession(operation, variables, { anyView });
      newResult = { data, errors, problem: data === null ? describeErrors(errors) : null, key };
    } catch (error) {
      newResult = { data: null, errors: [], problem: describeFailure(error), key };
    }
    // A slower answer, to former variables or to an earlier request, must not replace the newer one.
    if (requests.current.key !== key || request < requests.current.answered) return;
    requests.current.answered = request;
    setResult((former) => (newResult.problem && former.key === key && former.data ? { ...former, problem: newResult.problem } : newResult));
    setLoading(false);
  }, [key, skip]);
  useEffect(() => {
    load();
    reloaders.add(load);
    return () => {
      reloaders.delete(load);
      requests.current.key = "";
    };
  }, [load]);
  return { ...result, isLoading, isStale: result.key !== key, reload: load };
}

/**
 * Run a mutation with one input, and ask for the password again if the graph demands it.
 *
 * Returns its payload, whose `errors` are empty on success. Problems that belong to no field are errors without a field.
 * @param {string} operation
 * @param {Record<string, any>} [input]
 * @returns {Promise<any>}
 */
export async function mutate(operation, input) {
  // Mutations run as the user themselves, never as the person or role that they view the account as.
  if (viewAs.value) return { errors: [{ code: "VIEW_AS", message: translate("Nothing can be changed while you see the account as another user."), field: null }] };
  const payload = await runMutation(operation, input);
  if (payload.errors.some((/** @type {UserError} */ error) => error.code === "REAUTHENTICATION_REQUIRED") && viewer.value) {
    if (await requireReauthentication()) return mutate(operation, input);
    return { ...payload, errors: [{ code: "REAUTHENTICATION_REQUIRED", message: translate("The change was not made, because your identity was not confirmed."), field: null }] };
  }
  return payload;
}

async function runMutation(operation, input) {
  try {
    const { data, errors } = await executeInSession(operation, input === undefined ? {} : { input }, { anyView: true });
    const payload = data ? Object.values(data)[0] : null;
    if (payload) return payload;
    return { errors: [{ code: errors[0]?.extensions?.code ?? "ERROR", message: describeErrors(errors), field: null }] };
  } catch (error) {
    return { errors: [{ code: "NETWORK", message: describeFailure(error), field: null }] };
  }
}

/** A key that makes a repeat of the same creation harmless: after a double click or a lost connection. */
export const createIdempotencyKey = () => crypto.randomUUID();
