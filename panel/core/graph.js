// Requests to the graph. Each operation is one of panel/operations.graphql, and is named by the components that use it.

import { locale, translate } from "./texts.js";

/** @typedef {{ message: string, path?: (string | number)[], extensions?: Record<string, any> }} GraphError */
/** @typedef {{ data: any, errors: GraphError[] }} GraphResult */

const HEADERS = { "Content-Type": "application/json", "X-Session": "cookie" };
/** Headers that say in which account a request runs, and as whom the account is viewed. @type {Record<string, string>} */
let scopeHeaders = {};
/** @type {Promise<Record<string, string>> | undefined} */
let operations;

/** The server did not answer, or not in GraphQL. */
export class NetworkError extends Error {}

/** The messages of errors as one text, each once. @param {{ message: string }[]} errors */
export function describeErrors(errors) {
  return [...new Set(errors.map(({ message }) => message))].join(" ") || translate("The server did not answer. Try again.");
}

/** What the user reads of a NetworkError. Any other error is thrown again. @param {unknown} error */
export function describeFailure(error) {
  if (!(error instanceof NetworkError)) throw error;
  return translate("The server did not answer. Try again.");
}

/** Send all later requests in this account, viewed as a role or a grant if `viewAs` is set. @param {number | null} account @param {string | null} viewAs */
export function setScope(account, viewAs) {
  scopeHeaders = { ...(account === null ? {} : { "X-Account": String(account) }), ...(viewAs ? { "X-View-As": viewAs } : {}) };
}

/** True if this installation has the operation. Those of a module that is switched off are missing. Throws NetworkError. @param {string} name */
export const hasOperation = async (name) => (await loadOperations())[name] !== undefined;

/** Run an operation. Its result can have data and errors. Throws NetworkError. @param {string} name @param {Record<string, any>} [variables] @param {{ anyView?: boolean }} [options] @returns {Promise<GraphResult>} */
export async function execute(name, variables = {}, { anyView = false } = {}) {
  const response = await send(name, variables, "application/graphql-response+json, application/json", anyView);
  let body;
  try {
    body = await response.json();
  } catch (error) {
    throw new NetworkError(String(error));
  }
  if (!body || (body.data === undefined && !body.errors)) throw new NetworkError(`status ${response.status}`);
  return { data: body.data ?? null, errors: body.errors ?? [] };
}

/** Open a subscription and call `onResult` for each result. Ends with the signal, or with the connection. @param {string} name @param {Record<string, any>} variables @param {{ onOpen: () => void, onResult: (result: any) => void, signal: AbortSignal }} options @returns {Promise<"complete" | "lost" | "refused">} */
export async function subscribe(name, variables, { onOpen, onResult, signal }) {
  const response = await send(name, variables, "text/event-stream", true, signal);
  // A busy or restarting server, or the proxy before it, refuses nothing for good.
  if (response.status === 429 || response.status >= 500) return "lost";
  if (!response.ok || !response.body || !response.headers.get("Content-Type")?.startsWith("text/event-stream")) return "refused";
  onOpen();
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let buffer = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return "lost";
    buffer += value;
    const events = buffer.split("\n\n");
    buffer = events.pop() ?? "";
    for (const event of events) {
      if (event.startsWith("event: complete")) return "complete";
      const data = event.split("\n").find((line) => line.startsWith("data: "));
      if (event.startsWith("event: next") && data) onResult(JSON.parse(data.slice("data: ".length)));
    }
  }
}

async function send(name, variables, accept, anyView, signal) {
  const query = (await loadOperations())[name];
  if (!query) throw new Error(`No operation is named ${name}.`);
  // View-as allows queries only, so mutations and streams are sent as the user themselves.
  const scope = anyView ? Object.fromEntries(Object.entries(scopeHeaders).filter(([header]) => header !== "X-View-As")) : scopeHeaders;
  try {
    return await fetch("/graphql", {
      method: "POST",
      credentials: "same-origin",
      headers: { ...HEADERS, ...scope, Accept: accept, "Accept-Language": locale.value },
      body: JSON.stringify({ query, variables, operationName: name }),
      signal,
    });
  } catch (error) {
    throw new NetworkError(String(error));
  }
}

function loadOperations() {
  operations ??= fetch("/static/panel/operations.json").then(
    (response) => {
      if (!response.ok) throw new NetworkError(`status ${response.status}`);
      return response.json();
    },
  );
  operations.catch(() => {
    operations = undefined;
  });
  return operations;
}
