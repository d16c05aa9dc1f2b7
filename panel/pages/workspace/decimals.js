// Decimal numbers in forms: what the user wrote becomes the text that the graph expects.

import { readDecimal, writeDecimal } from "../../core/formats.js";
import { translate } from "../../core/texts.js";

/**
 * Run a mutation with the values of a form, in which the fields `names` are decimal numbers. An empty one is null.
 * @param {Record<string, any>} values @param {string[]} names @param {(values: Record<string, any>) => Promise<any>} run @returns {Promise<any>}
 */
export async function withDecimals(values, names, run) {
  const decimals = names.filter((name) => values[name] !== undefined).map((name) => ({ name, decimal: values[name] === "" ? null : readDecimal(values[name]) }));
  const errors = decimals.filter(({ name, decimal }) => decimal === null && values[name] !== "").map(({ name }) => ({ code: "INVALID", message: decimalMessage(), field: [name] }));
  if (errors.length) return { errors };
  return run({ ...values, ...Object.fromEntries(decimals.map(({ name, decimal }) => [name, decimal])) });
}

const decimalMessage = () => translate("Write a number, for example %(example)s.", { example: writeDecimal("12.50") });
