/**
 * Takes the pictures of docs/screenshots: every page, light and dark. The lists are of a made-up fleet over a day; what
 * stands behind one alert, and the health of everything, is of real acts that the sensor watches. As root:
 * `node test/hub/screenshots.ts [DIR]`.
 */
import { mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { readAlerts } from '../../src/store/index.ts';
import { ROOT } from '../live/sensor.ts';
import { CHROMIUM, type Running, startBrowser } from './browser.ts';
import { story } from './story.ts';
import { startWorld } from './world.ts';

const directory = process.argv[2] ?? join(import.meta.dirname, '../../docs/screenshots');
mkdirSync(directory, { recursive: true });
if (CHROMIUM === null) throw new Error('Chromium is not installed');

type View = (page: Page) => Promise<unknown>;
const settled = (page: Page) => page.waitForTimeout(900);

/** Where the checkout lies on the machine that takes the pictures is nobody's matter, nor what its first process is called. */
async function neutral(page: Page): Promise<void> {
  await page.evaluate(
    (root) => {
      for (const first of document.querySelectorAll('.processes .process')) {
        if (first.querySelector('.pid')?.textContent !== '1') continue;
        for (const part of first.querySelectorAll('code, .exe')) part.remove();
        (first.querySelector('b') as HTMLElement).textContent = 'init';
      }
      const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
      for (let node = walker.nextNode(); node !== null; node = walker.nextNode()) {
        if (node.nodeValue?.includes(root)) node.nodeValue = node.nodeValue.replaceAll(root, '/opt/windhover');
      }
    },
    ROOT.replace(/\/$/, ''),
  );
}

async function pictures(running: Running, views: Readonly<Record<string, View>>): Promise<void> {
  for (const theme of ['light', 'dark'] as const) {
    const page = await running.login({ theme });
    await page.evaluate(() => localStorage.setItem('welcomed', 'yes'));
    page.on('console', (message) => {
      if (message.type() === 'error') process.stderr.write(`${theme}: ${message.text()}\n`);
    });
    for (const [name, open] of Object.entries(views)) {
      await open(page);
      await settled(page);
      await neutral(page);
      await page.screenshot({ path: join(directory, `${name}-${theme}.png`) });
    }
    await page.context().close();
  }
}

const rules = join(import.meta.dirname, '../../rules');
const told = story(Math.floor(Date.now() / 1000));
const fleet = await startBrowser(CHROMIUM, {
  ruleFiles: readdirSync(rules)
    .filter((name) => name.endsWith('.yaml'))
    .map((name) => join(rules, name)),
});
await fleet.store.ingest(readAlerts(told.alerts));
await told.after(fleet.store);
await pictures(fleet, {
  inbox: (page) => page.goto(fleet.url),
  alerts: (page) =>
    page.goto(`${fleet.url}/alerts?q=${encodeURIComponent('namespace = shop and proc.name in (grep, bash)')}`),
  live: async (page) => {
    await page.goto(`${fleet.url}/live`);
    await page.locator('.bar').getByText('Live', { exact: true }).waitFor();
    await told.more(fleet.store);
  },
  rules: (page) => page.goto(`${fleet.url}/rules`),
  editor: async (page) => {
    await page.goto(`${fleet.url}/rules?rule=${encodeURIComponent('Execution from /dev/shm')}`);
    await page.getByLabel('Rules', { exact: true }).last().waitFor();
    await page.waitForTimeout(1200);
  },
  attack: (page) => page.goto(`${fleet.url}/attack`),
  settings: (page) => page.goto(`${fleet.url}/settings?tab=tokens`),
});
for (const theme of ['light', 'dark'] as const) {
  const context = await fleet.browser.newContext({ viewport: { width: 1440, height: 900 }, colorScheme: theme });
  const fresh = await context.newPage();
  await fresh.goto(fleet.url);
  await settled(fresh);
  await fresh.screenshot({ path: join(directory, `login-${theme}.png`) });
}
await fleet.close();

const world = await startWorld(CHROMIUM);
const groups = [...world.store.groups()];
const answered = groups.find(
  (one) => one.rule === 'Modify Shell Configuration File' && one.sample.includes(world.startUpFile),
);
const grave = groups.find((one) => one.rule === 'Package installation reads secrets') ?? answered;
await world.store.triage(
  [answered?.id ?? 1],
  { action: 'comment', text: 'The responder took it away. Whose session was it?' },
  'ana',
);
await pictures(world, {
  group: async (page) => {
    await page.goto(`${world.url}/groups/${grave?.id}`);
    await page.getByRole('region', { name: 'System calls' }).waitFor();
  },
  evidence: async (page) => {
    await page.goto(`${world.url}/groups/${answered?.id}`);
    await page.getByRole('region', { name: 'System calls' }).waitFor();
    await page
      .getByRole('region', { name: 'What was done' })
      .evaluate((element) => element.scrollIntoView({ block: 'end' }));
  },
  exception: async (page) => {
    await page.goto(`${world.url}/groups/${grave?.id}`);
    await page.getByRole('button', { name: 'Make an exception' }).click();
    await page.getByRole('region', { name: /^Narrow/ }).waitFor();
  },
  health: (page) => page.goto(`${world.url}/health`),
  destinations: (page) => page.goto(`${world.url}/settings?tab=destinations`),
});
await world.close();
process.exit(0);
