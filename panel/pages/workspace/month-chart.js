// A bar chart of amounts by month. The table beside it has the exact amounts.

import { formatAmount, formatMonth } from "../../core/formats.js";
import { html } from "../../core/view.js";

const WIDTH = 720;
const HEIGHT = 220;
const LABEL_HEIGHT = 26;
const TOP = 28;
const MAX_LABELS = 12;

/** @param {{ title: string, months: { month: string, amount: string }[], currency: string }} properties */
export function MonthChart({ title, months, currency }) {
  const entries = fillMonths(months);
  // The heights of bars are the only use of amounts as numbers.
  const heights = entries.map(({ amount }) => Number(amount));
  const highest = Math.max(0, ...heights);
  const lowest = Math.min(0, ...heights);
  const scale = (HEIGHT - TOP - LABEL_HEIGHT) / (highest - lowest || 1);
  const zero = TOP + highest * scale;
  const step = WIDTH / entries.length;
  const labelEvery = Math.ceil(entries.length / MAX_LABELS);
  const top = entries[heights.indexOf(highest)];
  return html`<figure class="chart">
    <svg viewBox=${`0 0 ${WIDTH} ${HEIGHT}`} role="img" aria-label=${title}>
      ${entries.map(({ month, amount }, index) => {
        const height = Math.abs(Number(amount)) * scale;
        const y = Number(amount) < 0 ? zero : zero - height;
        return html`<g key=${month}>
          <rect class=${Number(amount) < 0 ? "negative" : ""} x=${index * step + step * 0.15} y=${y} width=${step * 0.7} height=${height}>
            <title>${formatMonth(month)}: ${formatAmount(amount, currency)}</title>
          </rect>
          ${index % labelEvery === 0 && html`<text x=${index * step + step / 2} y=${HEIGHT - 6} text-anchor="middle">${formatMonth(month, "short")}</text>`}
        </g>`;
      })}
      <line x1="0" x2=${WIDTH} y1=${zero} y2=${zero} />
      ${highest > 0 && top && html`<text x="0" y="20">${formatAmount(top.amount, currency)}</text>`}
    </svg>
    <figcaption>${title}</figcaption>
  </figure>`;
}

/** The months from the first to the last, those without an amount included. @param {{ month: string, amount: string }[]} months */
function fillMonths(months) {
  const amounts = new Map(months.map(({ month, amount }) => [month, amount]));
  const last = months.at(-1)?.month ?? "";
  const filled = [];
  for (let month = months[0]?.month ?? ""; month && month <= last; month = followingMonth(month)) filled.push({ month, amount: amounts.get(month) ?? "0" });
  return filled;
}

/** @param {string} month the first day of a month, "2026-11-01" */
function followingMonth(month) {
  const [year = 0, number = 0] = month.split("-").map(Number);
  return new Date(Date.UTC(year, number, 1)).toISOString().slice(0, 10);
}
