// Texts in the language of the user, from the same catalogues as the mails. The English text is the key.

import { Store } from "./store.js";

/** Languages by their own names, because a reader of the list may know only theirs. */
export const LOCALE_NAMES = { en: "English", pl: "Polski", fr: "Français", nb: "Norsk bokmål", it: "Italiano", sv: "Svenska" };
const ALIASES = { no: "nb", nn: "nb" };
const STORAGE_KEY = "locale";

/** The order of the plural forms in the catalogues. */
const PLURAL_FORMS = { pl: ["one", "few", "many"] };
const TWO_FORMS = ["one", "other"];

/** The language that the panel is shown in. */
export const locale = new Store("en");
/** The language that was chosen last. Its texts may still be on their way. */
let chosenLocale = "en";
/** @type {Record<string, string | string[]>} */
let catalogue = {};

/** The language of an anonymous visitor: the one they chose last, otherwise the first known one of the browser. */
export function preferredLocale() {
  const languages = [localStorage.getItem(STORAGE_KEY) ?? "", ...navigator.languages];
  return languages.map(matchLocale).find(Boolean) ?? "en";
}

/** Load the texts of a language and render the panel in it. Throws an error if the server does not send them. @param {string} name */
export async function chooseLocale(name) {
  chosenLocale = name;
  const texts = name === "en" ? {} : await loadTexts(name);
  if (name !== chosenLocale) return;
  catalogue = texts;
  localStorage.setItem(STORAGE_KEY, name);
  document.documentElement.lang = name;
  locale.set(name);
}

async function loadTexts(name) {
  const response = await fetch(`/static/panel/texts/${name}.json`);
  if (!response.ok) throw new Error(`status ${response.status}`);
  return response.json();
}

/** A text in the chosen language, with its `%(name)s` placeholders filled. @param {string} text @param {Record<string, unknown>} [values] */
export function translate(text, values) {
  const translation = catalogue[text];
  return fill(typeof translation === "string" ? translation : text, values);
}

/** The plural form for `n`. `%(n)d` is the number. @param {string} singular @param {string} plural @param {number} n @param {Record<string, unknown>} [values] */
export function translatePlural(singular, plural, n, values) {
  const forms = catalogue[singular];
  const category = new Intl.PluralRules(locale.value).select(n);
  const index = (PLURAL_FORMS[locale.value] ?? TWO_FORMS).indexOf(category);
  const form = Array.isArray(forms) ? forms[index < 0 ? forms.length - 1 : index] : n === 1 ? singular : plural;
  return fill(form, { n, ...values });
}

function fill(text, values = {}) {
  return text.replaceAll(/%(?:\((\w+)\)[sd]|%)/g, (placeholder, name) => (name === undefined ? "%" : String(values[name] ?? placeholder)));
}

function matchLocale(tag) {
  const language = tag.toLowerCase().split("-")[0];
  const name = ALIASES[language] ?? language;
  return Object.hasOwn(LOCALE_NAMES, name) ? name : undefined;
}
