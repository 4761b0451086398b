import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { DESTINATIONS, STORES, type StoreName, type StoreSettings, storeFile } from '../outputs/destinations/index.ts';
import {
  type Alert,
  type Logger,
  Metric,
  openSingle,
  parseDuration,
  problemOf,
  RejectedError,
  readAlert,
  textOf,
  uuidOf,
} from '../outputs/forward/index.ts';
import { VERSION } from '../version.ts';
import { ActionError, type ActionKind, type Context, type Outcome, parametersOf, type Step } from './action.ts';
import { ACTIONS } from './actions/index.ts';
import { type Cluster, isTemporary } from './cluster.ts';
import type { ResponseConfig } from './config.ts';
import { withContexts } from './contexts.ts';
import { createGuards } from './guards.ts';
import { type ActionEntry, type ActionState, openJournal, type Run } from './journal.ts';
import { createNotifiers } from './notifiers.ts';
import { type ActionReport, type Reports, reportTo } from './reports.ts';
import type { ActionSpec, ResponseRule, RulesProblem } from './rules.ts';

export interface LogEntry extends ActionEntry {
  readonly rule: string;
  readonly action: string;
  readonly actionner: string;
  readonly alertRule: string;
}

export interface ResponderStatus {
  readonly hostname: string;
  readonly version: string;
  readonly rules: number;
  readonly dryRun: boolean;
  /** Actions that are remembered, by what became of them. */
  readonly actions: Readonly<Partial<Record<ActionState, number>>>;
}

export interface Responder {
  /** Stores what is to be done because of an alert; resolves before it is. @throws RejectedError */
  accept(body: Buffer): Promise<void>;
  /** Puts other rules in force; what is under way goes on as it began. */
  setRules(rules: readonly ResponseRule[]): void;
  log(): LogEntry[];
  /** @throws ActionError when it cannot be undone */
  undo(id: string): Promise<string>;
  /** Lets an action go on that waits for it. @throws ActionError when none does */
  approve(id: string): Promise<void>;
  metrics(): string;
  /** How it is: for the hub's page of health. */
  status(): ResponderStatus;
  /** Resolves when nothing is under way. */
  idle(): Promise<void>;
  /** Ends after the actions under way, at the latest after so many milliseconds; the rest is resumed at the next start. */
  stop(timeout: number): Promise<void>;
}

export interface ResponderOptions {
  readonly config: ResponseConfig;
  readonly rules: readonly ResponseRule[];
  readonly cluster: () => Cluster;
  readonly logger: Logger;
  readonly now?: () => number;
}

/** Further tries of what the API server may take later. */
const TRIES = 6;
const FIRST_DELAY = 200;
/** What is not older than this is told to the hub again after a start: milliseconds. */
const REPORTED_AGAIN = 3_600_000;
const ENDED: readonly ActionState[] = [
  'done',
  'dry-run',
  'skipped',
  'refused',
  'failed',
  'expired',
  'unknown',
  'undone',
];

/** What of an action cannot work, before any alert comes: unknown kinds, wrong parameters, missing outputs. */
export function checkRules(rules: readonly ResponseRule[]): RulesProblem[] {
  return rules.flatMap(({ name, actions }) =>
    actions.flatMap((action): RulesProblem[] => {
      const place = `rule "${name}", action "${action.name}"`;
      const problem = problemOfAction(action);
      const obsolete = Object.entries(ACTIONS.get(action.actionner)?.obsolete ?? {})
        .filter(([parameter]) => Object.hasOwn(action.parameters, parameter))
        .map(([parameter, instead]) => ({ place, message: `${parameter} is obsolete: ${instead}`, isObsolete: true }));
      return [...(problem === null ? [] : [{ place, message: problem }]), ...obsolete];
    }),
  );
}

function problemOfAction(action: ActionSpec): string | null {
  const kind = ACTIONS.get(action.actionner);
  if (kind === undefined) return `there is no actionner ${action.actionner}`;
  try {
    parametersOf(kind, action.parameters);
  } catch (error) {
    if (!(error instanceof z.ZodError)) throw error;
    return error.issues.map(({ path, message }) => `${path.join('.') || 'parameters'}: ${message}`).join('; ');
  }
  if (action.output !== null && !STORES.includes(action.output.target as StoreName))
    return `there is no output ${action.output.target}`;
  if (kind.artefact && action.output === null) return `${action.actionner} needs an output`;
  return null;
}

/** Opens the journal, resumes what a stop or a crash has left, and takes alerts. */
export async function startResponder({
  config,
  rules,
  cluster,
  logger,
  now = Date.now,
}: ResponderOptions): Promise<Responder> {
  let reports: Reports | null = null;
  const journal = await openJournal(config.journal, now, (id) => reports?.changed(id));
  if (config.hub.url !== '') reports = reportTo(config.hub, reportOf, logger);
  const guards = createGuards(
    config.guards,
    { namespace: process.env.POD_NAMESPACE ?? '', pod: process.env.POD_NAME ?? process.env.HOSTNAME ?? '' },
    now,
  );
  const notifiers = createNotifiers(config.notifiers, cluster, now);
  const expires = parseDuration(config.guards.approval_expires);
  const window = config.deduplication.time_window_seconds * 1000;
  const seen = new Map<string, number>();
  const lanes = new Map<string, Promise<void>>();
  const waiting = new Map<string, { resolve: (approved: boolean) => void }>();
  let inForce = rules;
  let stopping = false;
  let running = 0;
  const slots: (() => void)[] = [];

  const counts = {
    events: new Metric('falcosecurity_falco_talon_events_total', 'Alerts received.'),
    matches: new Metric('falcosecurity_falco_talon_matches_total', 'Alerts that matched a rule.'),
    actions: new Metric('falcosecurity_falco_talon_actions_total', 'Actions by what became of them.'),
    notifications: new Metric('falcosecurity_falco_talon_notifications_total', 'Notifications sent.'),
    outputs: new Metric('falcosecurity_falco_talon_outputs_total', 'Artefacts stored.'),
  };

  const context: Context = {
    cluster,
    protectionOf: ({ namespace, name, labels }) =>
      guards.protectionOf({ target: `pod ${namespace}/${name}`, namespace, labels }),
    hostname: config.hostname,
    proc: '/proc',
    programs: config.programs,
    quarantine: config.quarantine,
    run: runProgram,
    notify: (name, alert, message) => notifiers.send(name, { ...alert, output: message }),
    async deliver(name, settings, alert) {
      const section = name.startsWith('aws.') ? awsSettings() : name.startsWith('gcp.') ? gcpSettings() : {};
      const sink = await openSingle(name, { ...section, ...settings }, DESTINATIONS);
      try {
        await sink.send([alert]);
      } finally {
        await sink.close?.();
      }
    },
  };

  function awsSettings(): Record<string, string> {
    const {
      access_key: accesskeyid,
      secret_key: secretaccesskey,
      role_arn: rolearn,
      external_id: externalid,
      region,
    } = config.aws as Record<string, string | undefined>;
    const all = { accesskeyid, secretaccesskey, rolearn, externalid, region };
    return Object.fromEntries(Object.entries(all).filter((entry): entry is [string, string] => Boolean(entry[1])));
  }
  /** Talon's endpoint is `host:port`, with `use_ssl` beside it. */
  function minioSettings(): StoreSettings {
    const {
      endpoint = '',
      access_key = '',
      secret_key = '',
      use_ssl,
    } = config.minio as Record<string, string | undefined>;
    const url = endpoint.includes('://') ? endpoint : `${String(use_ssl) === 'true' ? 'https' : 'http'}://${endpoint}`;
    return { endpoint: url, accesskeyid: access_key, secretaccesskey: secret_key };
  }
  function gcpSettings(): Record<string, string> {
    const { credentials_path: path } = config.gcp as Record<string, string | undefined>;
    return path ? { credentials_file: path } : {};
  }

  function gcpKey(): StoreSettings {
    const { credentials_path: path } = config.gcp as Record<string, string | undefined>;
    return path ? { credentials: readFileSync(path, 'utf8') } : {};
  }

  for (const run of journal.runs.values()) {
    run.actions.forEach((action, index) => {
      const { state, target, at } = journal.entry(run, index);
      if (['started', 'done', 'failed', 'unknown', 'undone'].includes(state))
        guards.count(action.actionner, target, at);
    });
  }
  for (const { id, at, actions } of journal.runs.values()) {
    // The end may have come before the hub was told.
    if (at < now() - REPORTED_AGAIN) continue;
    for (const index of actions.keys()) reports?.changed(`${id}/${index}`);
  }
  for (const run of [...journal.runs.values()]) {
    if (run.actions.some((_action, index) => !ENDED.includes(journal.entry(run, index).state)) && !hasStopped(run))
      schedule(run);
  }

  /** Whether an earlier action of the run ended it. */
  function hasStopped(run: Run): boolean {
    return run.actions.some((action, index) => {
      const { state } = journal.entry(run, index);
      return ENDED.includes(state) && !goesOn(action, state) && index < run.actions.length - 1;
    });
  }

  function goesOn(action: ActionSpec, state: ActionState): boolean {
    if (state === 'failed' || state === 'unknown' || state === 'refused' || state === 'expired')
      return action.ignoreErrors;
    return action.continues ?? ACTIONS.get(action.actionner)?.continues ?? true;
  }

  /** Runs about one pod or host follow one another; others are not kept waiting. */
  function schedule(run: Run): void {
    const alert = readAlert(Buffer.from(run.alert), run.at);
    const pod = textOf(alert.fields['k8s.pod.name']);
    const lane = pod === '' ? `host ${alert.hostname || run.id}` : `pod ${textOf(alert.fields['k8s.ns.name'])}/${pod}`;
    const before = lanes.get(lane) ?? Promise.resolve();
    const done = before.then(async () => {
      if (stopping) return;
      await slot();
      try {
        await execute(run, alert);
      } catch (error) {
        logger.error(`${run.id}: ${(error as Error).message}`);
      } finally {
        running--;
        slots.shift()?.();
      }
    });
    lanes.set(lane, done);
    void done.then(() => {
      if (lanes.get(lane) === done) lanes.delete(lane);
    });
  }

  async function slot(): Promise<void> {
    if (running >= config.concurrency) await new Promise<void>((resolve) => slots.push(resolve));
    running++;
  }

  async function execute(run: Run, alert: Alert): Promise<void> {
    for (const [index, action] of run.actions.entries()) {
      const entry = journal.entry(run, index);
      if (!ENDED.includes(entry.state)) {
        if (stopping) return;
        const finished = await act(run, alert, action, entry);
        if (!finished) return;
        counts.actions.add({ rule: run.rule, action: action.name, actionner: action.actionner, status: entry.state });
        logger.info(`${run.rule}: ${action.name} (${action.actionner}): ${entry.state}: ${entry.message}`);
        await tell(run, alert, action, entry);
      }
      if (!goesOn(action, entry.state)) return;
    }
  }

  /** One action from plan to result. @returns false when it is left for the next start */
  async function act(run: Run, alert: Alert, action: ActionSpec, entry: ActionEntry): Promise<boolean> {
    const kind = ACTIONS.get(action.actionner) as ActionKind;
    if (entry.state === 'started' && !kind.repeatable) {
      await journal.record(entry.id, { state: 'unknown', message: 'interrupted while it was done; not repeated' });
      return true;
    }
    try {
      const parameters = parametersOf(kind, action.parameters);
      // A journal of before has none.
      const known = await again(() => withContexts(alert, action.contexts ?? [], cluster));
      const step = await again(() => kind.plan(known, parameters as never, context));
      if (stopping) return false;
      const isDry = run.dryRun || config.guards.dry_run;
      // What a crash interrupted has passed the guards already.
      if (entry.state !== 'started') {
        const verdict = guards.judge(action, step, entry.approved || isDry);
        if (verdict.kind === 'no') {
          await journal.record(entry.id, { state: 'refused', target: step.target, message: verdict.reason });
          return true;
        }
        if (verdict.kind === 'approval') return await waitForApproval(run, alert, action, entry, step);
      }
      if (isDry) {
        const { message } = await again(() => step.perform(true));
        await journal.record(entry.id, { state: 'dry-run', target: step.target, message: `dry run: ${message}` });
        return true;
      }
      await journal.record(entry.id, { state: 'started', target: step.target });
      guards.count(action.actionner, step.target, now());
      const outcome = kind.repeatable ? await again(() => step.perform(false)) : await step.perform(false);
      const stored = await keep(run, action, entry, outcome);
      await journal.record(entry.id, { state: 'done', message: `${outcome.message}${stored}`, undo: outcome.undo });
      return true;
    } catch (error) {
      if (stopping && isTemporary(error)) return false;
      const isSkip = error instanceof ActionError && error.skip;
      await journal.record(entry.id, { state: isSkip ? 'skipped' : 'failed', message: (error as Error).message });
      return true;
    }
  }

  async function waitForApproval(
    run: Run,
    alert: Alert,
    action: ActionSpec,
    entry: ActionEntry,
    step: Step,
  ): Promise<boolean> {
    if (entry.state !== 'waiting') {
      await journal.record(entry.id, {
        state: 'waiting',
        target: step.target,
        message: `waits for approval of ${action.actionner} on ${step.target}`,
      });
      await tell(run, alert, action, entry);
    }
    const left = entry.at + expires - now();
    // Its place among the running ones is given to another meanwhile.
    running--;
    slots.shift()?.();
    const approved = await new Promise<boolean>((resolve) => {
      const timer = setTimeout(() => resolve(false), Math.max(0, left));
      waiting.set(entry.id, {
        resolve(value) {
          clearTimeout(timer);
          resolve(value);
        },
      });
    });
    waiting.delete(entry.id);
    await slot();
    if (stopping) return false;
    if (!approved) {
      await journal.record(entry.id, { state: 'expired', message: 'nobody approved it in time' });
      return true;
    }
    await journal.record(entry.id, { state: 'planned', approved: true });
    return act(run, alert, action, entry);
  }

  /** Tries again what the other side may take later. */
  async function again<T>(attempt: () => Promise<T>): Promise<T> {
    for (let tries = 0; ; tries++) {
      try {
        return await attempt();
      } catch (error) {
        if (!isTemporary(error) || tries >= TRIES || stopping) throw error;
        await new Promise((resolve) => setTimeout(resolve, Math.random() * FIRST_DELAY * 2 ** tries));
      }
    }
  }

  async function keep(run: Run, action: ActionSpec, entry: ActionEntry, { artefact }: Outcome): Promise<string> {
    if (artefact === undefined || action.output === null) return '';
    const { target, parameters } = action.output;
    const settings: StoreSettings =
      target === 'minio:s3'
        ? minioSettings()
        : target === 'aws:s3'
          ? awsSettings()
          : target === 'gcp:gcs'
            ? gcpKey()
            : {};
    const name = `${new Date(now()).toISOString().replaceAll(':', '-')}_${entry.id.replace('/', '-')}_${run.rule}_${artefact.name}`;
    const place = await storeFile(
      target as StoreName,
      parameters as Record<string, string>,
      settings,
      name,
      artefact.content,
    );
    counts.outputs.add({ target, status: 'success' });
    return `, kept as ${place}`;
  }

  /** Tells the notifiers; what they say is no reason to do anything else. */
  async function tell(run: Run, alert: Alert, action: ActionSpec, entry: ActionEntry): Promise<void> {
    const fields = {
      ...alert.fields,
      'falco-talon.rule': run.rule,
      'falco-talon.action': action.name,
      'falco-talon.actionner': action.actionner,
      'falco-talon.status': entry.state,
      'falco-talon.target': entry.target,
      'falco-talon.id': entry.id,
    };
    const told: Alert = {
      ...alert,
      fields,
      output: `${action.name} (${action.actionner}) on ${entry.target || 'nothing'}: ${entry.state}: ${entry.message}. The alert: ${alert.output}`,
    };
    for (const name of new Set([...config.default_notifiers, ...run.notifiers])) {
      try {
        await notifiers.send(name, told);
        counts.notifications.add({ notifier: name, status: 'success' });
      } catch (error) {
        counts.notifications.add({ notifier: name, status: 'failure' });
        logger.warning(`notifier ${name}: ${(error as Error).message}`);
      }
    }
  }

  function reportOf(id: string): ActionReport | null {
    const [runId = '', index = ''] = id.split('/');
    const run = journal.runs.get(runId);
    const action = run?.actions[Number(index)];
    if (run === undefined || action === undefined) return null;
    const { state, message, target, undo, at } = journal.entry(run, Number(index));
    return {
      id,
      alert: readAlert(Buffer.from(run.alert), run.at).uuid,
      responder: config.hostname,
      rule: run.rule,
      action: `${action.name} (${action.actionner})`,
      target,
      status: state,
      detail: message,
      undo: state === 'done' && undo !== null && ACTIONS.get(action.actionner)?.undo !== undefined,
      at: at || run.at,
    };
  }

  /** The same trouble told twice within the window: Talon's rule, the output without its time and priority. */
  function isRepeated(alert: Alert): boolean {
    if (window === 0) return false;
    const key = uuidOf(
      JSON.stringify([
        alert.rule,
        alert.hostname,
        alert.source,
        alert.output.replace(/^\S+: \w+ /, ''),
        alert.fields['k8s.ns.name'],
        alert.fields['k8s.pod.name'],
        alert.fields['container.id'],
      ]),
    );
    const time = now();
    const before = seen.get(key);
    for (const [other, at] of seen) {
      if (at > time - window) break;
      seen.delete(other);
    }
    if (before !== undefined && before > time - window) return true;
    seen.delete(key);
    seen.set(key, time);
    return false;
  }

  return {
    async accept(body) {
      let parsed: unknown;
      try {
        parsed = JSON.parse(body.toString('utf8'));
      } catch (error) {
        throw new RejectedError(`it is no JSON: ${(error as Error).message}`);
      }
      const problem = problemOf(parsed);
      if (problem !== null) throw new RejectedError(problem);
      const alert = readAlert(body, now());
      counts.events.add({ rule: alert.rule, priority: alert.priority, source: alert.source });
      if (config.print_all_events) logger.info(`alert ${alert.uuid}: ${alert.rule}`);
      if (isRepeated(alert)) return;
      for (const rule of inForce) {
        if (!rule.matches(alert)) continue;
        counts.matches.add({ rule: rule.name, event: alert.rule });
        const run: Run = {
          id: uuidOf(`${alert.uuid} ${rule.name}`),
          rule: rule.name,
          actions: rule.actions,
          notifiers: rule.notifiers,
          dryRun: rule.dryRun,
          alert: body.toString('utf8'),
          at: now(),
        };
        if (await journal.begin(run)) schedule(run);
        if (!rule.continues) break;
      }
    },
    setRules(next) {
      inForce = next;
    },
    log: () =>
      [...journal.runs.values()].flatMap((run) => {
        const { rule: alertRule } = JSON.parse(run.alert) as { rule: string };
        return run.actions.map((action, index) => ({
          ...journal.entry(run, index),
          rule: run.rule,
          action: action.name,
          actionner: action.actionner,
          alertRule,
        }));
      }),
    async undo(id) {
      const [runId, index] = id.split('/');
      const run = journal.runs.get(runId);
      const action = run?.actions[Number(index)];
      if (run === undefined || action === undefined) throw new ActionError(`there is no action ${id}`);
      const entry = journal.entry(run, Number(index));
      const kind = ACTIONS.get(action.actionner);
      if (entry.state !== 'done') throw new ActionError(`${id} is ${entry.state}, not done`);
      if (kind?.undo === undefined || entry.undo === null)
        throw new ActionError(`${action.actionner} has no way back here`);
      const { undo } = entry;
      const message = await again(() => (kind.undo as NonNullable<typeof kind.undo>)(undo, context));
      await journal.record(id, { state: 'undone', message });
      return message;
    },
    async approve(id) {
      const found = waiting.get(id);
      if (found === undefined) throw new ActionError(`${id} does not wait for an approval`);
      found.resolve(true);
    },
    status: () => {
      const actions: Partial<Record<ActionState, number>> = {};
      for (const run of journal.runs.values()) {
        run.actions.forEach((_action, index) => {
          const { state } = journal.entry(run, index);
          actions[state] = (actions[state] ?? 0) + 1;
        });
      }
      const { hostname } = config;
      return { hostname, version: VERSION, rules: inForce.length, dryRun: config.guards.dry_run, actions };
    },
    metrics: () =>
      Object.values(counts)
        .map((metric) => metric.text())
        .join(''),
    async idle() {
      while (lanes.size > 0) await Promise.all(lanes.values());
    },
    async stop(timeout) {
      stopping = true;
      for (const { resolve } of waiting.values()) resolve(false);
      const late = new Promise<void>((resolve) => setTimeout(resolve, timeout).unref());
      await Promise.race([Promise.all(lanes.values()), late]);
      await notifiers.close();
      await reports?.close();
      await journal.close();
    },
  };
}

/** Runs a program without a shell and without our environment. */
function runProgram(
  argv: readonly string[],
  { env = {}, stdin = '', timeout = 30_000 }: { env?: Record<string, string>; stdin?: string; timeout?: number },
): Promise<{ status: number; stdout: string; stderr: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(argv[0], argv.slice(1), {
      env: { PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', ...env },
      timeout,
      killSignal: 'SIGKILL',
    });
    const output = { stdout: '', stderr: '' };
    for (const name of ['stdout', 'stderr'] as const) {
      child[name].setEncoding('utf8').on('data', (text: string) => {
        if (output[name].length < 1024 * 1024) output[name] += text;
      });
    }
    child.on('error', (error) => reject(new ActionError(`cannot run ${argv[0]}: ${error.message}`)));
    child.on('close', (status, signal) => resolve({ status: status ?? (signal === null ? 1 : 137), ...output }));
    // A program that does not read its input is no error.
    child.stdin.on('error', () => {});
    child.stdin.end(stdin);
  });
}
