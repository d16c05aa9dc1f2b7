// GraphiQL with a place to sign in. The token lies in a cookie that no script can read. Only where the browser
// keeps none from here (plain http from another machine) it lives in this page's memory, until a reload.
"use strict";

(() => {
  const MENU = "{ viewer { user { name email } currentAccount { id } accounts(first: 100) { nodes { id name number } } } }";
  const SIGN_IN = "mutation SignIn($input: SignInInput!) { signIn(input: $input) { accessToken errors { code message } } }";
  const SIGN_OUT = "mutation SignOut { signOut { errors { message } } }";
  const WELCOME = [
    "# Sign in above, then try this.",
    "# The documentation, top left, names",
    "# the rule of each field.",
    "",
    "query Accounts {",
    "  viewer {",
    "    user { name email }",
    "    currentAccount { name number }",
    "    accounts(first: 10) {",
    "      totalCount",
    "      nodes {",
    "        name",
    "        viewerGrant { role status }",
    "        subscription { daysLeft }",
    "        settings { invoicePrefix }",
    "      }",
    "    }",
    "  }",
    "}",
    "",
  ].join("\n");

  const byId = (id) => document.getElementById(id);
  let inCookie = window.isSecureContext;
  let token = null;
  let account = null;
  let signedIn = false;

  // In memory, for as long as the page: GraphiQL would keep queries, tabs and headers in localStorage.
  const kept = new Map();
  const memory = {
    getItem: (key) => (kept.has(key) ? kept.get(key) : null),
    setItem: (key, value) => { kept.set(key, String(value)); },
    removeItem: (key) => { kept.delete(key); },
    clear: () => { kept.clear(); },
    get length() { return kept.size; },
  };

  /** Asks as whoever is signed in above, unless the Headers tab names somebody by a token of its own. */
  function send(parameters, { headers = {}, accept = "application/graphql-response+json", signal } = {}) {
    const isSomebodyElse = Object.keys(headers).some((name) => name.toLowerCase() === "authorization");
    const own = {};
    if (!isSomebodyElse) {
      if (inCookie) own["X-Session"] = "cookie";
      else if (token) own.Authorization = `Bearer ${token}`;
      if (signedIn && account) own["X-Account"] = account;
    }
    return fetch("/graphql", {
      method: "POST",
      credentials: inCookie && !isSomebodyElse ? "same-origin" : "omit",
      headers: { "Content-Type": "application/json", Accept: accept, ...own, ...headers },
      body: JSON.stringify(parameters),
      signal,
    });
  }

  const ask = async (query, variables) => (await send({ query, variables })).json();
  const say = (text) => { byId("said").textContent = text; };

  function show(viewer) {
    signedIn = Boolean(viewer);
    byId("sign-in").hidden = Boolean(viewer);
    byId("signed-in").hidden = !viewer;
    byId("who").textContent = viewer ? viewer.user.name : "";
    byId("who").title = viewer ? viewer.user.email : "";
    const options = viewer ? viewer.accounts.nodes.map((a) => new Option(`${a.name} (${a.number})`, a.id)) : [];
    byId("account").replaceChildren(new Option("session's default", ""), ...options);
    if (!options.some((option) => option.value === account)) account = null;
    byId("account").value = account || "";
  }

  /** Shows who is signed in now: it may be another, from another tab, or nobody any more. */
  async function refresh() {
    const was = signedIn;
    let answer = await ask(MENU);
    if (account && !answer.data) {
      account = null; // can no longer be entered
      answer = await ask(MENU);
    }
    if (!answer.data) return;
    show(answer.data.viewer);
    if (was && !signedIn) say("You are signed out. Sign in again.");
  }
  const look = () => refresh().catch(() => say("The server does not answer."));

  byId("sign-in").addEventListener("submit", async (event) => {
    event.preventDefault();
    const form = event.currentTarget;
    const input = { email: form.email.value, password: form.password.value, oneTimeCode: form.code.value || null };
    try {
      const { data, errors } = await ask(SIGN_IN, { input });
      const problem = (errors || []).concat(data && data.signIn ? data.signIn.errors : [])[0];
      if (problem) {
        say(problem.message);
        if (problem.code === "ONE_TIME_CODE_REQUIRED") byId("code").hidden = false;
        if (!byId("code").hidden) form.code.select();
        return;
      }
      token = data.signIn.accessToken;
      form.reset();
      byId("code").hidden = true;
      say("");
      await refresh();
      if (inCookie && !signedIn) {
        inCookie = false;
        say("This browser keeps no cookie from here. Sign in again, until the next reload.");
      }
    } catch {
      say("The server does not answer.");
    }
  });

  byId("account").addEventListener("change", (event) => { account = event.target.value || null; });

  byId("sign-out").addEventListener("click", async () => {
    try {
      await ask(SIGN_OUT);
    } catch {
      say("The server does not answer. You are still signed in.");
      return;
    }
    token = null;
    say("");
    show(null);
  });

  addEventListener("focus", look);

  /** The answers of an event stream, one after the other; `return` ends it at once. */
  function follow(response, stop) {
    async function* answers() {
      const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
      let rest = "";
      for (;;) {
        const { value, done } = await reader.read();
        if (done) throw new Error("The server has ended the connection. Run the subscription again.");
        const events = (rest + value).split("\n\n");
        rest = events.pop();
        for (const event of events) {
          if (/^event: complete$/m.test(event)) return;
          const data = /^data: (.*)$/m.exec(event);
          if (data) yield JSON.parse(data[1]);
        }
      }
    }
    const all = answers();
    const end = { done: true, value: undefined };
    return {
      [Symbol.asyncIterator]() { return this; },
      next: () => all.next().catch((error) => { if (stop.signal.aborted) return end; throw error; }),
      return: async () => { stop.abort(); return end; },
    };
  }

  function kindOf({ operationName }, document) {
    const all = document ? document.definitions.filter(({ kind }) => kind === "OperationDefinition") : [];
    const chosen = all.find(({ name }) => name && name.value === operationName) || all[0];
    return chosen ? chosen.operation : "query";
  }

  const fetcher = async (parameters, { headers, documentAST } = {}) => {
    const kind = kindOf(parameters, documentAST);
    const stop = new AbortController();
    const accept = kind === "subscription" ? "text/event-stream, application/graphql-response+json" : undefined;
    const response = await send(parameters, { headers, accept, signal: stop.signal });
    if ((response.headers.get("Content-Type") || "").startsWith("text/event-stream")) return follow(response, stop);
    const answer = await response.json();
    // There may be an account more or less now, or nobody signed in.
    if (kind === "mutation" || (signedIn && answer.data && answer.data.viewer === null)) look();
    return answer;
  };
  look();
  const explorer = window.GraphiQLPluginExplorer.explorerPlugin();
  ReactDOM.createRoot(byId("graphiql")).render(
    React.createElement(GraphiQL, {
      fetcher,
      storage: memory,
      defaultQuery: WELCOME,
      plugins: [explorer],
      shouldPersistHeaders: false,
      isHeadersEditorEnabled: true,
    }),
  );
})();
