// The names of states, in words.

import { translate } from "../core/texts.js";

/** @param {string} status */
export function statusText(status) {
  switch (status) {
    case "ACTIVE":
      return translate("Active");
    case "READ_ONLY":
      return translate("Read-only");
    case "PENDING_ACTIVATION":
      return translate("Not activated");
    case "CLOSED":
      return translate("Closed");
    case "AWAITING_PERMISSIONS":
      return translate("Waits for permissions");
    case "PENDING":
      return translate("Pending");
    case "EXPIRED":
      return translate("Expired");
    case "REVOKED":
      return translate("Revoked");
    case "RESIGNED":
      return translate("Resigned");
    case "ACCEPTED":
      return translate("Accepted");
    case "APPROVED":
      return translate("Approved");
    case "DECLINED":
      return translate("Declined");
    case "WITHDRAWN":
      return translate("Withdrawn");
    case "QUEUED":
      return translate("Waits to be sent");
    case "SENT":
      return translate("Sent");
    case "FAILED":
      return translate("Not sent");
    case "ENDED":
      return translate("Ended");
    default:
      return status;
  }
}
