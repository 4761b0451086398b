import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { type Browser, chromium, type Page } from 'playwright-core';
import { createHub, type Hub, type HubOptions } from '../../src/server/hub/index.ts';
import { openSqlite, openStore, type Store } from '../../src/store/index.ts';

export const PASSWORD = 'a long first password';

/** Debian's Chromium; null when it is not installed. */
export const CHROMIUM = ['/usr/bin/chromium', '/usr/bin/chromium-browser'].find((path) => existsSync(path)) ?? null;

export interface Running {
  readonly hub: Hub;
  readonly store: Store;
  readonly url: string;
  readonly browser: Browser;
  /** A page that is logged in. */
  login(options?: {
    theme?: 'light' | 'dark';
    width?: number;
    height?: number;
    name?: string;
    password?: string;
  }): Promise<Page>;
  close(): Promise<void>;
}

let built: Promise<string> | null = null;

/** Builds the UI into a directory of the test's own, once. */
function buildUi(): Promise<string> {
  built ??= (async () => {
    const directory = mkdtempSync(join(tmpdir(), 'windhover-ui-'));
    const root = join(import.meta.dirname, '../../ui');
    // In a process of its own: a bundler's memory would stay with the hub, and stand on its page of health.
    const vite = createRequire(import.meta.url)
      .resolve('vite/package.json')
      .replace('package.json', 'bin/vite.js');
    await promisify(execFile)(process.execPath, [
      ...[vite, 'build', root, '--config', join(root, 'vite.config.ts'), '--logLevel', 'error'],
      ...['--outDir', directory, '--emptyOutDir'],
    ]);
    process.on('exit', () => rmSync(directory, { recursive: true, force: true }));
    return directory;
  })();
  return built;
}

/** An empty hub, and a browser to look at it. */
export async function startBrowser(
  executablePath: string,
  options: Omit<HubOptions, 'store' | 'directory' | 'uiDirectory'> = {},
): Promise<Running> {
  const directory = mkdtempSync(join(tmpdir(), 'windhover-hub-'));
  const uiDirectory = await buildUi();
  const store = await openStore(openSqlite(join(directory, 'hub.db')));
  const hub = createHub({ ...options, store, directory, uiDirectory });
  await hub.ensureAdmin(PASSWORD);
  const { port } = await hub.listen('127.0.0.1', 0);
  const url = `http://127.0.0.1:${port}`;
  const browser = await chromium.launch({
    executablePath,
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  });
  return {
    hub,
    store,
    url,
    browser,
    login: async ({ theme = 'light', width = 1440, height = 900, name = 'admin', password = PASSWORD } = {}) => {
      const context = await browser.newContext({ viewport: { width, height }, colorScheme: theme });
      const page = await context.newPage();
      await page.goto(url);
      await page.getByLabel('Name').fill(name);
      await page.getByLabel('Password').fill(password);
      await page.getByRole('button', { name: 'Log in' }).click();
      await page.getByRole('navigation', { name: 'Pages' }).waitFor();
      return page;
    },
    close: async () => {
      await browser.close();
      await hub.close();
      await store.close();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}
