import type { Field } from '../fields/index.ts';
import type { ListFormat } from './list-events.ts';

/** What is known of a group of fields beside its rows. */
interface FieldClass {
  /** As it stands in the rows' `class`. */
  readonly id: string;
  readonly name: string;
  readonly note: string;
  readonly description: string;
}

/** Groups in the words of the reference's lists; a group that is not named here shows its own name. */
const CLASSES: readonly FieldClass[] = [
  { id: 'evt', name: 'evt', note: 'All event types', description: 'These fields can be used for all event types' },
  {
    id: 'event',
    name: 'evt',
    note: 'Syscall events only',
    description:
      'Event fields applicable to syscall events. Note that for most events you can access the individual arguments/parameters of each syscall via evt.arg, e.g. evt.arg.filename.',
  },
  {
    id: 'process',
    name: 'process',
    note: '',
    description: 'Additional information about the process and thread executing the syscall event.',
  },
  { id: 'user', name: 'user', note: '', description: 'Information about the user executing the specific event.' },
  { id: 'group', name: 'group', note: '', description: 'Information about the user group.' },
  {
    id: 'container',
    name: 'container',
    note: '',
    description:
      "Container information. If the event is not happening inside a container, both id and name will be set to 'host'.",
  },
  {
    id: 'fd',
    name: 'fd',
    note: '',
    description:
      'Every syscall that has a file descriptor in its arguments has these fields set with information related to the file.',
  },
  {
    id: 'fs.path',
    name: 'fs.path',
    note: '',
    description:
      'Every syscall that has a filesystem path in its arguments has these fields set with information related to the path arguments.',
  },
  { id: 'fdlist', name: 'fdlist', note: '', description: 'Poll event related fields.' },
  { id: 'k8s', name: 'k8s', note: '', description: 'Kubernetes context about pods and namespace name.' },
];

const COLUMN = 30;
const LINE = 79;

/** `--list`: the fields, of one source when it is named; `namesOnly` for `-N`. */
export function listFields(
  fields: readonly Field[],
  source: string | null,
  sources: readonly string[],
  format: ListFormat,
  namesOnly: boolean,
): string {
  const shown = fields.filter(
    (field) => !field.hidden && (source === null || field.sources.length === 0 || field.sources.includes(source)),
  );
  if (namesOnly) {
    const names = shown.map((field) => field.name);
    return format === 'json' ? `${JSON.stringify({ fieldnames: names })}\n` : names.map((name) => `${name}\n`).join('');
  }
  const groups = [...Map.groupBy(shown, (field) => `${field.class}\0${field.sources.join(',')}`).values()].map(
    (rows) => ({
      info: classOf(rows[0] as Field),
      sources: (rows[0] as Field).sources.length === 0 ? sources : (rows[0] as Field).sources,
      fields: rows,
    }),
  );
  if (format === 'json') {
    const classes = groups.map((group) => ({
      name: group.info.name,
      desc: group.info.description,
      event_sources: group.sources,
      fields: group.fields.map(fieldJson),
    }));
    return `${JSON.stringify({ fieldclasses: classes })}\n`;
  }
  return groups
    .map((group) =>
      format === 'markdown'
        ? markdownGroup(group.info, group.sources, group.fields)
        : textGroup(group.info, group.sources, group.fields),
    )
    .join('');
}

function classOf({ class: id }: Field): FieldClass {
  return CLASSES.find((one) => one.id === id) ?? { id, name: id, note: '', description: `Fields of ${id}.` };
}

function fieldJson(field: Field): unknown {
  return {
    name: field.name,
    desc: field.description,
    data_type: field.type,
    is_list: field.isList,
    tags: tagsOf(field),
    argument:
      field.argument === 'none'
        ? null
        : { is_required: field.argument === 'required', description: field.argumentHelp ?? '' },
  };
}

function tagsOf(field: Field): string[] {
  return [
    ...(field.filterOnly ? ['FILTER ONLY'] : []),
    ...(field.printOnly ? ['PRINT ONLY'] : []),
    ...(field.deprecated ? ['DEPRECATED'] : []),
  ];
}

function described(field: Field): string {
  const type = field.isList ? `LIST(${field.type})` : field.type;
  return [`(Type: ${type})`, ...tagsOf(field).map((tag) => `(${tag})`), field.description].join(' ');
}

function title({ name, note }: FieldClass): string {
  return note === '' ? name : `${name} (${note})`;
}

function markdownGroup(info: FieldClass, sources: readonly string[], fields: readonly Field[]): string {
  const rows = fields.map((field) => {
    const type = field.isList ? `LIST(${field.type})` : field.type;
    const tags = tagsOf(field).map((tag) => `_(${tag})_ `);
    return `\`${field.name}\` | ${type} | ${tags.join('')}${field.description.replace(/\|/g, '\\|')}`;
  });
  return [
    `## Field Class: ${title(info)}`,
    '',
    info.description,
    '',
    `Event Sources: ${sources.join(', ')}`,
    '',
    'Name | Type | Description',
    ':----|:-----|:-----------',
    ...rows,
    '',
    '',
  ].join('\n');
}

function textGroup(info: FieldClass, sources: readonly string[], fields: readonly Field[]): string {
  const head = [
    '-------------------------------',
    ...columns('Field Class:', title(info)),
    ...columns('Description:', info.description),
    ...columns('Event Sources:', sources.join(', ')),
    '',
  ];
  return [...head, ...fields.flatMap((field) => columns(field.name, described(field))), '', ''].join('\n');
}

/** The text beside a label, broken between words into lines that fit. */
function columns(label: string, text: string): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(/\s+/)) {
    if (line !== '' && line.length + 1 + word.length > LINE - COLUMN) {
      lines.push(line);
      line = '';
    }
    line = line === '' ? word : `${line} ${word}`;
  }
  lines.push(line);
  const [first = '', ...rest] = lines;
  const beside = label.length < COLUMN ? [`${label.padEnd(COLUMN)}${first}`] : [label, `${' '.repeat(COLUMN)}${first}`];
  return [...beside, ...rest.map((part) => `${' '.repeat(COLUMN)}${part}`)];
}
