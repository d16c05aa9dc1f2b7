// The audits of graphql-http: the requirements of the GraphQL over HTTP specification (MUST, SHOULD, MAY).

import assert from "node:assert/strict";
import test from "node:test";
import { auditServer } from "graphql-http";
import { url } from "./common.mjs";

const LEVELS = ["MUST", "SHOULD", "MAY"];

test("all audits of MUST and SHOULD pass", async () => {
  const results = await auditServer({ url });
  const describe = ({ id, name, reason }) => `${id} ${name}: ${reason}`;
  const failures = Object.fromEntries(
    LEVELS.map((level) => [level, results.filter(({ name, status }) => name.startsWith(level) && status !== "ok")]),
  );

  assert.equal(results.length, 61);
  console.log(`note: ${results.filter(({ status }) => status === "ok").length} of ${results.length} audits pass`);
  for (const audit of failures.MAY) console.log(`note: optional and not implemented: ${describe(audit)}`);
  assert.deepEqual([...failures.MUST, ...failures.SHOULD].map(describe), []);
});
