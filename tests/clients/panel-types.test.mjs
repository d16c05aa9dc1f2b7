// The types of the panel: JSDoc comments, checked by the TypeScript compiler against the types of Preact and htm.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const localPath = (path) => fileURLToPath(new URL(path, import.meta.url));

test("the compiler finds no error in the scripts of the panel", () => {
  const { status, stdout, stderr } = spawnSync(process.execPath, [localPath("node_modules/typescript/bin/tsc"), "--project", localPath("panel.tsconfig.json")], { encoding: "utf8" });

  assert.equal(stdout + stderr, "");
  assert.equal(status, 0);
});
