// Decimal numbers in forms: what the user wrote becomes the text that the graph expects.

import { readDecimal, writeDecimal } from "../../core/formats.js";
import { translate } from "../../core/texts.js";
import { requiredErrors } from "./required.js";

/**
 * Run a mutation with the values of a form, in which the fields `names` are decimal numbers. An empty one is null, and an error if its name is in `requiredNames`.
 * @param {Record<string, any>} values @param {string[]} names @param {(values: Record<string, any>) => Promise<any>} run @param {string[]} [requiredNames] @returns {Promise<any>}
 */
export async function withDecimals(values, names, run, requiredNames = []) {
  const decimals = names.filter((name) => values[name] !== undefined).map((name) => ({ name, decimal: values[name] === "" ? null : readDecimal(values[name]) }));
  const numberErrors = decimals.filter(({ name, decimal }) => decimal === null && values[name] !== "").map(({ name }) => decimalError(name));
  const errors = [...numberErrors, ...requiredErrors(requiredNames.filter((name) => values[name] === ""))];
  if (errors.length) return { errors };
  return run({ ...values, ...Object.fromEntries(decimals.map(({ name, decimal }) => [name, decimal])) });
}

/** The error of a field that has no number. @param {string} name */
export const decimalError = (name) => ({ code: "INVALID", message: translate("Write a number, for example %(example)s.", { example: writeDecimal("12.50") }), field: [name] });
