import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { Locator, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fieldCatalogue } from '../../src/fields/index.ts';
import { type Expr, loadRules, print } from '../../src/rules/index.ts';
import { cannotWatch } from '../actions/watch.ts';
import { windhover } from '../live/sensor.ts';
import { CHROMIUM, PASSWORD } from './browser.ts';
import { startWorld, type World } from './world.ts';

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

const NOISY = 'Standard streams sent to a network connection';

describe('the web UI, over what the sensor saw', () => {
  let running: World;
  let page: Page;
  const problems: string[] = [];
  const reason = CHROMIUM === null ? 'Chromium is not installed' : (cannotWatch() ?? null);

  beforeAll(async (): Promise<void> => {
    if (reason !== null || CHROMIUM === null) return;
    running = await startWorld(CHROMIUM);
    page = await running.login();
    page.on('pageerror', (error) => problems.push(error.message));
    page.on('console', (message) => {
      // Replacing a whole line in an editable element, Chromium itself tries to keep its style in an attribute.
      const itself = message.text().startsWith('Applying inline style') && page.url().includes('/rules');
      if (message.type() === 'error' && !itself && !/status of 4\d\d/.test(message.text()))
        problems.push(message.text());
    });
  }, 240_000);
  afterAll(async () => {
    await running?.close();
  });

  const flow = (name: string, run: () => Promise<void>) =>
    it(name, async (context) => {
      if (reason !== null) return context.skip(reason);
      await run();
      expect(problems.splice(0)).toEqual([]);
    });
  const open = (path: string) => page.goto(running.url + path);
  const idOf = (rule: string) => [...running.store.groups()].find((group) => group.rule === rule)?.id as number;
  /** The group that the responder has acted upon. */
  const answered = () =>
    [...running.store.groups()].find(
      (group) => group.rule === 'Modify Shell Configuration File' && group.sample.includes(running.startUpFile),
    )?.id as number;

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
    await page.locator('.row').nth(20).waitFor();
    const marks = () =>
      page.locator('.row .mark').evaluateAll((all) => all.map((one) => one.getAttribute('aria-label')));
    expect((await marks())[0]).toBe('Critical');
    expect(await marks()).toContain('Notice');
    await page.getByRole('button', { name: /^Critical/ }).click();
    await page.waitForURL(/q=priority/);
    await expect.poll(async () => [...new Set(await marks())]).toEqual(['Critical']);
    await page.reload();
    expect(await page.getByRole('textbox', { name: 'Query' }).inputValue()).toBe('priority = Critical');
    await page.goBack();
    await expect.poll(marks).toContain('Notice');
  });

  flow('whoever is new is told what to do, once', async () => {
    await open('/');
    const steps = page.getByRole('region', { name: 'First steps' });
    await steps.getByText('Make an exception').waitFor();
    await page.getByRole('button', { name: 'Close the first steps' }).click();
    await steps.waitFor({ state: 'detached' });
    await page.reload();
    await page.locator('.row').first().waitFor();
    expect(await steps.count()).toBe(0);
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
    // A fifth of the last hour: the hub holds nothing older.
    expect(hours).toBeGreaterThan(0.1);
    expect(hours).toBeLessThan(0.35);
  });

  flow('with the keyboard alone: choose, acknowledge, mute, resolve, undo, open, jump', async () => {
    await open('/');
    await page.locator('.row').first().waitFor();
    const states = () => [...running.store.groups()].map((group) => group.state);
    const count = (state: string) => states().filter((one) => one === state).length;
    const acknowledged = count('acknowledged');
    const done = count('resolved');
    await page.keyboard.press('j');
    const at = page.locator('.row[data-at="true"]');
    await page.keyboard.press('e');
    await expect.poll(() => count('acknowledged')).toBe(acknowledged + 1);
    // The list has loaded again, and the cursor has found its place.
    await at.getByText('acknowledged').waitFor();
    await page.keyboard.press('x');
    await page.getByText('1 chosen').waitFor();
    await page.keyboard.press('j');
    await page.locator('.row[data-at="true"][data-selected="false"]').waitFor();
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
    await page.locator('.row', { hasText: 'muted' }).waitFor({ state: 'detached' });
    await page.getByRole('button', { name: /^Muted\s*0$/ }).waitFor();
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
    const rules = [...running.store.groups()].map((group) => group.rule);
    const rule = rules.find((one, i) => rules.indexOf(one) !== i);
    await open(`/?q=${encodeURIComponent(`rule = "${rule}"`)}&state=all`);
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

  flow('an alert says what happened, why, who, and what was done; what was done is taken back', async () => {
    await open(`/groups/${answered()}`);
    await page.getByText('Shell configuration opened for writing').first().waitFor();
    const why = page.getByRole('region', { name: 'Why it fired' });
    await why.getByText('files.yaml').waitFor();
    expect(await why.getByRole('img', { name: 'true', exact: true }).count()).toBeGreaterThan(1);
    await why.getByText('is openat').first().waitFor();
    const who = page.getByRole('region', { name: 'Who did it' });
    await who.getByText('this alert').waitFor();
    const lineage = await who.locator('.process b').allTextContents();
    expect(lineage.length).toBeGreaterThan(2);
    expect(lineage).toContain('sh');
    const done = page.getByRole('region', { name: 'What was done' });
    await done.getByText('Take the start-up file away (host:quarantine-file)').waitFor();
    await done.getByText('done', { exact: true }).waitFor();
    expect(existsSync(running.startUpFile)).toBe(false);
    await done.getByRole('button', { name: 'Undo' }).click();
    await done.getByText('taken back').waitFor();
    expect(readFileSync(running.startUpFile, 'utf8')).toBe('true\n');
    await page.getByLabel('Comment').fill('looked at it');
    await page.getByRole('button', { name: 'Comment' }).click();
    const history = page.getByRole('region', { name: 'History' });
    await history.getByText('looked at it').waitFor();
    await history.getByText('undo action').waitFor();
  });

  flow('the system calls around an alert, filtered as Falco does', async () => {
    await open(`/groups/${answered()}`);
    const what = page.getByRole('region', { name: 'What else' });
    const call = what.locator('.line.call');
    await call.first().waitFor();
    const filter = what.getByLabel('Filter of system calls').first();
    await filter.fill(`evt.type = openat and fd.name = "${running.startUpFile}"`);
    await what.getByRole('button', { name: 'Filter' }).first().click();
    await what.getByText(/^[1-3] of [\d,]+ system calls$/).waitFor();
    expect(await call.first().textContent()).toContain(running.startUpFile);
    await filter.fill('fd.nam = 1');
    await what.getByRole('button', { name: 'Filter' }).first().click();
    await what.getByRole('alert').getByText('fd.nam').waitFor();
  });

  flow('older and newer alerts of a group, by key', async () => {
    await open(`/groups/${idOf(NOISY)}`);
    await page.getByRole('region', { name: 'Why it fired' }).getByText('execution.yaml').waitFor();
    const { pathname } = new URL(page.url());
    await page.keyboard.press('n');
    await page.waitForURL(/alert=\d+/);
    expect(new URL(page.url()).pathname).toBe(pathname);
  });

  flow('an exception shows what it hides; what it gives silences that, and nothing else', async () => {
    const rule = 'Read ssh information';
    await open(`/groups/${idOf(rule)}`);
    await page.getByRole('button', { name: 'Make an exception' }).click();
    const dialog = page.getByRole('dialog', { name: /An exception for/ });
    const narrow = dialog.getByRole('region', { name: /^Narrow/ });
    await narrow.waitFor();
    expect(await dialog.getByRole('region').count()).toBe(3);
    const [file] = await Promise.all([
      page.waitForEvent('download'),
      narrow.getByRole('button', { name: 'Download' }).click(),
    ]);
    const path = (await file.path()) as string;
    const result = loadRules(
      [...running.rules, path].map((name) => ({ name, text: readFileSync(name, 'utf8') })),
      fieldCatalogue(),
    );
    expect(result.files.flatMap((one) => one.errors)).toEqual([]);
    const changed = result.ruleSet?.rules.find((one) => one.name === rule);
    expect(print(changed?.condition as Expr)).toContain('proc.cmdline');

    // The recording that belongs to the alert, judged with it and without it.
    const { alerts } = await running.store.alerts({ from: 0, to: Number.MAX_SAFE_INTEGER, group: idOf(rule) }, 1);
    const [one] = alerts;
    if (one === undefined) throw new Error('no alert');
    const detail = await running.get<{ captures: { id: number }[] }>(`/api/alerts/${one.id}`);
    const recording = await running.recording(detail.captures[0]?.id as number);
    const judge = async (...more: string[]) => {
      const settings = ['rule_matching=all', 'json_output=true', 'append_output=[]', 'rules=[{enable: {rule: "*"}}]'];
      const run = await windhover([
        ...['replay', recording, ...settings.flatMap((text) => ['-o', text])],
        ...[...running.rules, ...more].flatMap((name) => ['-r', name]),
      ]);
      expect(run.status, run.stderr).toBe(0);
      return run.alerts.map((alert) => `${alert.time} ${alert.rule}`);
    };
    const before = await judge();
    const after = await judge(path);
    const mine = `${(JSON.parse(one.text) as { time: string }).time} ${rule}`;
    expect(before).toContain(mine);
    expect(after).not.toContain(mine);
    expect(before.filter((text) => !text.endsWith(rule))).toEqual(after.filter((text) => !text.endsWith(rule)));

    await narrow.getByRole('button', { name: 'Use it' }).click();
    await page.getByText('Written to exceptions.yaml').waitFor();
    expect(readFileSync(running.written('exceptions.yaml'), 'utf8')).toBe(readFileSync(path, 'utf8'));
    await open('/rules?file=exceptions.yaml');
    await page.locator('.cm-content').getByText('exceptions').first().waitFor();
  });

  flow('live: alerts come, pause holds them, going on shows them', async () => {
    await open('/live');
    await page.getByRole('textbox', { name: 'Query' }).fill('fd.name = /etc/shadow and proc.name = cat');
    await page.keyboard.press('Enter');
    await page.waitForURL(/q=fd/);
    await page.getByText('Live', { exact: true }).last().waitFor();
    await page.evaluate(() => (document.activeElement as HTMLElement).blur());
    running.act('cat /etc/shadow >/dev/null', 5);
    await page
      .getByText('5 seen')
      .or(page.locator('.rate', { hasText: '5' }))
      .first()
      .waitFor();
    await page.locator('.rows .line').nth(4).waitFor();
    await page.keyboard.press('Space');
    await page.getByText('Paused').waitFor();
    running.act('cat /etc/shadow >/dev/null', 7);
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
    await page.keyboard.type('- rule: Execution from /dev/shm\n');
    await page.keyboard.type('condition: evt.type = execve and proc.exepat');
    await page.getByRole('option', { name: /proc\.exepath/ }).waitFor();
    await page.keyboard.press('Escape');
    await page.keyboard.type('x = /bin/true');
    await page.getByRole('region', { name: 'Problems' }).getByRole('button').first().waitFor();
    await editor.click();
    await page.keyboard.press('Control+a');
    await page.keyboard.insertText(
      '- rule: Execution from /dev/shm\n  condition: and proc.name != kworker1\n  override:\n    condition: append\n',
    );
    await page.getByText('rules in all files together').waitFor();
    await page.getByRole('button', { name: 'Back-test' }).click();
    const result = page.getByRole('region', { name: 'Back-test' });
    await result.getByRole('cell', { name: /Execution from \/dev\/shm/ }).waitFor();
    await page.getByRole('button', { name: 'Save' }).click();
    await page.getByText('Saved.').waitFor();
    await open('/rules');
    await page.getByRole('link', { name: /new\.yaml/ }).waitFor();
  });

  flow('saves a search, and it leads back', async () => {
    await open('/?q=proc.name%20%3D%20cat&state=all');
    await page.locator('.row').first().waitFor();
    await page.getByRole('button', { name: 'Save search' }).click();
    const saved = page.getByRole('link', { name: 'proc.name = cat', exact: true });
    await saved.waitFor();
    await open('/health');
    await saved.click();
    await page.waitForURL(/proc\.name/);
    await page.getByLabel('Forget the search proc.name = cat').click();
    await saved.waitFor({ state: 'detached' });
  });

  flow('health: the sensor, what rules cost, dead letters delivered again', async () => {
    running.receive(400);
    running.act('cat /etc/shadow >/dev/null');
    await open('/health');
    const sensors = page.getByRole('region', { name: 'Sensors' });
    await sensors.getByText('reporting').waitFor();
    expect(await sensors.locator('tbody tr').first().textContent()).toMatch(/[\d.]+\s?MB/);
    const costs = page.getByRole('region', { name: 'What rules cost' });
    await costs.getByRole('link').nth(5).waitFor();
    expect(await costs.textContent()).toMatch(/\d ns/);
    await page
      .getByRole('region', { name: 'Responding' })
      .getByText(/taken back/)
      .waitFor();
    const again = page.getByRole('region', { name: 'Forwarding' }).getByRole('button', { name: 'Deliver again' });
    await expect
      .poll(async () => {
        await page.getByRole('button', { name: 'Refresh' }).click();
        return again.count();
      })
      .toBe(1);
    const taken = running.received().length;
    running.receive(200);
    await again.click();
    await page.getByText(/^\d+ delivered\.$/).waitFor();
    expect(running.received().length).toBeGreaterThan(taken);
  });

  flow('destinations: how each is, a test of one, what it refused', async () => {
    running.receive(200);
    await open('/settings?tab=destinations');
    const row = page.locator('tr', { hasText: 'webhook' });
    await row.getByText('delivering').waitFor();
    const tests = () => running.received().filter((rule) => rule === 'Test rule').length;
    expect(tests()).toBe(0);
    await page.getByRole('button', { name: 'Send a test alert to webhook' }).click();
    await page.getByText('webhook took the test alert.').waitFor();
    expect(tests()).toBe(1);
    running.receive(400);
    await page.getByRole('button', { name: 'Send a test alert to webhook' }).click();
    await page.getByText(/webhook: .*400/).waitFor();
    running.receive(200);
  });

  flow('with the keyboard alone: log in, find, look at why, make an exception, log out', async () => {
    const context = await running.browser.newContext({ viewport: { width: 1440, height: 900 } });
    const fresh = await context.newPage();
    await fresh.goto(running.url);
    await fresh.getByLabel('Name').waitFor();
    const press = async (...keys: string[]) => {
      for (const key of keys) await fresh.keyboard.press(key);
    };
    const tabTo = async (wanted: Locator) => {
      for (let i = 0; i < 500; i++) {
        if (await wanted.evaluate((element) => element === document.activeElement)) return;
        await press('Tab');
      }
      throw new Error('the Tab key does not lead there');
    };
    await press('Tab');
    await fresh.keyboard.type('admin');
    await press('Tab');
    await fresh.keyboard.type(PASSWORD);
    await press('Enter');
    await fresh.locator('.row').first().waitFor();
    await press('/');
    await fresh.keyboard.type('rule = "Find AWS Credentials"');
    await press('Enter');
    await expect.poll(() => fresh.locator('.row').count()).toBe(1);
    await press('Escape', 'Enter');
    await fresh.getByRole('region', { name: 'Why it fired' }).getByText('credentials.yaml').waitFor();
    await press('x');
    const dialog = fresh.getByRole('dialog', { name: /An exception for/ });
    const use = dialog.getByRole('region', { name: /^Medium/ }).getByRole('button', { name: 'Use it' });
    await use.waitFor();
    await tabTo(use);
    await press('Enter');
    await fresh.getByText('Written to exceptions.yaml').waitFor();
    await dialog.waitFor({ state: 'detached' });
    const out = fresh.getByRole('button', { name: 'Log out' });
    await tabTo(out);
    await press('Enter');
    await fresh.getByLabel('Password').waitFor();
    await context.close();
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
    await page
      .getByRole('row', { name: /^sensor ingest/ })
      .getByRole('button', { name: 'Revoke' })
      .click();
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
    await hers.goto(`${running.url}/groups/${answered()}`);
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
        '/rules?file=execution.yaml',
        '/attack',
        '/health',
        '/settings',
        '/settings?tab=users',
        '/settings?tab=tokens',
        '/settings?tab=destinations',
        '/settings?tab=retention',
        '/settings?tab=captures',
        '/settings?tab=audit',
        `/groups/${answered()}`,
        '/nowhere',
      ]) {
        await context.goto(running.url + path);
        await context.waitForTimeout(500);
        for (const one of await violations(context)) found.push(`${path} ${one}`);
      }
      await context.goto(`${running.url}/groups/${answered()}`);
      await context.getByRole('button', { name: 'Make an exception' }).click();
      await context.getByRole('region', { name: /^Narrow/ }).waitFor();
      for (const one of await violations(context)) found.push(`exception ${one}`);
      await context.context().close();
      expect(found).toEqual([]);
    });
  }
});
