// GraphiQL with a sign-in form. The token is in a cookie that scripts cannot read. If the browser does not store
// the cookie (plain HTTP from another machine), the token is in the memory of this page until a reload.
"use strict";

(() => {
  const MENU = "{ viewer { user { name email } currentAccount { id } accounts(first: 100) { nodes { id name number } } } }";
  const SIGN_IN = "mutation SignIn($input: SignInInput!) { signIn(input: $input) { accessToken errors { code message } } }";
  const SIGN_OUT = "mutation SignOut { signOut { errors { message } } }";
  const WELCOME = [
    "# Sign in above, then try this.",
    "# The documentation, top left, states",
    "# the access rule of each field.",
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
  let isSignedIn = false;

  // Storage in memory until the page closes. By default, GraphiQL stores queries, tabs and headers in localStorage.
  const items = new Map();
  const memory = {
    getItem: (key) => (items.has(key) ? items.get(key) : null),
    setItem: (key, value) => { items.set(key, String(value)); },
    removeItem: (key) => { items.delete(key); },
    clear: () => { items.clear(); },
    get length() { return items.size; },
  };

  /** Sends an operation as the signed-in user, unless the Headers tab contains a token. */
  function send(parameters, { headers = {}, accept = "application/graphql-response+json", signal } = {}) {
    const hasOtherToken = Object.keys(headers).some((name) => name.toLowerCase() === "authorization");
    const sessionHeaders = {};
    if (!hasOtherToken) {
      if (inCookie) sessionHeaders["X-Session"] = "cookie";
      else if (token) sessionHeaders.Authorization = `Bearer ${token}`;
      if (isSignedIn && account) sessionHeaders["X-Account"] = account;
    }
    return fetch("/graphql", {
      method: "POST",
      credentials: inCookie && !hasOtherToken ? "same-origin" : "omit",
      headers: { "Content-Type": "application/json", Accept: accept, ...sessionHeaders, ...headers },
      body: JSON.stringify(parameters),
      signal,
    });
  }

  const execute = async (query, variables) => (await send({ query, variables })).json();
  const showMessage = (text) => { byId("message").textContent = text; };

  function show(viewer) {
    isSignedIn = Boolean(viewer);
    byId("sign-in").hidden = Boolean(viewer);
    byId("signed-in").hidden = !viewer;
    byId("user").textContent = viewer ? viewer.user.name : "";
    byId("user").title = viewer ? viewer.user.email : "";
    const options = viewer ? viewer.accounts.nodes.map((a) => new Option(`${a.name} (${a.number})`, a.id)) : [];
    byId("account").replaceChildren(new Option("session's default", ""), ...options);
    if (!options.some((option) => option.value === account)) account = null;
    byId("account").value = account || "";
  }

  /** Shows the signed-in user. Another tab may have changed the user or signed out. */
  async function loadViewer() {
    const wasSignedIn = isSignedIn;
    let response = await execute(MENU);
    if (account && !response.data) {
      account = null; // The user can no longer enter this account.
      response = await execute(MENU);
    }
    if (!response.data) return;
    show(response.data.viewer);
    if (wasSignedIn && !isSignedIn) showMessage("You are signed out. Sign in again.");
  }
  const refresh = () => loadViewer().catch(() => showMessage("The server does not answer."));

  byId("sign-in").addEventListener("submit", async (event) => {
    event.preventDefault();
    const form = event.currentTarget;
    const input = { email: form.email.value, password: form.password.value, oneTimeCode: form.code.value || null };
    try {
      const { data, errors } = await execute(SIGN_IN, { input });
      const problem = (errors || []).concat(data && data.signIn ? data.signIn.errors : [])[0];
      if (problem) {
        showMessage(problem.message);
        if (problem.code === "ONE_TIME_CODE_REQUIRED") byId("code").hidden = false;
        if (!byId("code").hidden) form.code.select();
        return;
      }
      token = data.signIn.accessToken;
      form.reset();
      byId("code").hidden = true;
      showMessage("");
      await loadViewer();
      if (inCookie && !isSignedIn) {
        inCookie = false;
        showMessage("This browser stores no cookie for this page. Sign in again; the sign-in lasts until a reload.");
      }
    } catch {
      showMessage("The server does not answer.");
    }
  });

  byId("account").addEventListener("change", (event) => { account = event.target.value || null; });

  byId("sign-out").addEventListener("click", async () => {
    try {
      await execute(SIGN_OUT);
    } catch {
      showMessage("The server does not answer. You are still signed in.");
      return;
    }
    token = null;
    showMessage("");
    show(null);
  });

  addEventListener("focus", refresh);

  /** The results of an event stream, in order. `return` ends the stream at once. */
  function readEvents(response, stop) {
    async function* results() {
      const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
      let incomplete = "";
      for (;;) {
        const { value, done } = await reader.read();
        if (done) throw new Error("The server has ended the connection. Run the subscription again.");
        const events = (incomplete + value).split("\n\n");
        incomplete = events.pop();
        for (const event of events) {
          if (/^event: complete$/m.test(event)) return;
          const data = /^data: (.*)$/m.exec(event);
          if (data) yield JSON.parse(data[1]);
        }
      }
    }
    const iterator = results();
    const end = { done: true, value: undefined };
    return {
      [Symbol.asyncIterator]() { return this; },
      next: () => iterator.next().catch((error) => { if (stop.signal.aborted) return end; throw error; }),
      return: async () => { stop.abort(); return end; },
    };
  }

  function kindOf({ operationName }, document) {
    const operations = document ? document.definitions.filter(({ kind }) => kind === "OperationDefinition") : [];
    const operation = operations.find(({ name }) => name && name.value === operationName) || operations[0];
    return operation ? operation.operation : "query";
  }

  const fetcher = async (parameters, { headers, documentAST } = {}) => {
    const kind = kindOf(parameters, documentAST);
    const stop = new AbortController();
    const accept = kind === "subscription" ? "text/event-stream, application/graphql-response+json" : undefined;
    const response = await send(parameters, { headers, accept, signal: stop.signal });
    if ((response.headers.get("Content-Type") || "").startsWith("text/event-stream")) return readEvents(response, stop);
    const result = await response.json();
    // A mutation may add or remove an account, or sign out.
    if (kind === "mutation" || (isSignedIn && result.data && result.data.viewer === null)) refresh();
    return result;
  };
  refresh();
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
