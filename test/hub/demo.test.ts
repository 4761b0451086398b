import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { type Browser, chromium, type Page } from 'playwright-core';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { cannotWatch } from '../actions/watch.ts';
import { ROOT } from '../live/sensor.ts';
import { freePort } from '../ports.ts';
import { CHROMIUM } from './browser.ts';

/** What somebody who has never seen it does after `npm start`: open the page, find out what happened, why, and how to silence it. */

const reason = CHROMIUM === null ? 'Chromium is not installed' : (cannotWatch() ?? null);
let tree: ChildProcess | null = null;
let browser: Browser | null = null;
let said = '';

beforeAll(async () => {
  if (reason !== null || CHROMIUM === null) return;
  const [page, forward, respond, sensor] = [await freePort(), await freePort(), await freePort(), await freePort()];
  const ports = ['--forward-port', forward, '--respond-port', respond, '--sensor-port', sensor].map(String);
  tree = spawn(join(ROOT, 'bin/windhover'), ['up', '--demo', '--listen', `127.0.0.1:${page}`, ...ports], {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: { ...process.env, NO_COLOR: '1' },
  });
  tree.stderr?.on('data', (chunk: Buffer) => {
    said += chunk.toString();
  });
  browser = await chromium.launch({ executablePath: CHROMIUM, args: ['--no-sandbox', '--disable-gpu'] });
}, 120_000);

afterAll(async () => {
  await browser?.close();
  if (tree === null || tree.exitCode !== null) return;
  const ended = new Promise((resolve) => tree?.once('close', resolve));
  tree.kill('SIGTERM');
  await ended;
});

it('shows a newcomer what happened, why, and how to silence it', { timeout: 240_000 }, async (context) => {
  if (reason !== null) context.skip(reason);
  await expect.poll(() => said, { timeout: 120_000 }).toContain('Now look at what happened');
  // The terminal says where to go, and with which password.
  const [, url = '', password = ''] = /(http:\S+) {5}user: admin {5}password: (\S+)\nCtrl-C/.exec(said) ?? [];
  const page: Page = await (browser as Browser).newPage();
  await page.goto(url);
  await page.getByLabel('Name').fill('admin');
  await page.getByLabel('Password').fill(password);
  await page.keyboard.press('Enter');

  // What happened: the gravest is the first line.
  const first = page.locator('.row').first();
  await first.getByRole('link', { name: 'Standard streams sent to a network connection' }).waitFor();
  await page.getByRole('region', { name: 'First steps' }).getByText('Make an exception').waitFor();
  await first.click();

  // Why, who, and the system calls around it.
  const why = page.getByRole('region', { name: 'Why it fired' });
  await why.getByText(/as a reverse shell does/).waitFor();
  await why.getByText('evt.type in (dup, dup2, dup3)').waitFor();
  const who = page.getByRole('region', { name: 'Who did it' });
  await who.getByText('this alert').waitFor();
  await who.getByText('Read sensitive file untrusted').waitFor();
  await page
    .getByRole('region', { name: 'System calls' })
    .locator('.line[data-at="true"]', { hasText: 'dup2' })
    .waitFor();

  // How to silence it.
  await page.getByRole('button', { name: 'Make an exception' }).click();
  const narrow = page.getByRole('region', { name: /^Narrow/ });
  await narrow.getByText('1 hidden in 7 days').waitFor();
  await narrow.getByRole('button', { name: 'Use it' }).click();
  await page.getByText('the sensors of this host take it over at once').waitFor();

  // And what the responder would have done.
  await page.goto(`${url}/?q=${encodeURIComponent('rule = "Modify Shell Configuration File"')}`);
  await page.locator('.row').first().click();
  const done = page.getByRole('region', { name: 'What was done' });
  await done.getByText('dry run', { exact: true }).waitFor();
  await done.getByText(/would move .*\.bashrc to/).waitFor();
});
