import { createEngine } from '../engine/index.ts';
import type { Event } from '../event/index.ts';
import type { Message } from '../outputs/channel.ts';
import { PRIORITIES, type Rule } from '../rules/index.ts';
import { DumpFlag } from '../scap/index.ts';
import { type Seat, takeSeat } from '../source/capture-thread.ts';
import type { PipelineEnd, PipelineSetup, PipelineSnapshot } from './contract.ts';
import { createTally, formatterFor, JUDGED, stateCounters } from './judging.ts';
import { reportReading } from './reading-report.ts';
import { loadRuleSet } from './rule-set.ts';
import { newState } from './sources.ts';

/** One of several judges of a capture: it keeps the whole state, and judges the events of the portions that it gets hold of. */
export interface PortionJudge {
  /** Resolves at the end of the capture, after {@link stop}, or where it cannot be read on (see {@link failure}). */
  run(): Promise<PipelineEnd>;
  /** Why the capture could not be read to its end: the same for every judge of it. */
  readonly failure: Error | null;
  stop(): void;
  /** Its share of the alerts and expenses. */
  rules(): PipelineSnapshot['rules'];
  state(): PipelineSnapshot['state'];
  /** Says what was not judged of the capture. */
  report(): void;
  /** Events seen so far. */
  readonly seen: number;
}

export interface PortionJudgeHost {
  /** The alerts of a portion that this judge has claimed, in order; called once for each, also without alerts. */
  judged(portion: number, messages: readonly Message[]): void;
  /** Resolves once there is room for more alerts. */
  room(): Promise<void>;
}

/**
 * Rules read nothing but the event and the state, so that whoever has applied every event before it judges an event as
 * any other judge would.
 * @param failed for the judge on the thread that started the reading: why that fails
 * @throws RulesError
 */
export function createPortionJudge(
  setup: PipelineSetup,
  seat: Seat,
  host: PortionJudgeHost,
  failed?: Promise<never>,
): PortionJudge {
  const { config } = setup;
  const loaded = loadRuleSet(setup);
  const rules = loaded.active.filter((rule) => rule.source === 'syscall');
  const state = newState(setup);
  const feed = takeSeat(seat, state.sink, failed);
  const formatter = formatterFor(setup, loaded);
  const tally = createTally();
  tally.add(rules);
  let messages: Message[] = [];
  const engine = createEngine(rules, state, {
    matching: config.rule_matching.toLowerCase() === 'all' ? 'all' : 'first',
    codegen: config.windhover.code_generation,
    onMatch(rule: Rule, event: Event) {
      tally.alerted(rule);
      const line = formatter.line(rule, event, state);
      messages.push({ line, severity: PRIORITIES.indexOf(rule.priority) });
    },
  });
  state.unread = engine.unread();
  let end: PipelineEnd | null = null;
  let failure: Error | null = null;
  let firstTime = 0;

  /** Every judge sees all events, so that all of them stop at the same one. */
  function isOver(event: Event): boolean {
    if (end !== null) return true;
    if (setup.stopAfterNs > 0) {
      const time = event.tsApprox;
      if (firstTime === 0) firstTime = time;
      if (time - firstTime >= setup.stopAfterNs) end = { kind: 'stopped' };
    }
    return end !== null;
  }
  const judge = (event: Event): void => {
    if (isOver(event)) return;
    state.apply(event);
    if (JUDGED[event.type] === 1 && (event.flags & DumpFlag.STATE_ONLY) === 0) engine.process(event);
  };
  const follow = (event: Event): void => {
    if (!isOver(event)) state.apply(event);
  };

  return {
    async run() {
      try {
        while (end === null) {
          const portion = await feed.next().catch((error: Error) => {
            failure = error;
            return null;
          });
          if (portion === null) break;
          if (!portion.claim()) {
            portion.deliver(follow);
            continue;
          }
          portion.deliver(judge);
          host.judged(portion.number, messages);
          messages = [];
          await host.room();
        }
      } finally {
        await feed.close();
      }
      return end ?? { kind: 'ended' };
    },
    stop() {
      end ??= { kind: 'stopped' };
    },
    rules: () => tally.list([engine]),
    state: () => stateCounters(state),
    report: () => reportReading(config.engine.replay.capture_file, feed.stats, feed.truncated),
    get failure() {
      return failure;
    },
    get seen() {
      return feed.stats.events;
    },
  };
}
