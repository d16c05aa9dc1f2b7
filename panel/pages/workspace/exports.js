// Exports: files with rows of the account, which the server writes in the background.

import { DialogButton } from "../../components/dialog.js";
import { Field, Form } from "../../components/form.js";
import { List } from "../../components/list.js";
import { formatBytes, formatDay, formatInstant, formatNumber } from "../../core/formats.js";
import { createIdempotencyKey, mutate } from "../../core/query.js";
import { translate, translatePlural } from "../../core/texts.js";
import { html, useMemo, useState } from "../../core/view.js";
import { download } from "./download.js";
import { useWaiting } from "./waiting.js";
import { exportFailure, exportKind, exportStatus } from "./words.js";

/** The permission that lists the rows of each kind. */
const KINDS = { DOCUMENTS: "DOCUMENTS_READ", DOCUMENT_LINES: "DOCUMENTS_READ", CONTACTS: "CONTACTS_READ", PRODUCTS: "PRODUCTS_READ", EXPENSES: "EXPENSES_READ" };

export default function ExportsPage({ account }) {
  const [isWaiting, setWaiting] = useState(false);
  useWaiting(isWaiting);
  const columns = [
    { title: translate("Content"), cell: (/** @type {any} */ row) => html`${exportKind(row.kind)}<br /><small>${formatName(row.format)}</small>` },
    { title: translate("Dates"), cell: ({ dateFrom, dateTo }) => (dateFrom || dateTo ? `${formatDay(dateFrom)} – ${formatDay(dateTo)}` : translate("All")) },
    { title: translate("Status"), cell: (/** @type {any} */ row) => html`<${ExportStatus} ...${row} />` },
    { title: translate("Size"), isNumber: true, cell: ({ byteCount }) => formatBytes(byteCount) },
    { title: translate("Created"), cell: ({ createdAt }) => formatInstant(createdAt) },
    { title: translate("File"), cell: (/** @type {any} */ row) => row.status === "READY" && html`<${DownloadButton} row=${row} can=${account.decisions.EXPORTS_CREATE} />` },
  ];
  return html`
    <h1 tabindex="-1">${translate("Exports")}</h1>
    <p>${translate("An export has the rows and columns that you may read. Only you see your exports. A file is kept for a day.")}</p>
    <${List}
      operation="Exports"
      label=${translate("Exports")}
      connection=${(/** @type {any} */ data) => data.account?.exports}
      variables=${() => ({ number: account.number })}
      columns=${columns}
      empty=${translate("You have created no export yet.")}
      onNodes=${(/** @type {any[]} */ nodes) => setWaiting(nodes.some(({ status }) => status === "QUEUED" || status === "RUNNING"))}
      actions=${html`<${DialogButton} label=${translate("New export")} kind="primary" can=${account.decisions.EXPORTS_CREATE}>
        ${(/** @type {() => void} */ close) => html`<${NewExportForm} account=${account} close=${close} />`}
      <//>`}
    />
  `;
}

const formatName = (/** @type {string} */ format) => (format === "CSV" ? translate("CSV for spreadsheets") : translate("JSON Lines for programs"));

/** The state, and the rows that are written so far. */
function ExportStatus({ status, failure, rowCount, expiresAt }) {
  return html`<span class="status">${exportStatus(status)}</span>
    ${status !== "QUEUED" && html`<br /><small>${translatePlural("%(count)s row", "%(count)s rows", rowCount, { count: formatNumber(rowCount) })}</small>`}
    ${status === "READY" && expiresAt && html`<br /><small>${translate("until %(time)s", { time: formatInstant(expiresAt) })}</small>`}
    ${failure && html`<br /><small class="problem">${exportFailure(failure)}</small>`}`;
}

/** A link works for one download only, so each download creates a new one. */
function DownloadButton({ row, can }) {
  const [isRunning, setRunning] = useState(false);
  const [note, setNote] = useState({ text: "", isProblem: false });
  const start = async () => {
    if (isRunning) return;
    setRunning(true);
    const payload = await mutate("CreateExportLink", { exportId: row.id });
    setRunning(false);
    if (payload.errors.length) return setNote({ text: payload.errors.map((/** @type {any} */ error) => error.message).join(" "), isProblem: true });
    // The server of the panel has the files too, also under another address than its public one.
    download(new URL(payload.url).pathname);
    return setNote({ text: translate("The download has started."), isProblem: false });
  };
  const description = translate("Download %(name)s of %(time)s", { name: exportKind(row.kind), time: formatInstant(row.createdAt) });
  return html`<button type="button" disabled=${!can.allowed} aria-disabled=${isRunning} aria-label=${description} onClick=${start}>${translate("Download")}</button>
    <span role="status">${note.text && html`<br /><small class=${note.isProblem ? "problem" : ""}>${note.text}</small>`}</span>`;
}

function NewExportForm({ account, close }) {
  const idempotencyKey = useMemo(createIdempotencyKey, []);
  const kinds = Object.entries(KINDS).filter(([, permission]) => account.decisions[permission].allowed);
  const create = ({ kind, format, dateFrom, dateTo }) =>
    mutate("CreateExport", { accountId: account.id, kind, format, dateFrom: dateFrom || null, dateTo: dateTo || null, idempotencyKey });
  if (!kinds.length) return html`<p class="empty">${translate("You may read nothing that can be exported.")}</p>`;
  return html`<${Form} submit=${translate("Create the export")} run=${create} cancel=${close} onDone=${close}>
    <${Field} name="kind" label=${translate("Content")} type="select" value=${kinds[0]?.[0]}>${kinds.map(([kind]) => html`<option value=${kind}>${exportKind(kind)}</option>`)}<//>
    <${Field} name="format" label=${translate("Format")} type="select" value="CSV">
      ${["CSV", "JSON_LINES"].map((format) => html`<option value=${format}>${formatName(format)}</option>`)}
    <//>
    <${Field} name="dateFrom" label=${translate("First day")} type="date" hint=${translate("Documents by their date of issue, expenses by their date, contacts and products by the day of their creation. Drafts have no date.")} />
    <${Field} name="dateTo" label=${translate("Last day")} type="date" />
  <//>`;
}
