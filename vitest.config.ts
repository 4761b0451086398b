import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['src/**/*.test.ts', 'test/**/*.test.ts', 'ui/**/*.test.ts', 'probe/**/*.test.ts'],
    reporters: ['dot', './test/reporter.ts'],
    pool: 'forks',
    isolate: true,
    maxWorkers: 2,
    testTimeout: 60_000,
    hookTimeout: 120_000,
    // On a busy machine what waits for another program may come too late once; a fault fails every time.
    retry: process.env.CI === undefined ? 0 : 2,
  },
});
