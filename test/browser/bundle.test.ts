import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { type Browser, chromium } from 'playwright-core';
import { build, type Rollup } from 'vite';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type * as Entry from './entry.ts';

const CHROMIUM = '/usr/bin/chromium';

let code = '';
let warnings: string[] = [];
let browser: Browser | null = null;

beforeAll(async () => {
  warnings = [];
  const output = (await build({
    configFile: false,
    logLevel: 'silent',
    build: {
      write: false,
      minify: false,
      lib: { entry: fileURLToPath(new URL('entry.ts', import.meta.url)), formats: ['iife'], name: 'windhover' },
      rollupOptions: { onwarn: (warning) => warnings.push(warning.message) },
    },
  })) as Rollup.RollupOutput[];
  const chunks = output.flatMap((one) => one.output).filter((one) => one.type === 'chunk');
  code = chunks.map((chunk) => chunk.code).join('\n');
  if (existsSync(CHROMIUM)) browser = await chromium.launch({ executablePath: CHROMIUM, args: ['--no-sandbox'] });
});

afterAll(async () => {
  await browser?.close();
});

describe('src/rules and src/scap in a browser', () => {
  it('need nothing of Node', () => {
    expect(code).not.toMatch(/["'`]node:/);
    expect(code).not.toContain('__vite-browser-external');
    expect(warnings).toEqual([]);
  });

  it('load and judge rules', async (ctx) => {
    if (browser === null) ctx.skip(`there is no ${CHROMIUM}`);
    const page = await (browser as Browser).newPage();
    await page.addScriptTag({ content: code });
    const run = (text: string) =>
      page.evaluate((rules) => {
        const { load, hasReader } = (globalThis as unknown as { windhover: typeof Entry }).windhover;
        return { ...load(rules), hasReader };
      }, text);
    const rule = (condition: string) =>
      `- list: l\n  items: [cat, dog]\n- rule: R\n  desc: d\n  condition: ${condition}\n  output: o\n  priority: INFO\n`;
    expect(await run(rule('evt.type = open or proc.name in (l)'))).toEqual({
      problems: ['Rule matches too many evt.type values. This has a significant performance penalty.'],
      conditions: ['(evt.type = open or proc.name in (cat, dog))'],
      truths: [true],
      hasReader: true,
    });
    expect((await run(rule('proc.name in (l'))).problems).toEqual(["expected a ')' token"]);
  });
});
