export { RuleTestError, readTests } from './document.ts';
export { rulePage } from './pages.ts';
export { coveragePercent, type ReportFormat, report } from './report.ts';
export { runTests } from './run.ts';
