// The start page of an account: its facts, what waits there, and the viewer's own access.

import { hasRefusedPage, PageLink } from "../components/page-link.js";
import { Problem } from "../components/problem.js";
import { ResignButton } from "../components/resign.js";
import { statusText } from "../components/status.js";
import { roleName } from "../core/decisions.js";
import { formatDate } from "../core/formats.js";
import { useQuery } from "../core/query.js";
import { navigate } from "../core/router.js";
import { translate, translatePlural } from "../core/texts.js";
import { html } from "../core/view.js";

export default function OverviewPage({ account }) {
  const { data, problem, reload } = useQuery("Overview", {
    number: account.number,
    users: account.decisions.USERS_READ.allowed,
    subscription: account.decisions.SUBSCRIPTION_READ.allowed,
  });
  const details = data?.account;
  return html`
    <h1 tabindex="-1">${account.name}</h1>
    ${problem && html`<${Problem} problem=${problem} retry=${reload} />`}
    <div class="cards">
      <${FactsCard} account=${account} details=${details} />
      <${OwnAccessCard} account=${account} />
      ${details?.subscription && html`<${SubscriptionCard} account=${account} subscription=${details.subscription} />`}
      ${details?.seats && html`<${UsersCard} account=${account} details=${details} />`}
      ${details?.links && html`<${LinksCard} account=${account} links=${details.links} />`}
    </div>
    ${hasRefusedPage(account) && html`<p><small>${translate("Parts of the account that your access does not include are grey in the navigation.")}</small></p>`}
  `;
}

function FactsCard({ account, details }) {
  return html`<section class="card">
    <h2>${translate("Account")}</h2>
    <dl>
      <dt>${translate("Number")}</dt><dd>${account.number}</dd>
      <dt>${translate("Kind")}</dt><dd>${account.kind === "BUREAU" ? translate("Bureau") : translate("Business")}</dd>
      <dt>${translate("Status")}</dt><dd><span class="status">${statusText(account.status)}</span></dd>
      ${account.closesAt && html`<dt>${translate("Closes on")}</dt><dd><strong>${formatDate(account.closesAt)}</strong></dd>`}
      ${details?.owner && html`<dt>${translate("Owner")}</dt><dd>${details.owner.name}<br /><small>${details.owner.email ?? ""}</small></dd>`}
      ${details?.organizationNumber && html`<dt>${translate("Organization number")}</dt><dd>${details.organizationNumber}</dd>`}
      ${details && html`<dt>${translate("Opened on")}</dt><dd>${formatDate(details.createdAt)}</dd>`}
    </dl>
  </section>`;
}

/** The viewer's own access. Owners cannot give it up: they transfer the account. */
function OwnAccessCard({ account }) {
  const { viewerGrant } = account;
  if (!viewerGrant) return null;
  return html`<section class="card">
    <h2>${translate("Your access")}</h2>
    <dl>
      <dt>${translate("Your role")}</dt><dd>${roleName(viewerGrant.role)}</dd>
      <dt>${translate("Your access ends")}</dt><dd>${formatDate(viewerGrant.validUntil) || translate("No end")}</dd>
    </dl>
    ${viewerGrant.role !== "OWNER" && html`<${ResignButton} account=${account} grantId=${viewerGrant.id} onDone=${() => navigate("/accounts")} />`}
  </section>`;
}

function SubscriptionCard({ account, subscription }) {
  return html`<section class="card">
    <h2>${translate("Subscription")}</h2>
    <p class=${subscription.isExpired ? "problem" : ""}>
      <strong>${subscription.isExpired ? translate("Expired") : translatePlural("%(n)d day left", "%(n)d days left", subscription.daysLeft)}</strong><br />
      <small>${formatDate(subscription.validUntil)}</small>
    </p>
    <${PageLink} account=${account} pattern="/subscription" />
  </section>`;
}

function UsersCard({ account, details }) {
  const { seats, invitations, accessRequests } = details;
  const pending = invitations?.totalCount ?? 0;
  const waiting = accessRequests?.nodes.filter(({ status }) => status === "PENDING").length ?? 0;
  return html`<section class="card">
    <h2>${translate("Users")}</h2>
    <p>
      <strong>${translatePlural("%(n)d free seat", "%(n)d free seats", seats.available)}</strong><br />
      <small>${translate("%(used)s of %(purchased)s seats are used.", seats)}</small>
    </p>
    <p>${pending > 0 ? translatePlural("%(n)d invitation is pending.", "%(n)d invitations are pending.", pending) : translate("No invitation is pending.")}</p>
    ${waiting > 0 && html`<p><strong>${translatePlural("%(n)d person asks for access.", "%(n)d people ask for access.", waiting)}</strong></p>`}
    <${PageLink} account=${account} pattern="/users" />
  </section>`;
}

function LinksCard({ account, links }) {
  return html`<section class="card">
    <h2>${translate("Linked accounts")}</h2>
    <p>${translatePlural("%(n)d linked account", "%(n)d linked accounts", links.totalCount)}${links.totalCountIsCapped ? "+" : ""}</p>
    <${PageLink} account=${account} pattern="/links" />
  </section>`;
}
