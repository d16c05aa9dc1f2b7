// The reports of a range of days: revenue, VAT, open items and margin.

import { List, Table } from "../../components/list.js";
import { formatAmount, formatDay, formatMonth, formatNumber, formatPercent } from "../../core/formats.js";
import { useQuery } from "../../core/query.js";
import { address, setParameters } from "../../core/router.js";
import { useStore } from "../../core/store.js";
import { translate, translatePlural } from "../../core/texts.js";
import { html, useId } from "../../core/view.js";
import { MonthChart } from "./month-chart.js";

export default function ReportsPage({ account }) {
  const { query } = useStore(address);
  const variables = { number: account.number, startsOn: query.get("from") || null, endsOn: query.get("to") || null };
  const { data, problem, isLoading, isStale, errors } = useQuery("Reports", variables);
  const reports = data?.account?.reports;
  const knowsMargin = account.decisions.PURCHASE_PRICES_READ.allowed;
  const rangeKey = `${variables.startsOn} ${variables.endsOn}`;
  // Without a sum of open items, their section says why.
  const refusal = problem ?? errors.filter(({ path }) => !path?.includes("openItems")).map(({ message }) => message).join(" ");
  return html`
    <h1 tabindex="-1">${translate("Reports")}</h1>
    <${RangeFields} startsOn=${query.get("from") ?? reports?.startsOn ?? ""} endsOn=${query.get("to") ?? reports?.endsOn ?? ""} />
    ${refusal && html`<p class="problem" role="alert">${refusal}</p>`}
    ${isLoading && !data && html`<p class="loading">${translate("Loading…")}</p>`}
    ${reports &&
    html`<div aria-busy=${isStale}>
      <p role="status">${translatePlural("%(n)d document from %(start)s to %(end)s", "%(n)d documents from %(start)s to %(end)s", reports.documentCount, { start: formatDay(reports.startsOn), end: formatDay(reports.endsOn) })}</p>
      ${reports.revenueByMonth && html`<${Revenue} months=${reports.revenueByMonth} />`}
      ${!isStale && html`<${RevenueByContact} key=${rangeKey} variables=${variables} />`}
      <${OpenItems} items=${reports.openItems} />
      ${reports.vatByMonth && html`<${Vat} months=${reports.vatByMonth} />`}
      ${!isStale && knowsMargin && html`<${Margin} key=${rangeKey} variables=${variables} />`}
    </div>`}
  `;
}

/** The first and the last day of the range. They are in the address, so that a report can be sent as a link. */
function RangeFields({ startsOn, endsOn }) {
  const id = useId();
  const change = (/** @type {string} */ name) => (/** @type {any} */ event) => setParameters({ [name]: event.target.value });
  const year = new Date().getFullYear();
  const showYear = (/** @type {number} */ shown) => () => setParameters({ from: `${shown}-01-01`, to: `${shown}-12-31` });
  return html`<div class="toolbar">
    <div class="field"><label for=${`${id}-from`}>${translate("First day")}</label><input id=${`${id}-from`} type="date" value=${startsOn} onChange=${change("from")} /></div>
    <div class="field"><label for=${`${id}-to`}>${translate("Last day")}</label><input id=${`${id}-to`} type="date" value=${endsOn} onChange=${change("to")} /></div>
    ${[year, year - 1].map((shown) => html`<button type="button" onClick=${showYear(shown)}>${shown}</button>`)}
  </div>`;
}

/** Amounts of different currencies are never in one chart. @param {any[]} months @returns {[string, any[]][]} */
function groupByCurrency(months) {
  return [...new Set(months.map(({ currency }) => currency))].map((currency) => [currency, months.filter((month) => month.currency === currency)]);
}

function Revenue({ months }) {
  return html`<section class="card">
    <h2>${translate("Revenue by month")}</h2>
    ${!months.length && html`<p class="empty">${translate("No document was issued in this range.")}</p>`}
    ${groupByCurrency(months).map(
      ([currency, entries]) => html`<div class="report" key=${currency}>
        <${MonthChart} title=${translate("Revenue by month in %(currency)s", { currency })} months=${entries.map(({ month, netAmount }) => ({ month, amount: netAmount }))} currency=${currency} />
        <${Table}
          label=${translate("Revenue by month in %(currency)s", { currency })}
          keyOf=${({ month }) => month}
          nodes=${entries}
          columns=${[
            { title: translate("Month"), cell: (/** @type {any} */ { month }) => formatMonth(month) },
            { title: translate("Documents"), isNumber: true, cell: (/** @type {any} */ { documentCount }) => formatNumber(documentCount) },
            { title: translate("Net amount"), isNumber: true, cell: (/** @type {any} */ { netAmount }) => formatAmount(netAmount, currency) },
          ]}
        />
      </div>`,
    )}
  </section>`;
}

const contactName = ({ contact }) => contact?.name ?? translate("Without a contact");
const contactKey = ({ contact, currency }) => `${contact?.id} ${currency}`;

function RevenueByContact({ variables }) {
  return html`<section class="card">
    <h2>${translate("Revenue by contact")}</h2>
    <${List}
      operation="RevenueByContact"
      label=${translate("Revenue by contact")}
      connection=${(/** @type {any} */ data) => data.account?.reports?.revenueByContact}
      variables=${() => variables}
      keyOf=${contactKey}
      empty=${translate("No document was issued in this range.")}
      columns=${[
        { title: translate("Contact"), cell: contactName },
        { title: translate("Documents"), isNumber: true, cell: (/** @type {any} */ { documentCount }) => formatNumber(documentCount) },
        { title: translate("Net amount"), isNumber: true, cell: (/** @type {any} */ { netAmount, currency }) => formatAmount(netAmount, currency) },
      ]}
    />
  </section>`;
}

/** Open amounts are those of today, for each range. They are one row for each age, and one column for each currency. */
function OpenItems({ items }) {
  const ages = [
    [translate("Not due yet"), "notDueAmount"],
    [translate("1 to 30 days overdue"), "days1To30Amount"],
    [translate("31 to 60 days overdue"), "days31To60Amount"],
    [translate("61 to 90 days overdue"), "days61To90Amount"],
    [translate("More than 90 days overdue"), "over90DaysAmount"],
    [translate("Open in total"), "openAmount"],
  ];
  const rows = ages.map(([title, field = ""]) => ({ title, valueOf: (/** @type {any} */ item) => formatAmount(item[field], item.currency) }));
  const invoices = { title: translate("Invoices"), valueOf: (/** @type {any} */ item) => formatNumber(item.documentCount) };
  const columns = [
    { title: translate("Due"), cell: ({ title }) => title },
    ...(items ?? []).map((/** @type {any} */ item) => ({ title: item.currency, isNumber: true, cell: ({ valueOf }) => valueOf(item) })),
  ];
  return html`<section class="card">
    <h2>${translate("Open today")}</h2>
    ${!items && html`<p class="problem">${translate("The open items cannot be added up, because they are too many.")}</p>`}
    ${items && !items.length && html`<p class="empty">${translate("No invoice is open.")}</p>`}
    ${items?.length > 0 && html`<${Table} label=${translate("Open today")} columns=${columns} nodes=${[...rows, invoices]} keyOf=${({ title }) => title} />`}
  </section>`;
}

function Vat({ months }) {
  const columns = [
    { title: translate("Month"), cell: ({ month }) => formatMonth(month) },
    { title: translate("VAT rate"), isNumber: true, cell: ({ rate }) => formatPercent(rate) },
    { title: translate("Net amount"), isNumber: true, cell: ({ taxableAmount, currency }) => formatAmount(taxableAmount, currency) },
    { title: translate("VAT"), isNumber: true, cell: ({ taxAmount, currency }) => formatAmount(taxAmount, currency) },
  ];
  return html`<section class="card">
    <h2>${translate("VAT by month")}</h2>
    ${months.length
      ? html`<${Table} label=${translate("VAT by month")} columns=${columns} nodes=${months} keyOf=${({ month, currency, rate }) => `${month} ${currency} ${rate}`} />`
      : html`<p class="empty">${translate("No document was issued in this range.")}</p>`}
  </section>`;
}

const marginColumns = (/** @type {any} */ first) => [
  first,
  { title: translate("Net amount"), isNumber: true, cell: (/** @type {any} */ { netAmount, currency }) => formatAmount(netAmount, currency) },
  { title: translate("Cost"), isNumber: true, cell: (/** @type {any} */ { costAmount, currency }) => formatAmount(costAmount, currency) },
  { title: translate("Margin"), isNumber: true, cell: (/** @type {any} */ { marginAmount, currency }) => formatAmount(marginAmount, currency) },
  { title: translate("Net amount without known cost"), isNumber: true, cell: (/** @type {any} */ { netAmountWithoutCost, currency }) => formatAmount(netAmountWithoutCost, currency) },
];

function Margin({ variables }) {
  const { data, problem, errors } = useQuery("MarginReport", variables);
  const months = data?.account?.reports?.marginByMonth;
  const refusal = problem ?? errors.map(({ message }) => message).join(" ");
  return html`<section class="card">
      <h2>${translate("Margin by month")}</h2>
      ${refusal && html`<p class="problem" role="alert">${refusal}</p>`}
      ${!data && !problem && html`<p class="loading">${translate("Loading…")}</p>`}
      ${months?.length === 0 && html`<p class="empty">${translate("No document was issued in this range.")}</p>`}
      ${groupByCurrency(months ?? []).map(
        ([currency, entries]) => html`<div key=${currency}>
          <${MonthChart} title=${translate("Margin by month in %(currency)s", { currency })} months=${entries.map(({ month, marginAmount }) => ({ month, amount: marginAmount }))} currency=${currency} />
          <${Table}
            label=${translate("Margin by month in %(currency)s", { currency })}
            columns=${marginColumns({ title: translate("Month"), cell: (/** @type {any} */ { month }) => formatMonth(month) })}
            nodes=${entries}
            keyOf=${({ month }) => month}
          />
        </div>`,
      )}
    </section>
    <section class="card">
      <h2>${translate("Margin by contact")}</h2>
      <${List}
        operation="MarginByContact"
        label=${translate("Margin by contact")}
        connection=${(/** @type {any} */ result) => result.account?.reports?.marginByContact}
        variables=${() => variables}
        keyOf=${contactKey}
        empty=${translate("No document was issued in this range.")}
        columns=${marginColumns({ title: translate("Contact"), cell: contactName })}
      />
    </section>`;
}
