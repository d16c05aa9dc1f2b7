// A link from one page of an account to another.

import { html } from "../core/view.js";
import { ACCOUNT_PAGES } from "../routes.js";

/** A link to the page of a pattern such as `/users`, if the viewer may see it. @param {{ account: any, pattern: string }} properties */
export function PageLink({ account, pattern }) {
  const page = ACCOUNT_PAGES.find((route) => route.pattern === pattern);
  if (!page?.title || (page.permission && !account.decisions[page.permission]?.allowed)) return null;
  return html`<a href=${`/a/${account.number}${pattern}`}>${page.title()}</a>`;
}
