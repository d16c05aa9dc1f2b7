// What the three pages share: the token behind the #, asking the graph, and telling how it went.

export const token = location.hash.slice(1);
// A link pasted over the same page changes only the part behind the #, which loads nothing.
addEventListener("hashchange", () => location.reload());

const element = (id) => document.getElementById(id);

/** The data of an operation; throws an Error whose message can be shown. */
export async function ask(query, variables, accessToken) {
  const headers = { "Content-Type": "application/json", Accept: "application/graphql-response+json, application/json" };
  if (accessToken) headers.Authorization = `Bearer ${accessToken}`;
  let answer;
  try {
    const response = await fetch("/graphql", { method: "POST", headers, credentials: "omit", body: JSON.stringify({ query, variables }) });
    answer = await response.json();
  } catch {
    throw new Error("The server did not answer. Try again.");
  }
  if (answer.errors?.length) throw new Error(answer.errors.map(({ message, extensions }) => `${message} (${extensions?.code ?? "error"})`).join(" "));
  return answer.data;
}

/** A payload without errors; throws Refused otherwise. */
export function demand(payload) {
  if (payload?.errors?.length) throw new Refused(payload.errors);
  return payload;
}

class Refused extends Error {
  constructor(errors) {
    super(errors.map(({ message, code }) => `${message} (${code})`).join(" "));
    this.errors = errors;
  }
}

/** Runs `step` with the form's values when the form is sent, once at a time, and shows what is refused. */
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
      showRefusal(form, error);
    }
  });
}

/** Shows a problem that belongs to no field. */
export function showProblem(text) {
  element("problem").textContent = text;
}

/** Replaces the step by what came of it. */
export function finish(text, accessToken) {
  // The token is used up: nobody should copy it from the address bar.
  history.replaceState(null, "", location.pathname);
  element("step").hidden = true;
  element("outcome").replaceChildren(paragraph(text), ...(accessToken ? access(accessToken) : []), next());
  element("title").focus();
}

function showRefusal(form, error) {
  const left = [];
  let first;
  for (const { message, code, field } of error.errors ?? []) {
    const input = form.elements.namedItem(field?.at(-1) ?? "");
    if (!input) {
      left.push(`${message} (${code})`);
      continue;
    }
    // A field that only some need is there, hidden, until a refusal asks for it.
    input.closest("[hidden]")?.removeAttribute("hidden");
    const note = paragraph(`${message} (${code})`);
    note.className = "wrong";
    note.id = `${form.id}-${input.name}-wrong`;
    input.setAttribute("aria-invalid", "true");
    input.setAttribute("aria-describedby", note.id);
    input.after(note);
    first ??= input;
  }
  if (left.length || !error.errors) showProblem(left.join(" ") || error.message);
  first?.focus();
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
  const shown = document.createElement("textarea");
  Object.assign(shown, { readOnly: true, rows: 3, value: header });
  const label = document.createElement("label");
  label.append("You are signed in. To ask the graph as this user, paste this as the headers:", shown);
  const copy = document.createElement("button");
  Object.assign(copy, { type: "button", className: "second", textContent: "Copy" });
  copy.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(header);
      copy.textContent = "Copied";
    } catch {
      shown.select();
      copy.textContent = "Press Ctrl-C";
    }
  });
  return [label, copy];
}

function next() {
  const link = document.createElement("a");
  Object.assign(link, { href: "/graphql", textContent: "Go on to the graph" });
  const line = paragraph("");
  line.append(link);
  return line;
}

function paragraph(text) {
  const made = document.createElement("p");
  made.textContent = text;
  return made;
}
