// The accounts that are linked to this one by access: of its owner there, of their owners here, or both.

import { ConfirmButton, describeButton, DialogButton } from "../components/dialog.js";
import { Form } from "../components/form.js";
import { InviteButton } from "../components/invite.js";
import { List } from "../components/list.js";
import { ResignButton } from "../components/resign.js";
import { whileClosing } from "../components/roles.js";
import { roleName } from "../core/decisions.js";
import { createIdempotencyKey, mutate, useQuery } from "../core/query.js";
import { viewer } from "../core/session.js";
import { useStore } from "../core/store.js";
import { translate, translatePlural } from "../core/texts.js";
import { html, useMemo } from "../core/view.js";
import { DaysField } from "./subscription.js";

const RELATIONS = ["HAS_ACCESS", "MUTUAL", "GIVES_ACCESS"];

export default function LinksPage({ account }) {
  const columns = [
    { title: translate("Account"), cell: ({ account: linked }) => html`<strong>${linked.name}</strong><br /><small>${linked.number}</small>` },
    { title: translate("Owner"), cell: ({ account: linked }) => linked.ownerEmail ?? "" },
    {
      title: translate("Relation"),
      cell: (/** @type {any} */ link) => html`<span class="status">${relationText(link.relation)}</span><br /><small>${rolesText(link)}</small>`,
    },
    { title: translate("Subscription"), cell: ({ daysLeft }) => (daysLeft === null ? "" : translatePlural("%(n)d day left", "%(n)d days left", daysLeft)) },
    { title: translate("Activation"), cell: ({ isActivated }) => (isActivated ? translate("Activated") : translate("Not activated")) },
    { title: translate("Changes"), cell: (/** @type {any} */ link) => html`<${LinkButtons} account=${account} link=${link} />` },
  ];
  return html`
    <h1 tabindex="-1">${translate("Linked accounts")}</h1>
    <p>${translate("An account is linked if its owner has access here, or if the owner of this account has access there.")}</p>
    <${List}
      operation="AccountLinks"
      label=${translate("Linked accounts")}
      connection=${(/** @type {any} */ data) => data.account?.links}
      variables=${({ relation }) => ({ number: account.number, relation: relation || null })}
      columns=${columns}
      keyOf=${(/** @type {any} */ link) => link.account.id}
      filters=${[{ name: "relation", label: translate("Relation"), options: RELATIONS.map((relation) => [relation, relationText(relation)]) }]}
      empty=${translate("No account is linked to this one.")}
      actions=${html`<${InviteButton} account=${account} label=${translate("New user")} />`}
    />
  `;
}

/** The relation from the side of this account, in three words. */
function relationText(relation) {
  switch (relation) {
    case "HAS_ACCESS":
      return translate("has access there");
    case "MUTUAL":
      return translate("access both ways");
    default:
      return translate("gives access here");
  }
}

/** The roles of the owners in the account of the other. */
function rolesText({ outgoingGrant, incomingGrants }) {
  const there = outgoingGrant ? translate("There: %(role)s", { role: roleName(outgoingGrant.role) }) : "";
  const here = incomingGrants.length ? translate("Here: %(role)s", { role: incomingGrants.map(({ role }) => roleName(role)).join(", ") }) : "";
  return [there, here].filter(Boolean).join(" · ");
}

/** What the viewer can do: their own access to the other account, and the access of its owner to this one. */
function LinkButtons({ account, link }) {
  const user = useStore(viewer);
  const { account: linked, outgoingGrant, incomingGrants } = link;
  const { name } = linked;
  const hasAccess = outgoingGrant && outgoingGrant.user.id === user?.user.id;
  return html`<div class="buttons">
    ${hasAccess &&
    html`<a class="button" href=${`/a/${linked.number}`} aria-label=${describeButton(translate("Enter"), name)}>${translate("Enter")}</a>
      <${DialogButton}
        label=${translate("Extend")}
        title=${translate("Extend the subscription of %(name)s", { name })}
        description=${describeButton(translate("Extend"), name)}
        can=${account.decisions.SUBSCRIPTION_WRITE}
      >
        ${(/** @type {() => void} */ close) => html`<${ExtendForm} payer=${account} linked=${linked} close=${close} />`}
      <//>`}
    ${link.relation === "HAS_ACCESS" &&
    linked.ownerEmail &&
    html`<${InviteButton}
      account=${account}
      label=${translate("Give access")}
      title=${translate("Give access to the owner of %(name)s", { name })}
      description=${describeButton(translate("Give access"), name)}
      kind=""
      email=${linked.ownerEmail}
    />`}
    ${hasAccess &&
    outgoingGrant.role !== "OWNER" &&
    html`<${ResignButton} account=${linked} grantId=${outgoingGrant.id} label=${translate("Resign")} description=${describeButton(translate("Resign"), name)} />`}
    ${incomingGrants.map(
      (/** @type {any} */ grant) => html`<${ConfirmButton}
        key=${grant.id}
        label=${translate("Revoke access")}
        title=${translate("Revoke the access of %(name)s", { name: grant.user.name })}
        description=${describeButton(translate("Revoke access"), `${name}, ${grant.user.name}`)}
        consequence=${translate("%(name)s loses the access to %(account)s at once. The access can be restored later.", { name: grant.user.name, account: account.name })}
        can=${whileClosing(account.decisions.USERS_WRITE)}
        run=${() => mutate("RevokeGrant", { grantId: grant.id })}
      />`,
    )}
  </div>`;
}

function ExtendForm({ payer, linked, close }) {
  const idempotencyKey = useMemo(createIdempotencyKey, []);
  const { data } = useQuery("TransferableDays", { number: payer.number });
  const days = data?.account?.subscription?.transferableDays;
  const extend = (/** @type {any} */ values) => mutate("ExtendSubscription", { accountId: linked.id, payerAccountId: payer.id, days: Number(values.days), idempotencyKey });
  return html`
    <p>${translate("The days are taken from the subscription of %(payer)s and added to that of %(receiver)s. They cannot be taken back.", { payer: payer.name, receiver: linked.name })}</p>
    ${typeof days === "number" && html`<p>${translatePlural("%(payer)s can give %(n)d day.", "%(payer)s can give %(n)d days.", days, { payer: payer.name })}</p>`}
    <${Form} submit=${translate("Extend")} run=${extend} cancel=${close} onDone=${close}>
      <${DaysField} />
    <//>
  `;
}
