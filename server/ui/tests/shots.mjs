// Takes a picture of every view at three widths, light and dark: node shots.mjs URL FOLDER
import { open, start, visit } from "./browser.mjs";

const [url, folder] = process.argv.slice(2);
const browser = await start();
for (const colorScheme of ["light", "dark"]) {
  for (const width of [400, 1280, 2560]) {
    const { page, wrong, close } = await open(browser, url, { colorScheme, viewport: { width, height: 1000 } });
    const run = await page.evaluate(() => location.hash.match(/run\/(pl_[0-9a-f]+)/)?.[1] ?? document.querySelector("code")?.textContent);
    const views = ["", "/candidates", "/lineage", "/examples", "/reflections", "/failures", "/slots", "/steer", "/config", "/candidate/2", "/event/100"];
    for (const view of views) {
      await visit(page, `#/run/${run}${view}`);
      await page.waitForTimeout(150);
      const name = view === "" ? "overview" : view.slice(1).replace("/", "-");
      await page.screenshot({ path: `${folder}/${name}-${width}-${colorScheme}.png`, fullPage: true });
      const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      if (wide > 0) console.log(`${name} at ${width}: ${wide} px too wide`);
    }
    if (wrong.length > 0) console.log(wrong.join("\n"));
    await close();
  }
}
await browser.close();
