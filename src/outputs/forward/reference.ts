import { COMMON, GLOBALS } from './config.ts';
import type { Destination } from './destination.ts';
import type { Option, Options } from './option.ts';

/** The reference pages, made from the option tables: file name → Markdown. */
export function referencePages(destinations: readonly Destination[]): Record<string, string> {
  const groups = Map.groupBy(destinations, ({ group }) => group);
  const index = [
    '# Destinations of `windhover forward`',
    '',
    'These pages are made from the tables in the code (`UPDATE=1 vitest run src/outputs/forward/reference.test.ts`). What every destination promises is in [contract.md](contract.md).',
    '',
    'Each key is also an environment variable: upper case, with `_` for `.` (`slack.webhookurl` is `SLACK_WEBHOOKURL`); the environment wins over the file. A secret may stand in a file instead: `webhookurl_file: PATH`, `SLACK_WEBHOOKURL_FILE=PATH`. A section may be a list, for several outputs of one kind; each then has an `instance`.',
    '',
    ...[...groups]
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .flatMap(([group, members]) => [
        `## ${group}`,
        '',
        '| section | what it does |',
        '| --- | --- |',
        ...members.map(({ name, doc }) => `| [${name}](${name}.md) | ${cell(doc)} |`),
        '',
      ]),
    '## Keys of every destination',
    '',
    ...table(COMMON, ''),
    '## Keys outside of the sections',
    '',
    ...table(GLOBALS, ''),
  ].join('\n');
  const pages = destinations.map(({ name, doc, options }): [string, string] => [
    `${name}.md`,
    [
      `# ${name}`,
      '',
      doc,
      '',
      ...table(options, `${name}.`),
      'The [keys of every destination](README.md#keys-of-every-destination) come on top.',
      '',
    ].join('\n'),
  ]);
  return Object.fromEntries([['README.md', index], ...pages]);
}

function table(options: Options, prefix: string): string[] {
  const parent = prefix.split('.').slice(0, -2).join('.');
  return [
    '| key | default | |',
    '| --- | --- | --- |',
    ...Object.entries(options).map(([key, option]) => {
      const above = option.shared && parent !== '' ? ` Also \`${parent}.${key}\`, for all of \`${parent}\`.` : '';
      const values =
        option.values === undefined
          ? ''
          : ` One of ${option.values
              .filter((value) => value !== '')
              .map((value) => `\`${value}\``)
              .join(', ')}.`;
      return `| \`${prefix}${key}\` | ${shownDefault(option)} | ${cell(option.doc)}${values}${above} |`;
    }),
    '',
  ];
}

function shownDefault({ type, default: value, secret }: Option): string {
  if (secret) return 'secret';
  if (type === 'list' || type === 'map' || value === '') return '';
  return `\`${cell(String(value))}\``;
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll('<', '&lt;');
}
