// The audit suite of graphql-http: what the specification of GraphQL over HTTP demands, advises and allows.

import assert from "node:assert/strict";
import test from "node:test";
import { auditServer } from "graphql-http";
import { url } from "./world.mjs";

const LEVELS = ["MUST", "SHOULD", "MAY"];

test("no audit that must or should pass fails", async () => {
  const results = await auditServer({ url });
  const shown = ({ id, name, reason }) => `${id} ${name}: ${reason}`;
  const failed = Object.fromEntries(
    LEVELS.map((level) => [level, results.filter(({ name, status }) => name.startsWith(level) && status !== "ok")]),
  );

  assert.equal(results.length, 61);
  console.log(`note: ${results.filter(({ status }) => status === "ok").length} of ${results.length} audits pass`);
  for (const audit of failed.MAY) console.log(`note: allowed, and not done: ${shown(audit)}`);
  assert.deepEqual([...failed.MUST, ...failed.SHOULD].map(shown), []);
});
