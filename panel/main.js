// Starts the panel: language, session, then the page of the address.

import { App } from "./components/app.js";
import { Problem } from "./components/problem.js";
import { requireReauthentication } from "./components/reauthentication.js";
import { hasOperation } from "./core/graph.js";
import { setReauthentication } from "./core/query.js";
import { followLink } from "./core/router.js";
import { loadViewer } from "./core/session.js";
import { chooseLocale, preferredLocale, translate } from "./core/texts.js";
import { html, render } from "./core/view.js";
import { ACCOUNT_PAGES, WORKSPACE_PAGES } from "./routes.js";

const root = /** @type {HTMLElement} */ (document.getElementById("panel"));

async function start() {
  await chooseLocale(preferredLocale());
  await loadViewer();
  if (await hasOperation("Documents")) ACCOUNT_PAGES.push(...WORKSPACE_PAGES);
  setReauthentication(requireReauthentication);
  document.addEventListener("click", followLink);
  render(html`<${App} />`, root);
}

function showFailure() {
  render(html`<main><${Problem} problem=${translate("The server did not answer. Try again.")} retry=${() => location.reload()} /></main>`, root);
}

start().catch((error) => {
  console.error(error);
  showFailure();
});
