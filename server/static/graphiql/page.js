// GraphiQL with a place to sign in. The token lives in this page's memory only: a reload forgets it,
// and nothing of it reaches the browser's storage.
"use strict";

(() => {
  const MENU = "{ viewer { user { name } currentAccount { id } accounts(first: 100) { nodes { id name number } } } }";
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
  let token = null;
  let account = null;

  // In memory, for as long as the page: GraphiQL would keep queries and headers in localStorage.
  const kept = new Map();
  const memory = {
    getItem: (key) => (kept.has(key) ? kept.get(key) : null),
    setItem: (key, value) => { kept.set(key, String(value)); },
    removeItem: (key) => { kept.delete(key); },
    clear: () => { kept.clear(); },
    get length() { return kept.size; },
  };

  async function send(parameters, headers = {}) {
    const own = {};
    if (token) own.Authorization = `Bearer ${token}`;
    if (token && account) own["X-Account"] = account;
    const answer = await fetch("/graphql", {
      method: "POST",
      credentials: "omit",
      headers: { "Content-Type": "application/json", Accept: "application/graphql-response+json", ...own, ...headers },
      body: JSON.stringify(parameters),
    });
    return answer.json();
  }

  const ask = (query, variables) => send({ query, variables });
  const say = (text) => { byId("said").textContent = text; };

  function show(viewer) {
    byId("sign-in").hidden = Boolean(viewer);
    byId("signed-in").hidden = !viewer;
    byId("who").textContent = viewer ? viewer.user.name : "";
    const options = viewer ? viewer.accounts.nodes.map((a) => new Option(`${a.name} (${a.number})`, a.id)) : [];
    byId("account").replaceChildren(new Option("session's default", ""), ...options);
  }

  async function refresh() {
    const { data } = await ask(MENU);
    show(data ? data.viewer : null);
    byId("account").value = account || "";
  }

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
    } catch {
      say("The server does not answer.");
    }
  });

  byId("account").addEventListener("change", (event) => { account = event.target.value || null; });

  byId("sign-out").addEventListener("click", async () => {
    account = null;
    try { await ask(SIGN_OUT); } catch { say("The server does not answer."); }
    token = null;
    show(null);
  });

  const fetcher = async (parameters, options) => {
    const answer = await send(parameters, (options && options.headers) || {});
    // There may be an account more or less now, or nobody signed in.
    if (token && /^\s*mutation\b/m.test(parameters.query)) refresh().catch(() => {});
    return answer;
  };
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
