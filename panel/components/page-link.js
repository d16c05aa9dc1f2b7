// Links from one page of an account to another, and the pages that the viewer may not see.

import { html } from "../core/view.js";
import { ACCOUNT_PAGES, pagesOf } from "../routes.js";

/** A link to the page of a pattern such as `/users`, if the viewer may see it. @param {{ account: any, pattern: string }} properties */
export function PageLink({ account, pattern }) {
  const page = ACCOUNT_PAGES.find((route) => route.pattern === pattern);
  if (!page?.title || (page.permission && !account.decisions[page.permission]?.allowed)) return null;
  return html`<a href=${`/a/${account.number}${pattern}`}>${page.title()}</a>`;
}

/** True if the navigation has a page that the viewer may not see. @param {any} account */
export function hasRefusedPage(account) {
  return pagesOf(account).some(({ permission }) => permission && !account.decisions[permission].allowed);
}
