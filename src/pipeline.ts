/** The hot path, whole: source → state → engine → sinks. Everything that could wait stands elsewhere. */
import type { Config } from './config/index.ts';
import { createEngine, type Engine } from './engine/index.ts';
import { EVENTS, type Event } from './event/index.ts';
import { log } from './log.ts';
import type { Message } from './outputs/index.ts';
import { PRIORITIES, type Rule } from './rules/index.ts';
import { DumpFlag } from './scap/index.ts';
import { watchBehaviour } from './sensor/behaviour.ts';
import type { Pipeline, PipelineEnd, PipelineHost, PipelineSetup } from './sensor/contract.ts';
import { createDropMonitor, type DropAction } from './sensor/drops.ts';
import { asksMetadata, createHeldAlerts } from './sensor/held-alerts.ts';
import { formatInternalAlert, type InternalAlert } from './sensor/internal-alert.ts';
import { createTally, formatterFor, internalForm, JUDGED, stateCounters } from './sensor/judging.ts';
import { metadataFor } from './sensor/metadata.ts';
import type { OpenSource } from './sensor/open-source.ts';
import { outsideAlert } from './sensor/outside-alert.ts';
import { openRecorder, type Recorder } from './sensor/recorder.ts';
import { openRecording } from './sensor/recording.ts';
import { type LoadedRules, loadRuleSet } from './sensor/rule-set.ts';
import { openSources } from './sensor/sources.ts';

/** How long a source is waited for at a time: bounds how late a stop, a reload or a time-out is seen. */
const POLL_MS = 30;

/** Loads the rules and opens the sources; rejects with a RulesError or SourceError. `open` is there for tests. */
export async function openPipeline(
  first: PipelineSetup,
  host: PipelineHost,
  open: typeof openSources = openSources,
): Promise<Pipeline> {
  let setup = first;
  const loaded = loadRuleSet(setup);
  const sources = await open(setup, loaded);
  const tally = createTally();
  const syscalls = sources.find((source) => source.name === 'syscall');
  const metadata = syscalls === undefined ? null : metadataFor(syscalls, setup.config);
  const news =
    metadata === null
      ? null
      : {
          waitMs: setup.config.windhover.containers.alert_wait_ms,
          awaits: (container: string) => metadata.awaits(container),
          waiting: () => metadata.waiting,
          starting: () => metadata.starting,
        };
  const recording =
    setup.record === null || syscalls === undefined ? null : openRecording(setup.record, syscalls.state, news);
  const held = createHeldAlerts({
    waitMs: setup.config.windhover.containers.alert_wait_ms,
    awaits: (container) => metadata?.awaits(container) ?? false,
    starting: () => metadata?.starting ?? false,
    emit: addAlert,
  });
  let pending: Message[] = [];
  let end: PipelineEnd | null = null;
  let stopping = false;

  const live = setup.config.engine.kind !== 'replay';
  const raise = (alert: InternalAlert): void => {
    pending.push(formatInternalAlert(alert, internalForm(setup)));
  };
  const drops = createDropMonitor(dropOptions(setup.config), live, (action, report) => {
    const message = `Falco internal: syscall event drop. ${report.drops} system calls dropped in last second.`;
    if (action === 'alert') {
      raise({
        rule: 'Falco internal: syscall event drop',
        priority: 'Debug',
        message,
        fields: report.fields,
        time: now,
      });
    }
    if (action === 'log') log.error(message);
    if (action === 'exit') {
      log.critical(message);
      log.critical('Exiting.');
      end = { kind: 'drops' };
    }
  });
  /** Time of the current event. */
  let now = 0n;

  const behaviour =
    setup.behaviour === undefined || setup.behaviour === null || syscalls === undefined
      ? null
      : watchBehaviour({
          ...setup.behaviour,
          bind: (name) => loaded.catalogue.bind(name, null),
          outside: (kind, item, event) => raise(outsideAlert(kind, item, event, syscalls.state)),
        });

  let judges = sources.map((source) => makeJudge(source, loaded, setup));

  function makeJudge(source: OpenSource, rules: LoadedRules, current: PipelineSetup): Judge {
    const { config } = current;
    const active = rules.active.filter((rule) => rule.source === source.name);
    const formatter = formatterFor(current, rules);
    const recorder = openRecorder(config, source.state, source === syscalls ? news : null);
    tally.add(active);
    const mayHold = source === syscalls && metadata !== null;
    const first = config.rule_matching.toLowerCase() !== 'all';
    let matched = 0;
    const onMatch = (rule: Rule, event: Event): void => {
      matched = event.num;
      recorder?.matched(rule, event);
      if (mayHold && held.take(rule, event, source.state, formatter)) return;
      addAlert(rule, formatter.line(rule, event, source.state));
    };
    const engine = createEngine(active, source.state, {
      matching: first ? 'first' : 'all',
      codegen: config.windhover.code_generation,
      onMatch,
    });
    // Recordings and profiles of behaviour ask who caused any event.
    const isAlone = recorder === null && (source !== syscalls || (recording === null && behaviour === null));
    source.state.unread = isAlone ? engine.unread() : new Uint8Array(EVENTS.length);
    const late = new Map<number, Rule[]>();
    if (mayHold) {
      for (const rule of active.filter(({ condition }) => asksMetadata(condition))) {
        for (const type of rule.eventTypes) {
          const rules = late.get(type);
          if (rules === undefined) late.set(type, [rule]);
          else rules.push(rule);
        }
      }
    }
    return {
      engine,
      recorder,
      consider(event) {
        const rules = late.get(event.type);
        if (rules !== undefined && !(first && matched === event.num)) {
          held.consider(rules, event, source.state, formatter);
        }
      },
    };
  }

  function addAlert(rule: Rule, line: string): void {
    tally.alerted(rule);
    pending.push({ line, severity: PRIORITIES.indexOf(rule.priority) });
  }

  /** Judges one source to its end. */
  async function drain(source: OpenSource, index: number): Promise<void> {
    const { state } = source;
    const isSyscalls = source === syscalls;
    let firstTime = 0;
    let idle = 0;

    const watchesTime =
      (isSyscalls && (live || setup.config.syscall_event_drops.simulate_drops)) || setup.stopAfterNs > 0;
    const visit = (event: Event): void => {
      if (end !== null) return;
      if (watchesTime && !inTime(event)) return;
      const judge = judges[index] as Judge;
      judge.recorder?.event(event);
      state.apply(event);
      if (isSyscalls) recording?.event(event);
      judge.recorder?.applied(event);
      if (isSyscalls) behaviour?.event(event, state);
      if (JUDGED[event.type] === 0 || (event.flags & DumpFlag.STATE_ONLY) !== 0) return;
      judge.engine.process(event);
      if (isSyscalls && metadata?.waiting === true) judge.consider(event);
    };

    /** What is due at the time of the event; false when it is beyond the end. */
    function inTime(event: Event): boolean {
      const time = event.tsApprox;
      if (isSyscalls && drops.due(time)) {
        now = event.ts;
        drops.check(time, source.totals());
      }
      if (setup.stopAfterNs > 0) {
        if (firstTime === 0) firstTime = time;
        if (time - firstTime >= setup.stopAfterNs) end ??= { kind: 'stopped' };
      }
      return end === null;
    }

    while (!source.source.ended && end === null) {
      const delivered = await source.source.next(visit, POLL_MS).catch(async (error) => {
        // What was found before the end of a damaged capture stays found.
        await flush();
        throw error;
      });
      if (live && isSyscalls && source.engine !== 'nodriver') {
        idle = delivered === 0 ? idle + 1 : 0;
        const limit = setup.config.syscall_event_timeouts.max_consecutives;
        if (idle > limit) {
          idle = 0;
          raise(timeoutAlert(limit, state.ts));
        }
      }
      if (isSyscalls) pollMetadata();
      judges[index]?.recorder?.poll();
      await flush();
    }
    source.finish?.();
    source.source.close();
    if (!isSyscalls) return;
    while (held.size > 0) {
      await new Promise((done) => setTimeout(done, POLL_MS));
      pollMetadata();
    }
    metadata?.close();
    await flush();
  }

  function pollMetadata(): void {
    if (metadata === null) return;
    metadata.poll();
    held.release();
    recording?.poll();
  }

  async function flush(): Promise<void> {
    if (pending.length > 0) {
      const messages = pending;
      pending = [];
      host.alerts(messages);
    }
    if (host.room !== null) await host.room();
    if (recording !== null) await recording.drained();
  }

  return {
    sources: sources.map((source) => source.name),
    async run() {
      // A watched command may start containers at once.
      if (syscalls?.commandStatus !== undefined) await metadata?.ready();
      for (const source of sources) source.start?.();
      await Promise.all(sources.map(drain));
      await Promise.all(judges.map((judge) => judge.recorder?.close()));
      await flush();
      await recording?.close();
      return end ?? { kind: 'ended' };
    },
    stop(signal) {
      // A watched command is asked first: the run ends with it. Asked twice, we do not wait for it.
      const asked = !stopping && sources.some((source) => source.signal?.(signal) === true);
      stopping = true;
      if (!asked) end ??= { kind: 'stopped' };
    },
    async reload(next) {
      const rules = loadRuleSet(next);
      const made = sources.map((source) => makeJudge(source, rules, next));
      // Between two events: no source is inside a visitor while this runs.
      const before = judges;
      setup = next;
      judges = made;
      for (const source of sources) source.select?.(rules);
      await Promise.all(before.map((judge) => judge.recorder?.close()));
    },
    snapshot: async () => ({
      sources: sources.map((source) => ({
        name: source.name,
        engine: source.engine,
        judged: source.source.stats().events,
        ...source.totals(),
      })),
      rules: tally.list(judges.map(({ engine }) => engine)),
      state: syscalls === undefined ? null : stateCounters(syscalls.state),
      dropSummary: drops.summary(),
      commandStatus: sources.find((source) => source.commandStatus !== undefined)?.commandStatus?.() ?? null,
      behaviour: behaviour === null ? null : { seen: behaviour.seen(), outside: behaviour.outside },
    }),
  };
}

interface Judge {
  readonly engine: Engine;
  readonly recorder: Recorder | null;
  /** Keeps what may yet match, of an event that was judged while something is being found out about a container. */
  consider(event: Event): void;
}

function dropOptions(config: Config): Parameters<typeof createDropMonitor>[0] {
  const { threshold, actions, rate, max_burst, simulate_drops } = config.syscall_event_drops;
  return { threshold, actions: actions as DropAction[], rate, maxBurst: max_burst, simulate: simulate_drops };
}

function timeoutAlert(limit: number, last: bigint): InternalAlert {
  const rule = 'Falco internal: timeouts notification';
  return {
    rule,
    priority: 'Debug',
    message: `${rule}. ${limit} consecutive timeouts without event.`,
    fields: { last_event_time: last === 0n ? 'none' : new Date(Number(last / 1_000_000n)).toISOString() },
    time: BigInt(Date.now()) * 1_000_000n,
  };
}
