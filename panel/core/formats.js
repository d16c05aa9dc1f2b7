// Dates, times, numbers and amounts in the language and the time zone of the user.

import { locale } from "./texts.js";

const LANGUAGES = { en: "en-GB" };
const language = () => LANGUAGES[locale.value] ?? locale.value;

/** The time zone of the user, by its IANA name. */
export const timeZone = Intl.DateTimeFormat().resolvedOptions().timeZone;

/** A day of an instant: 21 November 2026. @param {string | null | undefined} instant */
export function formatDate(instant) {
  return instant ? new Intl.DateTimeFormat(language(), { dateStyle: "long" }).format(new Date(instant)) : "";
}

/** An instant with the short name of the zone: 21 Nov 2026, 19:45 CET. @param {string | null | undefined} instant */
export function formatInstant(instant) {
  if (!instant) return "";
  const options = { year: "numeric", month: "short", day: "numeric", hour: "2-digit", minute: "2-digit", timeZoneName: "short" };
  return new Intl.DateTimeFormat(language(), /** @type {Intl.DateTimeFormatOptions} */ (options)).format(new Date(instant));
}

/** A calendar day without a time zone, from "2026-11-21". @param {string | null | undefined} day */
export function formatDay(day) {
  return day ? new Intl.DateTimeFormat(language(), { dateStyle: "medium", timeZone: "UTC" }).format(new Date(`${day}T00:00:00Z`)) : "";
}

/** The month of a day "2026-11-01": November 2026, or Nov 26. @param {string} day @param {"long" | "short"} [style] */
export function formatMonth(day, style = "long") {
  const options = style === "long" ? { year: "numeric", month: "long" } : { year: "2-digit", month: "short" };
  return new Intl.DateTimeFormat(language(), /** @type {Intl.DateTimeFormatOptions} */ ({ ...options, timeZone: "UTC" })).format(new Date(`${day}T00:00:00Z`));
}

/** The size of a file, in a unit of 1,000 bytes and its powers. @param {number} bytes */
export function formatBytes(bytes) {
  const units = ["byte", "kilobyte", "megabyte", "gigabyte"];
  const index = Math.min(Math.floor(Math.log10(Math.max(bytes, 1)) / 3), units.length - 1);
  return new Intl.NumberFormat(language(), { style: "unit", unit: units[index] ?? "byte", maximumFractionDigits: 1 }).format(bytes / 1000 ** index);
}

/** @param {number} number */
export function formatNumber(number) {
  return new Intl.NumberFormat(language()).format(number);
}

/** An amount with its currency. The amount is a decimal string and is never computed with. @param {string | null | undefined} amount @param {string} currency */
export function formatAmount(amount, currency) {
  if (amount === null || amount === undefined) return "";
  // A decimal string is formatted exactly: the digits of large amounts would be lost in a number.
  return new Intl.NumberFormat(language(), { style: "currency", currency }).format(/** @type {any} */ (amount));
}

/** The price of one unit, which can have more decimals than its currency. @param {string | null | undefined} price @param {string} currency */
export function formatPrice(price, currency) {
  if (price === null || price === undefined) return "";
  return new Intl.NumberFormat(language(), { style: "currency", currency, maximumFractionDigits: 6 }).format(/** @type {any} */ (price));
}

/** A decimal string in the user's language, such as a quantity. @param {string | null | undefined} decimal */
export function formatDecimal(decimal) {
  if (decimal === null || decimal === undefined) return "";
  return new Intl.NumberFormat(language(), { maximumFractionDigits: 6 }).format(/** @type {any} */ (decimal));
}

/** A rate in percent, from a decimal string such as "23". @param {string | null | undefined} rate */
export const formatPercent = (rate) => (rate === null || rate === undefined ? "" : `${formatDecimal(rate)} %`);

/** A decimal string as the user writes it in a field: with the decimal separator of their language, and nothing between thousands. @param {string | null | undefined} decimal */
export const writeDecimal = (decimal) => (decimal ?? "").replace(".", decimalSeparator());

/** The decimal string that the user has written. In a language with a decimal comma, a point is understood too. Null: it is no number. @param {string} text */
export function readDecimal(text) {
  const compact = text.replaceAll(/\s/g, "");
  const decimal = decimalSeparator() === "," ? compact.replace(",", ".") : compact;
  return /^-?\d+(\.\d+)?$/.test(decimal) ? decimal : null;
}

const decimalSeparator = () => new Intl.NumberFormat(language()).formatToParts(1.5).find(({ type }) => type === "decimal")?.value ?? ".";

/** The last instant of a day of the user's zone, for an end that is entered as a date. @param {string} day */
export function endOfDay(day) {
  return day ? new Date(`${day}T23:59:59`).toISOString() : null;
}

/** The day of an instant in the user's zone, for a date field. @param {string | null | undefined} instant */
export function toDay(instant) {
  if (!instant) return "";
  const date = new Date(instant);
  const pad = (/** @type {number} */ number) => String(number).padStart(2, "0");
  return `${date.getFullYear()}-${pad(date.getMonth() + 1)}-${pad(date.getDate())}`;
}
