// The users of an account: people with access, invitations and requests for access.

import { InviteButton } from "../components/invite.js";
import { RolesButton } from "../components/roles.js";
import { useQuery } from "../core/query.js";
import { translate, translatePlural } from "../core/texts.js";
import { html } from "../core/view.js";
import { InvitationList } from "./users/invitations.js";
import { PeopleList } from "./users/people.js";
import { RequestList } from "./users/requests.js";

export default function UsersPage({ account }) {
  const { data } = useQuery("UsersHead", { number: account.number });
  const seats = data?.account?.seats;
  const waiting = data?.account?.accessRequests?.nodes.filter(({ status }) => status === "PENDING").length ?? 0;
  const pending = data?.account?.invitations?.totalCount ?? 0;
  return html`
    <h1 tabindex="-1">${translate("Users")}</h1>
    ${seats && html`<${Seats} seats=${seats} />`}
    <div class="actions page-actions">
      <${InviteButton} account=${account} />
      <${RolesButton} account=${account} />
    </div>
    ${waiting > 0 && html`<p class="notice"><a href="#requests">${translatePlural("%(n)d person asks for access.", "%(n)d people ask for access.", waiting)}</a></p>`}
    <section class="part">
      <h2>${translate("People")}</h2>
      <${PeopleList} account=${account} />
    </section>
    <section class="part">
      <h2>${pending ? translate("Invitations (%(count)s pending)", { count: pending }) : translate("Invitations")}</h2>
      <${InvitationList} account=${account} />
    </section>
    <section class="part" id="requests">
      <h2>${translate("Requests for access")}</h2>
      <${RequestList} account=${account} />
    </section>
  `;
}

/** How many seats are used. Owner, accountants and consultants of bureaus take none. */
function Seats({ seats }) {
  return html`<p>
    <strong>${translatePlural("%(n)d free seat", "%(n)d free seats", seats.available)}</strong>${" "}
    <small>${translate("Of %(purchased)s seats %(used)s are used and %(reserved)s reserved for invitations. Owner, accountants and consultants of bureaus take none.", seats)}</small>
  </p>`;
}
