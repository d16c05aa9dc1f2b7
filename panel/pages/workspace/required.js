// Errors for fields that must have a value.
//
// The graph takes null as "not given", so a value that the user removes would stay, and the form would say nothing.

import { translate } from "../../core/texts.js";

/** An error for each field. @param {string[]} names */
export const requiredErrors = (names) => names.map((name) => ({ code: "REQUIRED", message: translate("This cannot be empty."), field: [name] }));

/** The names of the fields that have become empty. @param {string[]} names @param {Record<string, any>} values @param {Record<string, any>} former */
export const emptiedFields = (names, values, former) => names.filter((name) => values[name] === "" && former[name]);
