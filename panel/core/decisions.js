// Why the viewer may not do something, and who could change that.

import { formatDate } from "./formats.js";
import { translate } from "./texts.js";

/** The names of roles. They are read with the viewer. @type {Record<string, string>} */
const ROLE_NAMES = {};

/** Store the names of roles in the user's language. @param {{ role: string, name: string }[]} roles */
export function storeRoleNames(roles) {
  for (const { role, name } of roles) ROLE_NAMES[role] = name;
}

/** @param {string} role */
export const roleName = (role) => ROLE_NAMES[role] ?? role;

/** One or two sentences: the reason of a refusal, and the roles that could give the permission. @param {{ allowed: boolean, reason: string, grantableBy: string[] }} decision @param {{ closesAt: string | null }} frame */
export function explainDecision({ allowed, reason, grantableBy }, frame) {
  if (allowed) return "";
  const who = grantableBy.length ? ` ${translate("This can be changed by: %(roles)s.", { roles: grantableBy.map(roleName).join(", ") })}` : "";
  return explainReason(reason, frame) + who;
}

function explainReason(reason, frame) {
  switch (reason) {
    case "ROLE":
      return translate("Your role does not include this.");
    case "RESTRICTED_BY_GRANT":
      return translate("Your access to this account is restricted.");
    case "RESTRICTED_BY_ACCOUNT":
      return translate("The account does not give this to simple users.");
    case "LOCKED_BY_ACCOUNT":
      return translate("The owner has locked this in the account.");
    case "AWAITING_PERMISSIONS":
      return translate("The client has not yet said what you may do.");
    case "ACCOUNT_CLOSING":
      return translate("The account is read-only, because it closes on %(date)s.", { date: formatDate(frame.closesAt) });
    case "SUBSCRIPTION_EXPIRED":
      return translate("The account is read-only, because its subscription has expired.");
    case "TWO_FACTOR_REQUIRED":
      return translate("The account demands a second factor. Set one up for your login.");
    default:
      return translate("You have no access to this account now.");
  }
}
