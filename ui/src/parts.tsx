import { useSignal } from '@preact/signals';
import type { ComponentChildren, ComponentProps, JSX } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import { PRIORITIES, type Priority } from '../../src/rules/ruleset.ts';
import type { State } from '../../src/server/api.ts';
import { CallError } from './client.ts';
import { ago, stamp, utc } from './format.ts';

const PATHS = {
  inbox: 'M2.5 9.500 4.500 3h7l2 6.500V13h-11zM2.500 9.500h3.500l1 2h2l1-2h3.500',
  alerts: 'M2.500 3.500h11M2.500 8h11M2.500 12.500h7',
  live: 'M2 8h2.500l2-4.500 3 9 2-4.500H14',
  rules: 'M4 2.500h8v11H4zM6.500 5.500h3M6.500 8h3M6.500 10.500h2',
  attack: 'M2.500 2.500h4v4h-4zM9.500 2.500h4v4h-4zM2.500 9.500h4v4h-4zM9.500 9.500h4v4h-4z',
  health:
    'M8 13.500S2.500 10 2.500 6.300A2.900 2.900 0 0 1 8 5a2.900 2.900 0 0 1 5.500 1.300C13.500 10 8 13.500 8 13.500z',
  settings: 'M2.500 4.500h6M11.500 4.500h2M2.500 11.500h2M7.500 11.500h6M10 3v3M6 10v3',
  search: 'M7 11.500a4.500 4.500 0 1 0 0-9 4.500 4.500 0 0 0 0 9zM10.500 10.500l3 3',
  close: 'M4 4l8 8M12 4l-8 8',
  check: 'M3 8.500l3.500 3.500L13 4.500',
  mute: 'M3 6.500v3h2l3 2.500v-8L5 6.500zM11 6l3 4M14 6l-3 4',
  resolve: 'M8 14A6 6 0 1 0 8 2a6 6 0 0 0 0 12zM5.500 8.200l1.800 1.800 3.200-3.700',
  reopen: 'M3 8a5 5 0 1 0 1.500-3.500M3 2.500v3h3',
  person: 'M8 8a2.500 2.500 0 1 0 0-5 2.500 2.500 0 0 0 0 5zM3 13.500c.5-3 2.500-4 5-4s4.500 1 5 4',
  exception: 'M3 4h10l-4 5v4l-2-1V9z',
  download: 'M8 2.500v7.500M5 7.500l3 3 3-3M3 13.500h10',
  warn: 'M8 2.500l6 11H2zM8 6.500v3.500M8 11.800v.1',
  error: 'M8 14A6 6 0 1 0 8 2a6 6 0 0 0 0 12zM8 5v4M8 11v.1',
  sun: 'M8 11a3 3 0 1 0 0-6 3 3 0 0 0 0 6zM8 1.500v1.500M8 13v1.500M1.500 8H3M13 8h1.500M3.400 3.400l1 1M11.600 11.600l1 1M3.400 12.600l1-1M11.600 4.400l1-1',
  moon: 'M13 9.500A5.500 5.500 0 0 1 6.500 3a5.500 5.500 0 1 0 6.500 6.500z',
  help: 'M8 14A6 6 0 1 0 8 2a6 6 0 0 0 0 12zM6.300 6.300A1.800 1.800 0 0 1 8 5c1 0 1.800.6 1.800 1.500C9.800 7.600 8 7.700 8 9M8 11v.1',
  pause: 'M5.500 3.500v9M10.500 3.500v9',
  play: 'M5 3.500l7.500 4.500L5 12.500z',
  link: 'M6.500 9.500l3-3M7 4.500l1.500-1.500a2.800 2.800 0 0 1 4 4L11 8.500M9 11.500L7.500 13a2.800 2.800 0 0 1-4-4L5 7.500',
  star: 'M8 2.500l1.700 3.500 3.800.5-2.800 2.600.7 3.900L8 11.200 4.600 13l.7-3.900L2.500 6.500 6.300 6z',
  merge: 'M4 2.500v3c0 3 4 2.500 4 6v2M12 2.500v3c0 3-4 2.500-4 6',
  out: 'M6.500 2.500h-4v11h4M6 8h8M11 5l3 3-3 3',
  left: 'M10 3L5 8l5 5',
  right: 'M6 3l5 5-5 5',
} as const;
export type IconName = keyof typeof PATHS;

export function Icon({ name }: { name: IconName }) {
  return (
    <svg class="icon" viewBox="0 0 16 16" aria-hidden="true">
      <path d={PATHS[name]} />
    </svg>
  );
}

export function Logo() {
  return (
    <svg viewBox="0 0 32 32" aria-hidden="true">
      <rect width="32" height="32" rx="8" fill="#3a5a8c" />
      <path
        d="M3.5 12.5c4.200-3 8.600-2.300 11 .6l1.500 1.900 1.500-1.900c2.400-2.900 6.800-3.600 11-.6-3.700-.3-6.200.8-7.900 3.300-1.200 1.800-2.200 3.300-3.300 4.200l1.400 5.500-2.700-2.200-2.700 2.200 1.400-5.500c-1.100-.9-2.100-2.400-3.300-4.200-1.700-2.500-4.200-3.600-7.900-3.300z"
        fill="#f2b880"
      />
    </svg>
  );
}

/** A priority has a shape of its own, not only a colour: the graver, the more corners point at you. */
const SHAPES: readonly JSX.Element[] = [
  <path key="0" d="M5 1h6l4 4v6l-4 4H5l-4-4V5z" />,
  <path
    key="1"
    d="M5 1.500h6L14.500 5v6L11 14.500H5L1.500 11V5z"
    fill-opacity=".18"
    stroke="currentColor"
    stroke-width="1.800"
  />,
  <path key="2" d="M8 .8L15.200 8 8 15.200.8 8z" />,
  <path key="3" d="M8 1.500l7 12.500H1z" />,
  <path
    key="4"
    d="M8 2.600l5.600 10.400H2.400z"
    fill-opacity=".18"
    stroke="currentColor"
    stroke-width="1.700"
    stroke-linejoin="round"
  />,
  <circle key="5" cx="8" cy="8" r="5" />,
  <circle key="6" cx="8" cy="8" r="4.500" fill-opacity=".15" stroke="currentColor" stroke-width="1.700" />,
  <circle key="7" cx="8" cy="8" r="2.500" />,
];

export const priorityIndex = (name: string): number => Math.max(0, PRIORITIES.indexOf(name as Priority));

export function Mark({ priority, quiet = false }: { priority: string; quiet?: boolean }) {
  const index = priorityIndex(priority);
  return (
    <svg
      class="mark"
      viewBox="0 0 16 16"
      fill="currentColor"
      style={{ color: `var(--p${index})` }}
      role={quiet ? undefined : 'img'}
      aria-hidden={quiet ? 'true' : undefined}
      aria-label={quiet ? undefined : priority}
    >
      {quiet ? null : <title>{priority}</title>}
      {SHAPES[index]}
    </svg>
  );
}

export function PriorityName({ priority }: { priority: string }) {
  return (
    <span class="priority" style={{ color: `var(--p${priorityIndex(priority)})` }}>
      <Mark priority={priority} quiet />
      {priority}
    </span>
  );
}

export function When({ time }: { time: number }) {
  return (
    <time dateTime={new Date(time).toISOString()} title={`${stamp(time)} · ${utc(time)}`}>
      {ago(time)}
    </time>
  );
}

export function Sparkline({ values, label }: { values: readonly number[]; label: string }) {
  const top = Math.max(1, ...values);
  const width = 110 / values.length;
  return (
    <svg class="spark" viewBox="0 0 110 24" role="img" aria-label={label} preserveAspectRatio="none">
      <path d="M0 23.500h110" stroke="var(--line)" />
      {values.map((n, i) =>
        n === 0 ? null : (
          <rect
            key={i}
            x={i * width + 0.5}
            width={width - 1}
            y={23 - Math.max(2, (n / top) * 22)}
            height={Math.max(2, (n / top) * 22)}
            fill="var(--b5)"
          />
        ),
      )}
    </svg>
  );
}

export function StateTag({ state, reopened, until }: { state: State; reopened: number | null; until: number | null }) {
  if (state === 'open' && reopened !== null) return <span class="tagged regression">regression</span>;
  if (state === 'muted' && until !== null) {
    return (
      <span class="tagged" title={`until ${stamp(until)}`}>
        muted
      </span>
    );
  }
  return <span class={`tagged ${state}`}>{state}</span>;
}

/** Words for what became of an action, and how good that is. */
export const OUTCOMES: Readonly<Record<string, readonly [words: string, tone: 'good' | 'bad' | 'warn' | '']>> = {
  planned: ['planned', ''],
  waiting: ['waits for approval', 'warn'],
  started: ['under way', 'warn'],
  done: ['done', 'good'],
  'dry-run': ['dry run', ''],
  skipped: ['skipped', ''],
  refused: ['refused', 'bad'],
  failed: ['failed', 'bad'],
  expired: ['not approved', 'bad'],
  unknown: ['interrupted', 'bad'],
  undone: ['taken back', ''],
};

/** A part of a whole, as a bar. */
export function Share({ part, of }: { part: number; of: string }) {
  return (
    <div
      class="share"
      style={{ background: 'var(--sunken)', marginTop: '6px' }}
      role="img"
      aria-label={`${Math.round(part * 100)} per cent of ${of}`}
    >
      <i style={{ width: `${part * 100}%`, background: 'var(--b5)' }} />
    </div>
  );
}

/** A text to type, with its label; `onInput` gets all of it with every key. */
export function Field({
  label,
  onInput,
  ...input
}: {
  label: string;
  value: string;
  onInput: (value: string) => void;
  name?: string;
  type?: 'password';
  autocomplete?: string;
  inputMode?: 'decimal' | 'numeric';
  placeholder?: string;
  minLength?: number;
  required?: boolean;
}) {
  return (
    <label class="field">
      {label}
      {/* Its attributes are a union by `type`; what is a password or not is of none of its members. */}
      <input
        class="input"
        {...(input as ComponentProps<'input'>)}
        onInput={(event) => onInput(event.currentTarget.value)}
      />
    </label>
  );
}

/** The title of a column of buttons, which needs none for those who see them. */
export function ActionsTitle() {
  return (
    <th class="right">
      <span class="sr">Actions</span>
    </th>
  );
}

/** Stands in a table of so many columns that has no rows. */
export function NoRows({ columns, children }: { columns: number; children: ComponentChildren }) {
  return (
    <tr>
      <td colSpan={columns} class="faint">
        {children}
      </td>
    </tr>
  );
}

export function Person({ name }: { name: string }) {
  return (
    <span class="person" title={name} role="img" aria-label={`assigned to ${name}`}>
      {name.slice(0, 2)}
    </span>
  );
}

export function Empty({ title, icon, children }: { title: string; icon: IconName; children: ComponentChildren }) {
  return (
    <div class="empty">
      <Icon name={icon} />
      <h2>{title}</h2>
      <div>{children}</div>
    </div>
  );
}

export function Failure({ error, retry }: { error: Error; retry?: () => void }) {
  return (
    <div class="failure" role="alert">
      <Icon name="error" />
      <span>{error.message}</span>
      {retry === undefined ? null : (
        <button type="button" class="button small" onClick={retry}>
          Try again
        </button>
      )}
    </div>
  );
}

export function Dialog({
  title,
  width = 560,
  onClose,
  children,
}: {
  title: string;
  width?: number;
  onClose: () => void;
  children: ComponentChildren;
}) {
  const element = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    element.current?.showModal();
  }, []);
  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: a click beside the dialog closes it, as Escape does by itself.
    <dialog
      ref={element}
      aria-label={title}
      style={{ width: `min(${width}px, 94vw)` }}
      onClose={onClose}
      onClick={(event) => {
        if (event.target === element.current) onClose();
      }}
    >
      <header>
        <h2>{title}</h2>
        <button type="button" class="button plain small" aria-label="Close" onClick={onClose}>
          <Icon name="close" />
        </button>
      </header>
      <div class="body">{children}</div>
    </dialog>
  );
}

export interface Loaded<T> {
  readonly data: T | null;
  readonly error: Error | null;
  readonly reload: () => void;
}

/** Loads what `key` names; the old data stay until the new are there. */
export function useLoad<T>(key: string, load: (signal: AbortSignal) => Promise<T>): Loaded<T> {
  const data = useSignal<T | null>(null);
  const error = useSignal<Error | null>(null);
  const turn = useSignal(0);
  useEffect(() => {
    const controller = new AbortController();
    load(controller.signal).then(
      (value) => {
        if (controller.signal.aborted) return;
        data.value = value;
        error.value = null;
      },
      (problem: Error) => {
        if (problem.name !== 'AbortError' && !controller.signal.aborted) error.value = problem;
      },
    );
    return () => controller.abort();
  }, [key, turn.value]);
  return { data: data.value, error: error.value, reload: () => turn.value++ };
}

/** True while a key pressed belongs to what has the focus and not to the page. */
export function typing(event: KeyboardEvent): boolean {
  const target = event.target as HTMLElement;
  if (event.metaKey || event.ctrlKey || event.altKey || target.isContentEditable) return true;
  if (document.querySelector('dialog[open]') !== null) return true;
  if (target instanceof HTMLInputElement && target.type === 'checkbox') return event.key === ' ';
  if (/^(BUTTON|A|SUMMARY)$/.test(target.tagName)) return event.key === 'Enter' || event.key === ' ';
  return /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName);
}

/** Calls the function for a key; `keys` are names as in `event.key`. */
export function useKeys(keys: Readonly<Record<string, () => void>>): void {
  const latest = useRef(keys);
  latest.current = keys;
  useEffect(() => {
    const listen = (event: KeyboardEvent) => {
      if (typing(event) || event.defaultPrevented) return;
      const act = latest.current[event.key];
      if (act === undefined) return;
      event.preventDefault();
      act();
    };
    document.addEventListener('keydown', listen);
    return () => document.removeEventListener('keydown', listen);
  }, []);
}

export function messageOf(error: unknown): string {
  return error instanceof CallError || error instanceof Error ? error.message : String(error);
}
