// Starts Chromium, and watches each page for what must not happen: errors, refused scripts, requests
// to other places.
import { chromium } from "playwright-core";

export async function start() {
  const executablePath = process.env.GEPA_CHROMIUM ?? "/usr/bin/chromium";
  return chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-gpu"] });
}

/** A page, and the list of what went wrong on it. */
export async function open(browser, url, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
  const page = await context.newPage();
  const wrong = [];
  page.on("pageerror", (error) => wrong.push(`error: ${error.message}`));
  page.on("console", (message) => {
    if (message.type() === "error") wrong.push(`console: ${message.text()}`);
  });
  page.on("dialog", (dialog) => {
    wrong.push(`dialog: ${dialog.message()}`);
    void dialog.dismiss();
  });
  const own = new URL(url).origin;
  page.on("request", (request) => {
    const target = request.url();
    if (/^(data|blob|about):/.test(target)) return;
    if (url.startsWith("file:") ? target !== url.split("#")[0] : new URL(target).origin !== own) {
      wrong.push(`request: ${target}`);
    }
  });
  await page.goto(url);
  await page.waitForSelector("main:not(:has([data-reading]))");
  return { page, wrong, close: () => context.close() };
}

/** Follows an address within the page, and waits until it is shown. */
export async function visit(page, hash) {
  await page.evaluate((next) => {
    document.querySelector("main")?.setAttribute("data-old", "");
    if (location.hash === next) dispatchEvent(new HashChangeEvent("hashchange"));
    else location.hash = next;
  }, hash);
  await page.waitForSelector("main:not([data-old]):not(:has([data-reading]))");
}
