/** Alerts in the forms that CI systems read. Both are channels: they take JSON alerts. */
import type { Channel } from '../outputs/index.ts';
import { VERSION } from '../version.ts';

interface Alert {
  readonly rule: string;
  readonly priority: string;
  readonly output?: string;
  readonly time?: string;
  readonly tags?: readonly string[];
}

/** Highest severity number that is still an error, or still a warning. */
const ERROR = 3;
const WARNING = 4;

/** GitHub's workflow commands: one annotation for each alert, on standard output. */
export function githubChannel(write: (text: string) => Promise<void>): Channel {
  return {
    name: 'github',
    write: (messages) =>
      write(
        messages
          .map(({ line, severity }) => {
            const { rule, output = '' } = JSON.parse(line) as Alert;
            const level = severity <= ERROR ? 'error' : severity <= WARNING ? 'warning' : 'notice';
            return `::${level} title=${escapeProperty(rule)}::${escapeData(output)}\n`;
          })
          .join(''),
      ),
    close: async () => {},
  };
}

/** Escapes of github.com/actions/toolkit, docs/commands. */
function escapeData(text: string): string {
  return text.replace(/%/g, '%25').replace(/\r/g, '%0D').replace(/\n/g, '%0A');
}

function escapeProperty(text: string): string {
  return escapeData(text).replace(/:/g, '%3A').replace(/,/g, '%2C');
}

/** A SARIF 2.1.0 log, written at the end. */
export function sarifChannel(write: (text: string) => Promise<void>): Channel {
  const results: unknown[] = [];
  const rules = new Map<string, { id: string; properties: { tags: readonly string[] } }>();
  return {
    name: 'sarif',
    async write(messages) {
      for (const { line, severity } of messages) {
        const alert = JSON.parse(line) as Alert;
        if (!rules.has(alert.rule)) rules.set(alert.rule, { id: alert.rule, properties: { tags: alert.tags ?? [] } });
        results.push({
          ruleId: alert.rule,
          level: severity <= ERROR ? 'error' : severity <= WARNING ? 'warning' : 'note',
          message: { text: alert.output ?? alert.rule },
          properties: { priority: alert.priority, time: alert.time },
        });
      }
    },
    close: () =>
      write(
        `${JSON.stringify({
          $schema: 'https://json.schemastore.org/sarif-2.1.0.json',
          version: '2.1.0',
          runs: [{ tool: { driver: { name: 'windhover', version: VERSION, rules: [...rules.values()] } }, results }],
        })}\n`,
      ),
  };
}
