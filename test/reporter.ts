import type { Reporter, TestCase, TestModule } from 'vitest/node';

/** Prints why each skipped test was skipped, and ends with the line `N passed, N failed, N skipped`. */
export default class Summary implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], errors: readonly unknown[]): void {
    let passed = 0;
    let failed = errors.length;
    const skipped: string[] = [];
    for (const module of modules) {
      // What failed outside of a test: in the file itself, or in a hook around tests, which are then skipped.
      for (const suite of [module, ...module.children.allSuites()]) failed += suite.errors().length;
      for (const test of module.children.allTests()) {
        const result = test.result();
        if (result.state === 'passed') passed++;
        else if (result.state === 'failed') failed++;
        else
          skipped.push(`  ${name(module, test)}: ${(result.state === 'skipped' && result.note) || 'no reason given'}`);
      }
    }
    if (skipped.length > 0) console.log(`\nSkipped:\n${skipped.sort().join('\n')}`);
    console.log(`\n${passed} passed, ${failed} failed, ${skipped.length} skipped`);
  }
}

function name(module: TestModule, test: TestCase): string {
  return `${module.relativeModuleId} > ${test.fullName}`;
}
