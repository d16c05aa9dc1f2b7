// The parts of the panel that need no browser: texts and plurals, addresses, formats.

import assert from "node:assert/strict";
import { registerHooks } from "node:module";
import { test } from "node:test";

// The server's addresses of the libraries are those of their packages here.
const LIBRARIES = { "/static/vendor/preact.js": "preact", "/static/vendor/hooks.js": "preact/hooks", "/static/vendor/htm.js": "htm" };
registerHooks({
  resolve: (specifier, context, next) => {
    const library = Object.entries(LIBRARIES).find(([address]) => specifier.endsWith(address))?.[1];
    return library ? next(library, { ...context, parentURL: import.meta.url }) : next(specifier, context);
  },
});

process.env.TZ = "Europe/Warsaw";
const catalogues = {
  pl: { Account: "Konto", "Hello, %(name)s.": "Witaj, %(name)s.", "%(n)d account": ["%(n)d konto", "%(n)d konta", "%(n)d kont"] },
  fr: { "%(n)d account": ["%(n)d compte", "%(n)d comptes"] },
  sv: {},
};
const stored = new Map();
globalThis.localStorage = { getItem: (key) => stored.get(key) ?? null, setItem: (key, value) => stored.set(key, value) };
globalThis.document = { documentElement: {} };
globalThis.location = new URL("http://localhost/a/12/users?search=x#token");
globalThis.addEventListener = () => undefined;
globalThis.fetch = async (address) => Response.json(catalogues[/texts\/(\w+)\.json$/.exec(address)[1]]);

const texts = await import("../../panel/core/texts.js");
const router = await import("../../panel/core/router.js");
const formats = await import("../../panel/core/formats.js");
const { chooseLocale, preferredLocale, translate, translatePlural } = texts;

const browserLanguages = (...languages) => Object.defineProperty(globalThis, "navigator", { value: { languages }, configurable: true });

test("a text is translated, and its placeholders are filled", async () => {
  await chooseLocale("pl");

  assert.equal(translate("Account"), "Konto");
  assert.equal(translate("Hello, %(name)s.", { name: "Ada" }), "Witaj, Ada.");
  assert.equal(translate("Not translated %(name)s", { name: 1 }), "Not translated 1");
  assert.equal(translate("%(unknown)s and 100%%", { name: "x" }), "%(unknown)s and 100%");
  assert.equal(translate("Hello, %(name)s.", { name: "%(name)s $& $1" }), "Witaj, %(name)s $& $1.");
  assert.equal(document.documentElement.lang, "pl");
});

test("a plural has the forms of its language", async () => {
  const accounts = (n) => translatePlural("%(n)d account", "%(n)d accounts", n);
  await chooseLocale("en");
  assert.deepEqual([0, 1, 2].map(accounts), ["0 accounts", "1 account", "2 accounts"]);
  await chooseLocale("pl");
  assert.deepEqual([0, 1, 2, 5, 12, 22].map(accounts), ["0 kont", "1 konto", "2 konta", "5 kont", "12 kont", "22 konta"]);
  await chooseLocale("fr");
  assert.deepEqual([0, 1, 2, 1_000_000].map(accounts), ["0 compte", "1 compte", "2 comptes", "1000000 comptes"]);
  await chooseLocale("sv");
  assert.deepEqual([1, 2].map(accounts), ["1 account", "2 accounts"]);
});

test("a visitor gets the language that they chose, then the first known one of their browser", () => {
  stored.clear();
  for (const [languages, expected] of [[["de-DE", "nn-NO", "pl"], "nb"], [["de"], "en"], [[], "en"], [["sv-SE"], "sv"], [["IT"], "it"]]) {
    browserLanguages(...languages);
    assert.equal(preferredLocale(), expected);
  }
  stored.set("locale", "fr");
  assert.equal(preferredLocale(), "fr");
  stored.set("locale", "../x");
  assert.equal(preferredLocale(), "it");
});

test("a pattern matches its paths and gives their parameters", () => {
  const { match } = router;
  assert.deepEqual(match("/a/:number/users", "/a/12/users"), { number: "12" });
  assert.deepEqual(match("/a/:number/users", "/a/12/users/"), { number: "12" });
  assert.deepEqual(match("/a/:number", "/a/12"), { number: "12" });
  assert.deepEqual(match("/accounts", "/accounts"), {});
  for (const path of ["/a", "/a/", "/a//users", "/a/12/users/3", "/b/12/users", "/A/12/users", "/"]) {
    assert.equal(match("/a/:number/users", path), null, path);
  }
});

test("the address has a path, parameters and a token", () => {
  const { path, query, token } = router.address.value;
  assert.deepEqual([path, query.get("search"), token], ["/a/12/users", "x", "token"]);
});

test("instants have the zone of the user, and days have none", async () => {
  await chooseLocale("en");
  const { formatDate, formatDay, formatInstant, toDay, endOfDay } = formats;
  assert.equal(formats.timeZone, "Europe/Warsaw");
  assert.equal(formatDate("2026-11-21T23:30:00Z"), "22 November 2026");
  assert.match(formatInstant("2026-11-21T18:45:00Z"), /^21 Nov 2026, 19:45 (CET|GMT\+1)$/);
  assert.equal(formatDay("2026-11-21"), "21 Nov 2026");
  assert.deepEqual([formatDate(null), formatInstant(undefined), formatDay(null), toDay(null)], ["", "", "", ""]);
  assert.equal(toDay("2026-11-21T23:30:00Z"), "2026-11-22");
  assert.equal(endOfDay("2026-11-21"), "2026-11-21T22:59:59.000Z");
  assert.equal(endOfDay("2026-07-21"), "2026-07-21T21:59:59.000Z");
  assert.equal(endOfDay(""), null);
});

test("an amount keeps all of its digits", async () => {
  const { formatAmount } = formats;
  await chooseLocale("en");
  assert.equal(formatAmount("12345678901234567890.12", "EUR"), "€12,345,678,901,234,567,890.12");
  assert.equal(formatAmount("0.10", "EUR"), "€0.10");
  assert.equal(formatAmount("-1.5", "PLN").replace("\u00a0", " "), "-PLN 1.50");
  assert.equal(formatAmount(null, "EUR"), "");
});
