/** Takes the pictures of docs/screenshots: every page, light and dark. `node test/hub/screenshots.ts [DIR]`. */
import { mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { CHROMIUM, startBrowser } from './browser.ts';
import { story } from './story.ts';

const directory = process.argv[2] ?? join(import.meta.dirname, '../../docs/screenshots');
mkdirSync(directory, { recursive: true });
if (CHROMIUM === null) throw new Error('Chromium is not installed');
const shippedRules = join(import.meta.dirname, '../../rules');
const shipped = readdirSync(shippedRules)
  .filter((name) => name.endsWith('.yaml'))
  .map((name) => join(shippedRules, name));
const told = story(Math.floor(Date.now() / 1000));
const running = await startBrowser(CHROMIUM, told.alerts, { ruleFiles: [...shipped, told.rules] });
await told.after(running.store);

const group = [...running.store.groups()].find((one) => one.rule === told.grave)?.id ?? 1;
const settled = (page: Page) => page.waitForTimeout(700);

const VIEWS: Readonly<Record<string, (page: Page) => Promise<unknown>>> = {
  inbox: (page) => page.goto(running.url),
  alerts: (page) =>
    page.goto(`${running.url}/alerts?q=${encodeURIComponent('namespace = shop and proc.name in (grep, bash)')}`),
  group: (page) => page.goto(`${running.url}/groups/${group}`),
  exception: async (page) => {
    const noisy = [...running.store.groups()].sort((a, b) => b.count - a.count)[0]?.id;
    await page.goto(`${running.url}/groups/${noisy}`);
    await page.getByRole('button', { name: 'Make an exception' }).click();
  },
  live: async (page) => {
    await page.goto(`${running.url}/live`);
    await page.getByText('Live', { exact: true }).last().waitFor();
    await told.more(running.store);
  },
  rules: (page) => page.goto(`${running.url}/rules`),
  editor: async (page) => {
    await page.goto(`${running.url}/rules?rule=${encodeURIComponent(told.edited)}`);
    await page.getByLabel('Rules', { exact: true }).last().waitFor();
    await page.waitForTimeout(1200);
  },
  attack: (page) => page.goto(`${running.url}/attack`),
  health: (page) => page.goto(`${running.url}/health`),
  settings: (page) => page.goto(`${running.url}/settings?tab=tokens`),
};

for (const theme of ['light', 'dark'] as const) {
  const page = await running.login({ theme });
  page.on('console', (message) => {
    if (message.type() === 'error') process.stderr.write(`${theme}: ${message.text()}\n`);
  });
  for (const [name, open] of Object.entries(VIEWS)) {
    await open(page);
    await settled(page);
    await page.screenshot({ path: join(directory, `${name}-${theme}.png`) });
  }
  const fresh = await (
    await running.browser.newContext({ viewport: { width: 1440, height: 900 }, colorScheme: theme })
  ).newPage();
  await fresh.goto(running.url);
  await settled(fresh);
  await fresh.screenshot({ path: join(directory, `login-${theme}.png`) });
}
await running.close();
