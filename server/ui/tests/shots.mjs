// Takes a picture of every view of a run at three widths, light and dark: node shots.mjs URL FOLDER RUN [VIEW...]
import { open, start, visit } from "./browser.mjs";

const [url, folder, run, ...extra] = process.argv.slice(2);
const browser = await start();
for (const colorScheme of ["light", "dark"]) {
  for (const width of [400, 1280, 2560]) {
    const { page, wrong, close } = await open(browser, url, { colorScheme, viewport: { width, height: 1000 } });
    const views = ["", "/candidates", "/lineage", "/examples", "/reflections", "/failures", "/slots", "/steer", "/config", "/candidate/2", "/event/100", ...extra];
    for (const view of views) {
      await visit(page, `#/run/${run}${view}`);
      await page.waitForTimeout(600);
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
