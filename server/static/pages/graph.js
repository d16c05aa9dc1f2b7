// Shared by all pages: the token after the #, requests to the graph, and messages about the result.

export const token = location.hash.slice(1);
// A link pasted into the same page changes only the part after the #, and the browser does not reload by itself.
addEventListener("hashchange", () => location.reload());

const element = (id) => document.getElementById(id);

/** Runs an operation and returns its data. Throws an Error with a message for the user. */
export async function execute(query, variables, accessToken) {
  const headers = { "Content-Type": "application/json", Accept: "application/graphql-response+json, application/json" };
  if (accessToken) headers.Authorization = `Bearer ${accessToken}`;
  let result;
  try {
    const response = await fetch("/graphql", { method: "POST", headers, credentials: "omit", body: JSON.stringify({ query, variables }) });
    result = await response.json();
  } catch {
    throw new Error("The server did not answer. Try again.");
  }
  if (result.errors?.length) throw new Error(result.errors.map(({ message, extensions }) => `${message} (${extensions?.code ?? "error"})`).join(" "));
  return result.data;
}

/** Returns a payload without errors. Throws PayloadError otherwise. */
export function requireSuccess(payload) {
  if (payload?.errors?.length) throw new PayloadError(payload.errors);
  return payload;
}

class PayloadError extends Error {
  constructor(errors) {
    super(errors.map(({ message, code }) => `${message} (${code})`).join(" "));
    this.errors = errors;
  }
}

/** Runs `step` with the form's values on submit, one run at a time, and shows its errors. */
export function onSubmit(form, step) {
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const button = form.querySelector("button");
    clear(form);
    button.disabled = true;
    try {
      await step(Object.fromEntries(new FormData(form)));
    } catch (error) {
      button.disabled = false;
      showErrors(form, error);
    }
  });
}

/** Shows a problem that belongs to no field. */
export function showProblem(text) {
  element("problem").textContent = text;
}

/** Replaces the form with the result. */
export function finish(text, accessToken) {
  // The token is used up. Remove it from the address bar so that the user does not copy it.
  history.replaceState(null, "", location.pathname);
  element("step").hidden = true;
  element("outcome").replaceChildren(paragraph(text), ...(accessToken ? access(accessToken) : []), next());
  element("title").focus();
}

function showErrors(form, error) {
  const general = [];
  let firstInput;
  for (const { message, code, field } of error.errors ?? []) {
    const input = form.elements.namedItem(field?.at(-1) ?? "");
    if (!input) {
      general.push(`${message} (${code})`);
      continue;
    }
    // An optional field stays hidden until an error asks for it.
    input.closest("[hidden]")?.removeAttribute("hidden");
    const note = paragraph(`${message} (${code})`);
    note.className = "wrong";
    note.id = `${form.id}-${input.name}-wrong`;
    input.setAttribute("aria-invalid", "true");
    input.setAttribute("aria-describedby", note.id);
    input.after(note);
    firstInput ??= input;
  }
  if (general.length || !error.errors) showProblem(general.join(" ") || error.message);
  firstInput?.focus();
}

function clear(form) {
  showProblem("");
  form.querySelectorAll(".wrong").forEach((note) => note.remove());
  form.querySelectorAll("[aria-invalid]").forEach((input) => {
    input.removeAttribute("aria-invalid");
    input.removeAttribute("aria-describedby");
  });
}

function access(accessToken) {
  const header = JSON.stringify({ Authorization: `Bearer ${accessToken}` });
  const headers = document.createElement("textarea");
  Object.assign(headers, { readOnly: true, rows: 3, value: header });
  const label = document.createElement("label");
  label.append("You are signed in. To use the graph as this user, paste these headers:", headers);
  const copy = document.createElement("button");
  Object.assign(copy, { type: "button", className: "second", textContent: "Copy" });
  copy.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(header);
      copy.textContent = "Copied";
    } catch {
      headers.select();
      copy.textContent = "Press Ctrl-C";
    }
  });
  return [label, copy];
}

function next() {
  const link = document.createElement("a");
  Object.assign(link, { href: "/graphql", textContent: "Open the graph" });
  const line = paragraph("");
  line.append(link);
  return line;
}

function paragraph(text) {
  const element = document.createElement("p");
  element.textContent = text;
  return element;
}
