'use strict';
// A browser without scripts, as a careful customer has one; and a second one that looks at each page it shows.

const fs = require('node:fs');
const path = require('node:path');
const { createRequire } = require('node:module');
const { require_ } = require('./site.cjs');

const packages = createRequire(path.join(process.env.BROWSER_PACKAGES, 'package.json'));
const { chromium } = packages('playwright-core');
const AXE = fs.readFileSync(packages.resolve('axe-core/axe.min.js'), 'utf8');

const FLAGS = [
  '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync', '--disable-dev-shm-usage',
];
const WIDTHS = [320, 1280];
const SCHEMES = ['light', 'dark'];
const TAGS = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];

class Browser {
  static async start(shots) {
    const browser = new Browser();
    browser.shots = shots;
    fs.mkdirSync(shots, { recursive: true });
    browser.chromium = await chromium.launch({ executablePath: '/usr/bin/chromium', args: FLAGS });
    // Axe is a script, which the pages' own policy would keep out.
    browser.looking = await browser.chromium.newContext({ bypassCSP: true });
    browser.found = [];
    browser.looked = new Set();
    return browser;
  }

  async stop() {
    await this.chromium.close();
  }

  /** A browser window of somebody's, in which no script runs unless it is asked for. */
  async visitor(options = {}) {
    const context = await this.chromium.newContext({ javaScriptEnabled: false, ...options });
    context.setDefaultTimeout(20_000);
    return context.newPage();
  }

  /** Looks at what a window shows, in both colour schemes and on both widths: pictures, axe, and whether it has to be moved sideways. */
  async look(page, name) {
    require_(!this.looked.has(name), `two pages are called ${name}`);
    this.looked.add(name);
    const [url, body] = [page.url(), await page.content()];
    const copy = await this.looking.newPage();
    await copy.route(url, (route) => route.fulfill({ body, contentType: 'text/html; charset=utf-8' }));
    for (const colorScheme of SCHEMES) {
      await copy.emulateMedia({ colorScheme });
      for (const width of WIDTHS) {
        const where = `${name}, ${width} px, ${colorScheme}`;
        await copy.setViewportSize({ width, height: 800 });
        await copy.goto(url);
        await copy.screenshot({ path: path.join(this.shots, `${name}-${width}-${colorScheme}.png`), fullPage: true });
        const wide = await copy.evaluate(() => document.documentElement.scrollWidth);
        if (wide > width) this.found.push(`${where}: it is ${wide} px wide`);
        await copy.evaluate(AXE);
        const report = await copy.evaluate((tags) => globalThis.axe.run({ runOnly: tags }), TAGS);
        for (const violation of report.violations) {
          const nodes = violation.nodes.map((node) => node.html).join('\n    ');
          const line = `${where}: ${violation.impact}: ${violation.help} (${violation.id})\n    ${nodes}`;
          if (['serious', 'critical'].includes(violation.impact)) this.found.push(line);
          else console.log(`  noted: ${line}`);
        }
      }
    }
    await copy.close();
  }

  /** Fails with all that was found. */
  conclude() {
    require_(this.found.length === 0, `what was looked at has faults:\n${this.found.join('\n')}`);
    console.log(`browser: ${this.looked.size} pages, light and dark, 320 and 1280 px: axe finds nothing serious`);
  }
}

/** Presses Tab until what has the focus fits the selector, and asserts that one sees where the focus is. */
async function tabTo(page, selector) {
  for (let pressed = 0; pressed < 60; pressed += 1) {
    await page.keyboard.press('Tab');
    const at = await page.evaluate((wanted) => {
      const focused = document.activeElement;
      const style = getComputedStyle(focused);
      const shown = (style.outlineStyle !== 'none' && style.outlineWidth !== '0px') || style.boxShadow !== 'none';
      return { fits: focused.matches(wanted), shown, html: focused.outerHTML.slice(0, 120) };
    }, selector);
    require_(at.shown, `the focus is not to be seen on ${at.html}`);
    if (at.fits) return;
  }
  throw new Error(`the keyboard does not reach ${selector} on ${page.url()}`);
}

module.exports = { Browser, tabTo };
