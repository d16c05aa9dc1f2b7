// The names of kinds and states of the workspace, in words.

import { statusText } from "../../components/status.js";
import { translate } from "../../core/texts.js";

export const DOCUMENT_STATUSES = ["DRAFT", "ISSUED", "SENT", "PARTLY_PAID", "PAID", "CREDITED"];
export const DOCUMENT_KINDS = ["INVOICE", "CREDIT_NOTE"];
export const CONTACT_KINDS = ["CUSTOMER", "SUPPLIER", "BOTH"];

/** @param {string} status */
export function documentStatus(status) {
  switch (status) {
    case "DRAFT":
      return translate("Draft");
    case "ISSUED":
      return translate("Issued");
    case "SENT":
      return translate("Sent");
    case "PARTLY_PAID":
      return translate("Partly paid");
    case "PAID":
      return translate("Paid");
    case "CREDITED":
      return translate("Credited");
    case "DELETED":
      return translate("Deleted");
    default:
      return status;
  }
}

/** @param {string} kind */
export const documentKind = (kind) => (kind === "CREDIT_NOTE" ? translate("Credit note") : translate("Invoice"));

/** A document by its kind and number. A draft has no number. @param {{ kind: string, number: string | null }} document */
export const documentName = ({ kind, number }) => (number ? `${documentKind(kind)} ${number}` : kind === "CREDIT_NOTE" ? translate("Draft of a credit note") : translate("Draft of an invoice"));

/** @param {string} kind */
export function contactKind(kind) {
  switch (kind) {
    case "CUSTOMER":
      return translate("Customer");
    case "SUPPLIER":
      return translate("Supplier");
    default:
      return translate("Customer and supplier");
  }
}

/** The status of a mail with a document. @param {string | null} status */
export const mailStatus = (status) => (status ? statusText(status) : translate("The mail was deleted"));

/** @param {string} kind */
export function exportKind(kind) {
  switch (kind) {
    case "DOCUMENTS":
      return translate("Documents");
    case "DOCUMENT_LINES":
      return translate("Lines of documents");
    case "CONTACTS":
      return translate("Contacts");
    case "PRODUCTS":
      return translate("Products");
    default:
      return translate("Expenses");
  }
}

/** @param {string} status */
export function exportStatus(status) {
  switch (status) {
    case "QUEUED":
      return translate("Waits");
    case "RUNNING":
      return translate("Is being written");
    case "READY":
      return translate("Ready");
    case "FAILED":
      return translate("Failed");
    default:
      return translate("The file was deleted");
  }
}

/** @param {string | null} failure */
export function exportFailure(failure) {
  switch (failure) {
    case "RIGHTS_LOST":
      return translate("You may no longer read everything that it contains.");
    case "TOO_LARGE":
      return translate("The file is larger than 1 GiB. Choose a range of dates.");
    case "INTERNAL":
      return translate("The server made an error. Create a new export.");
    default:
      return "";
  }
}
