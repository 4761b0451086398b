import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fieldCatalogue } from '../../src/fields/index.ts';
import { type Expr, loadRules, print } from '../../src/rules/index.ts';
import { CHROMIUM, PASSWORD, type Running, startBrowser } from './browser.ts';
import { story } from './story.ts';

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/** What axe finds against WCAG 2.2 AA, as short texts. */
async function violations(page: Page): Promise<string[]> {
  // The page's policy forbids scripts that are not its own; the debugger may.
  const session = await page.context().newCDPSession(page);
  const run = `${axe}; axe.run({ runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'] })
    .then((r) => r.violations.map((v) => v.id + ': ' + v.nodes.map((n) => n.target.join(' ') + ' ' + (n.any[0]?.message ?? '')).slice(0, 3).join(' | ')))`;
  const { result, exceptionDetails } = (await session.send('Runtime.evaluate', {
    expression: run,
    awaitPromise: true,
    returnByValue: true,
  })) as { result: { value?: string[] }; exceptionDetails?: { text: string } };
  await session.detach();
  if (exceptionDetails !== undefined) throw new Error(exceptionDetails.text);
  return result.value ?? [];
}

const HOSTILE = JSON.stringify({
  rule: '<img src=x onerror="document.title=\'owned\'">',
  priority: 'Alert',
  output: '10:00:00.000000000: Alert <script>document.title="owned"</script> é 🦅 \u202eright to left\u0007 | x',
  time: new Date().toISOString(),
  hostname: '"><svg/onload=document.title="owned">',
  output_fields: {
    'proc.name': '<b>x</b>',
    'proc.cmdline': 'sh -c "é 🦅"',
    'fd.name': '/tmp/\u001b[31mred',
    'evt.time': 0,
  },
}).replace('"evt.time":0', '"evt.time":1767366245123456789');

describe('the web UI', () => {
  let running: Running;
  let page: Page;
  const told = story(Math.floor(Date.now() / 1000), 2500);
  const problems: string[] = [];

  beforeAll(async (): Promise<void> => {
    if (CHROMIUM === null) return;
    running = await startBrowser(CHROMIUM, told.alerts, { ruleFiles: [told.rules] });
    await told.after(running.store);
    page = await running.login();
    page.on('pageerror', (error) => problems.push(error.message));
    page.on('console', (message) => {
      // Replacing a whole line in an editable element, Chromium itself tries to keep its style in an attribute.
      const itself = message.text().startsWith('Applying inline style') && page.url().includes('/rules');
      if (message.type() === 'error' && !itself && !/status of 4\d\d/.test(message.text()))
        problems.push(message.text());
    });
  }, 120_000);
  afterAll(async () => {
    await running?.close();
  });

  const flow = (name: string, run: () => Promise<void>) =>
    it(name, async (context) => {
      if (CHROMIUM === null) return context.skip('Chromium is not installed');
      await run();
      expect(problems.splice(0)).toEqual([]);
    });
  const open = (path: string) => page.goto(running.url + path);
  const idOf = (rule: string) => [...running.store.groups()].find((group) => group.rule === rule)?.id as number;

  flow('refuses a wrong password and says so', async () => {
    const context = await running.browser.newContext();
    const fresh = await context.newPage();
    await fresh.goto(running.url);
    await fresh.getByLabel('Name').fill('admin');
    await fresh.getByLabel('Password').fill('wrong');
    await fresh.keyboard.press('Enter');
    await fresh.getByRole('alert').getByText('the name or the password is wrong').waitFor();
    expect(await violations(fresh)).toEqual([]);
    await context.close();
  });

  flow('the inbox: graver first, facets narrow, the query is in the address', async () => {
    await open('/');
    await page.getByRole('link', { name: 'Kernel module loaded' }).waitFor();
    expect(await page.locator('.row .title a').first().textContent()).toBe('Kernel module loaded');
    await page.getByRole('button', { name: /^Critical/ }).click();
    await page.waitForURL(/q=priority/);
    await page.waitForFunction(() => document.querySelectorAll('.row').length < 6);
    expect(await page.locator('.row .mark').first().getAttribute('aria-label')).toBe('Critical');
    await page.reload();
    expect(await page.getByRole('textbox', { name: 'Query' }).inputValue()).toBe('priority = Critical');
    await page.goBack();
    await page.getByRole('link', { name: 'Kernel module loaded' }).waitFor();
  });

  flow('a mistake in the query is pointed at', async () => {
    await open('/');
    await page.locator('.row').first().waitFor();
    await page.keyboard.press('/');
    await page.keyboard.type('proc.name = ');
    await page.keyboard.press('Enter');
    await page.getByRole('alert').getByText('expected').waitFor();
    expect(await page.getByRole('textbox', { name: 'Query' }).getAttribute('aria-invalid')).toBe('true');
    await page.getByLabel('Clear the query').click();
    await page.locator('.row').first().waitFor();
  });

  flow('dragging over the histogram chooses the time', async () => {
    await open('/');
    const box = await page.locator('.histogram svg').boundingBox();
    if (box === null) throw new Error('no histogram');
    await page.mouse.move(box.x + box.width * 0.3, box.y + 40);
    await page.mouse.down();
    await page.mouse.move(box.x + box.width * 0.5, box.y + 40, { steps: 5 });
    await page.mouse.up();
    await page.waitForURL(/from=\d+&to=\d+/);
    const { searchParams } = new URL(page.url());
    const hours = (Number(searchParams.get('to')) - Number(searchParams.get('from'))) / 3_600_000;
    expect(hours).toBeGreaterThan(3);
    expect(hours).toBeLessThan(7);
  });

  flow('with the keyboard alone: choose, acknowledge, mute, resolve, undo, open, jump', async () => {
    await open('/');
    await page.locator('.row').first().waitFor();
    const states = () => [...running.store.groups()].map((group) => group.state);
    const count = (state: string) => states().filter((one) => one === state).length;
    const acknowledged = count('acknowledged');
    const done = count('resolved');
    await page.keyboard.press('j');
    await page.keyboard.press('e');
    await expect.poll(() => count('acknowledged')).toBe(acknowledged + 1);
    // The row that was acknowledged leaves the list; the cursor has to have found its place again.
    await page.waitForTimeout(1000);
    await page.keyboard.press('x');
    await page.getByText('1 chosen').waitFor();
    await page.keyboard.press('j');
    await page.waitForTimeout(500);
    await page.keyboard.press('x');
    await page.getByText('2 chosen').waitFor();
    await page.keyboard.press('m');
    await page.getByRole('dialog', { name: 'Mute 2 groups' }).waitFor();
    await page.getByRole('button', { name: '1 day' }).focus();
    await page.keyboard.press('Enter');
    await expect.poll(() => count('muted')).toBe(2);
    await page.getByText('Muted 2 groups.').waitFor();
    await page.getByRole('button', { name: 'Undo' }).focus();
    await page.keyboard.press('Enter');
    await expect.poll(() => count('muted')).toBe(0);
    await page.waitForTimeout(500);
    const row = page.locator('.row[data-at="true"] .title a');
    await row.waitFor();
    const title = (await row.textContent()) as string;
    await page.evaluate(() => (document.activeElement as HTMLElement).blur());
    await page.keyboard.press('Enter');
    await page.waitForURL(/\/groups\/\d+/);
    await page.getByRole('heading', { level: 1, name: title }).waitFor();
    await page.keyboard.press('r');
    await expect.poll(() => count('resolved')).toBe(done + 1);
    await page.keyboard.press('g');
    await page.keyboard.press('h');
    await page.waitForURL(/\/health/);
    await page.keyboard.press('?');
    await page.getByRole('dialog', { name: 'Keys' }).waitFor();
    await page.keyboard.press('Escape');
    await page.getByRole('dialog').waitFor({ state: 'detached' });
    const [resolved] = [...running.store.groups()].filter((group) => group.state === 'resolved');
    await running.store.triage([resolved?.id as number], { action: 'reopen' }, 'test');
  });

  flow('merges groups and splits one', async () => {
    await open('/?q=rule%20%3D%20%22Outbound%20connection%20to%20the%20API%20server%22');
    await page.locator('.row').nth(1).waitFor();
    const before = running.store.totals().groups;
    await page.locator('.row .check').nth(0).click();
    await page.locator('.row .check').nth(1).click();
    await page.getByRole('button', { name: 'Merge' }).click();
    await expect.poll(() => running.store.totals().groups).toBe(before - 1);
    await page.locator('.row').first().locator('.title a').click();
    const places = page.getByRole('region', { name: 'Where' });
    await places.getByRole('checkbox').first().click();
    await places.getByRole('button', { name: 'Split the chosen off' }).click();
    await expect.poll(() => running.store.totals().groups).toBe(before);
  });

  flow('an alert says what happened, why, and who', async () => {
    await open(`/groups/${idOf(told.grave)}`);
    await page.getByText('A program was executed from /dev/shm').first().waitFor();
    const why = page.getByRole('region', { name: 'Why it fired' });
    await why.getByText('proc.exepath startswith /dev/shm/').waitFor();
    expect(await why.getByRole('img', { name: 'true', exact: true }).count()).toBeGreaterThan(3);
    expect(await why.getByRole('img', { name: 'cannot be told from the alert' }).count()).toBe(1);
    const who = page.getByRole('region', { name: 'Who did it' });
    expect(await who.locator('.process b').allTextContents()).toEqual(
      expect.arrayContaining(['systemd', 'containerd-shim', 'sh']),
    );
    await who.getByText('this alert').waitFor();
    await page.getByText('No recording covers this moment').waitFor();
    await page.getByLabel('Comment').fill('looked at it');
    await page.getByRole('button', { name: 'Comment' }).click();
    await page.getByRole('region', { name: 'History' }).getByText('looked at it').waitFor();
    const { pathname } = new URL(page.url());
    await page.keyboard.press('n');
    await page.waitForURL(/alert=\d+/);
    expect(new URL(page.url()).pathname).toBe(pathname);
  });

  flow('an exception shows what it hides, and the file it gives is valid', async () => {
    await open(`/groups/${idOf('Configuration secrets read')}`);
    await page.getByRole('button', { name: 'Make an exception' }).click();
    const dialog = page.getByRole('dialog', { name: /An exception for/ });
    const narrow = dialog.getByRole('region', { name: /^Narrow/ });
    await narrow.waitFor();
    expect(await dialog.getByRole('region').count()).toBe(3);
    const [file] = await Promise.all([
      page.waitForEvent('download'),
      narrow.getByRole('button', { name: 'Download' }).click(),
    ]);
    const text = readFileSync((await file.path()) as string, 'utf8');
    const rules = readFileSync(told.rules, 'utf8');
    const result = loadRules(
      [
        { name: 'rules.yaml', text: rules },
        { name: 'exception.yaml', text },
      ],
      fieldCatalogue(),
    );
    expect(result.files.flatMap((one) => one.errors)).toEqual([]);
    const rule = result.ruleSet?.rules.find((one) => one.name === 'Configuration secrets read');
    expect(print(rule?.condition as Expr)).toContain('proc.cmdline');
    await page.keyboard.press('Escape');
  });

  flow('live: alerts come, pause holds them, going on shows them', async () => {
    await open('/live');
    await page.getByText('Live', { exact: true }).last().waitFor();
    await told.more(running.store, 5);
    await page
      .getByText('5 seen')
      .or(page.locator('.rate', { hasText: '5' }))
      .first()
      .waitFor();
    await page.locator('.rows .line').nth(4).waitFor();
    await page.keyboard.press('Space');
    await page.getByText('Paused').waitFor();
    await told.more(running.store, 7);
    await page.getByText('(7 waiting)').waitFor();
    expect(await page.locator('.rows .line').count()).toBe(5);
    await page.keyboard.press('Space');
    await page.locator('.rows .line').nth(11).waitFor();
  });

  flow('the editor completes, shows what is wrong at once, tries a change, and saves', async () => {
    await open('/rules?file=new.yaml');
    const editor = page.locator('.cm-content');
    await editor.waitFor();
    await page.getByText('rules in all files together').waitFor();
    await editor.click();
    await page.keyboard.press('Control+a');
    await page.keyboard.type('- rule: Execution from shared memory\n');
    await page.keyboard.type('condition: evt.type = execve and proc.exepat');
    await page.getByRole('option', { name: /proc\.exepath/ }).waitFor();
    await page.keyboard.press('Escape');
    await page.keyboard.type('x = /bin/true');
    await page.getByRole('region', { name: 'Problems' }).getByRole('button').first().waitFor();
    await editor.click();
    await page.keyboard.press('Control+a');
    await page.keyboard.insertText(
      '- rule: Execution from shared memory\n  condition: and proc.name != kworker1\n  override:\n    condition: append\n',
    );
    await page.getByText('rules in all files together').waitFor();
    await page.getByRole('button', { name: 'Back-test' }).click();
    const result = page.getByRole('region', { name: 'Back-test' });
    await result.getByRole('cell', { name: /Execution from shared memory/ }).waitFor();
    await page.getByRole('button', { name: 'Save' }).click();
    await page.getByText('Saved.').waitFor();
    await open('/rules');
    await page.getByRole('link', { name: /new\.yaml/ }).waitFor();
  });

  flow('saves a search, and it leads back', async () => {
    await open('/?q=namespace%20%3D%20ci&state=all');
    await page.locator('.row').first().waitFor();
    await page.getByRole('button', { name: 'Save search' }).click();
    const saved = page.getByRole('link', { name: 'namespace = ci', exact: true });
    await saved.waitFor();
    await open('/health');
    await saved.click();
    await page.waitForURL(/namespace/);
    await page.getByLabel('Forget the search namespace = ci').click();
    await saved.waitFor({ state: 'detached' });
  });

  flow('makes a token, shown once', async () => {
    await open('/settings?tab=tokens');
    await page.getByLabel('Name').fill('sensor');
    await page.getByRole('button', { name: 'Make token' }).click();
    const token = (await page.locator('.secret code').textContent()) as string;
    const sent = await fetch(`${running.url}/api/v1/`, {
      method: 'POST',
      headers: { authorization: `Basic ${Buffer.from(`sensor:${token}`).toString('base64')}` },
      body: HOSTILE,
    });
    expect(sent.status).toBe(200);
    await page.getByRole('button', { name: 'Revoke' }).click();
    await page.getByText('The token is void.').waitFor();
  });

  flow('an alert that means harm is text', async () => {
    await open('/');
    await page.getByRole('link', { name: /<img src=x/ }).click();
    await page.getByRole('heading', { level: 1, name: /<img src=x/ }).waitFor();
    await page.getByText('1767366245123456789').first().waitFor();
    await page.getByText('⟨U+202E⟩').first().waitFor();
    await page.getByText('⟨U+001B⟩').first().waitFor();
    expect(await page.title()).toBe('Inbox · Windhover');
    expect(await page.locator('main img, main script').count()).toBe(0);
    for (const path of ['/', '/alerts', '/live', '/rules', '/attack', '/health', '/settings?tab=audit']) {
      await open(path);
      await page.waitForTimeout(150);
      expect(await page.title()).not.toContain('owned');
    }
  });

  flow('a viewer sees, and cannot change', async () => {
    await running.hub.fetch(
      new Request(`${running.url}/api/users`, {
        method: 'POST',
        headers: {
          authorization: `Basic ${Buffer.from(`admin:${PASSWORD}`).toString('base64')}`,
          'content-type': 'application/json',
        },
        body: JSON.stringify({ name: 'vera', password: 'long enough now', role: 'viewer' }),
      }),
    );
    const hers = await running.login({ name: 'vera', password: 'long enough now' });
    await hers.goto(`${running.url}/groups/${idOf(told.grave)}`);
    await hers.getByRole('button', { name: 'Resolve' }).waitFor();
    expect(await hers.getByRole('button', { name: 'Resolve' }).isDisabled()).toBe(true);
    await hers.goto(`${running.url}/settings`);
    await hers.getByText('Your account').first().waitFor();
    expect(await hers.getByRole('link', { name: 'Tokens' }).count()).toBe(0);
    await hers.context().close();
  });

  for (const theme of ['light', 'dark'] as const) {
    flow(`is accessible on every page (${theme})`, async () => {
      const context = await running.login({ theme });
      const found: string[] = [];
      for (const path of [
        '/',
        '/alerts',
        '/live',
        '/rules',
        '/rules?file=fleet_rules.yaml',
        '/attack',
        '/health',
        '/settings',
        '/settings?tab=users',
        '/settings?tab=tokens',
        '/settings?tab=retention',
        '/settings?tab=audit',
        `/groups/${idOf(told.grave)}`,
        '/nowhere',
      ]) {
        await context.goto(running.url + path);
        await context.waitForTimeout(500);
        for (const one of await violations(context)) found.push(`${path} ${one}`);
      }
      await context.goto(`${running.url}/groups/${idOf(told.grave)}`);
      await context.getByRole('button', { name: 'Make an exception' }).click();
      await context.getByRole('region', { name: /^Narrow/ }).waitFor();
      for (const one of await violations(context)) found.push(`exception ${one}`);
      await context.context().close();
      expect(found).toEqual([]);
    });
  }
});
