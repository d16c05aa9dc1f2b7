// The sendings of a document by mail, with their state and the files that were sent.

import { List } from "../../components/list.js";
import { formatInstant } from "../../core/formats.js";
import { execute } from "../../core/graph.js";
import { translate } from "../../core/texts.js";
import { html, useState } from "../../core/view.js";
import { download } from "./download.js";
import { useWaiting } from "./waiting.js";
import { mailStatus } from "./words.js";

/** @param {{ document: any, account: any }} properties */
export function DocumentDeliveries({ document, account }) {
  const [isWaiting, setWaiting] = useState(false);
  useWaiting(isWaiting);
  const hasContacts = account.decisions.CONTACTS_READ.allowed;
  const columns = [
    { title: translate("Status"), cell: (/** @type {any} */ delivery) => html`<${DeliveryStatus} ...${delivery} />` },
    ...(hasContacts ? [{ title: translate("Receiver"), cell: (/** @type {any} */ { to }) => to }] : []),
    { title: translate("Sent by"), cell: ({ sentBy }) => sentBy?.name ?? "" },
    { title: translate("Created"), cell: ({ createdAt }) => formatInstant(createdAt) },
    { title: translate("Files"), cell: (/** @type {any} */ delivery) => html`<${Files} delivery=${delivery} />` },
  ];
  return html`<${List}
    operation="DocumentDeliveries"
    label=${translate("Sent by mail")}
    variables=${() => ({ id: document.id })}
    connection=${(/** @type {any} */ data) => data.node?.deliveries}
    columns=${columns}
    empty=${translate("The document was not sent by mail yet.")}
    onNodes=${(/** @type {any[]} */ nodes) => setWaiting(nodes.some(({ status }) => status === "QUEUED"))}
  />`;
}

function DeliveryStatus({ status, sentAt, failureReason }) {
  return html`<span class="status">${mailStatus(status)}</span>${sentAt && html`<br /><small>${formatInstant(sentAt)}</small>`}
    ${failureReason && html`<br /><small class="problem">${failureReason}</small>`}`;
}

/** The paths of files work for five minutes only, so a new one is read for each download. */
function Files({ delivery }) {
  const [problem, setProblem] = useState("");
  const load = (/** @type {"pdfPath" | "structuredInvoicePath"} */ field) => async () => {
    setProblem("");
    const path = await execute("DeliveryFiles", { id: delivery.id }).then(
      ({ data }) => data?.node?.[field],
      () => null,
    );
    if (path) download(path);
    else setProblem(translate("The file could not be read. Try again."));
  };
  const when = formatInstant(delivery.createdAt);
  if (!delivery.pdfPath) return html`<small>${translate("Not in this view")}</small>`;
  return html`<span class="buttons">
      <button type="button" aria-label=${translate("PDF of %(time)s", { time: when })} onClick=${load("pdfPath")}>PDF</button>
      ${delivery.structuredInvoicePath && html`<button type="button" aria-label=${translate("UBL of %(time)s", { time: when })} onClick=${load("structuredInvoicePath")}>UBL</button>`}
    </span>
    ${problem && html`<small class="problem" role="alert">${problem}</small>`}`;
}
