import type { Logger } from '../outputs/forward/index.ts';
import type { ActionState } from './journal.ts';

/** What became of an action, as the hub takes it at `POST /api/actions`. */
export interface ActionReport {
  /** `RUN/NUMBER` */
  readonly id: string;
  /** The `uuid` of the alert that it is because of. */
  readonly alert: string;
  /** The host that the responder runs on. */
  readonly responder: string;
  readonly rule: string;
  readonly action: string;
  readonly target: string;
  readonly status: ActionState;
  readonly detail: string;
  /** Whether it can be taken back. */
  readonly undo: boolean;
  /** Milliseconds since the epoch. */
  readonly at: number;
}

export interface Reports {
  /** Says that there is news of an action. */
  changed(id: string): void;
  /** Ends after one last try. */
  close(): Promise<void>;
}

/** Actions in one request. */
const BATCH = 200;
const TIMEOUT = 10_000;
const FIRST_DELAY = 500;
const MAX_DELAY = 30_000;

/**
 * Tells the hub what becomes of actions, so that it stands beside the alert. While the hub is away only the numbers of
 * the actions are kept: what is told afterwards is what they are by then.
 */
export function reportTo(
  { url, token }: { readonly url: string; readonly token: string },
  describe: (id: string) => ActionReport | null,
  logger: Logger,
): Reports {
  const pending = new Set<string>();
  const address = new URL('/api/actions', url);
  let sending: Promise<void> | null = null;
  let closed = false;
  let wake = () => {};

  async function sendOnce(): Promise<void> {
    const ids = [...pending].slice(0, BATCH);
    for (const id of ids) pending.delete(id);
    try {
      const response = await fetch(address, {
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          ...(token === '' ? {} : { authorization: `Bearer ${token}` }),
        },
        body: JSON.stringify(ids.flatMap((id) => describe(id) ?? [])),
        signal: AbortSignal.timeout(TIMEOUT),
      });
      if (!response.ok) throw new Error(`it answered ${response.status}`);
    } catch (error) {
      for (const id of ids) pending.add(id);
      throw error;
    }
  }

  async function drain(): Promise<void> {
    let delay = FIRST_DELAY;
    while (pending.size > 0) {
      try {
        await sendOnce();
        delay = FIRST_DELAY;
      } catch (error) {
        if (closed) return;
        if (delay === FIRST_DELAY) logger.warning(`the hub was not told of actions: ${(error as Error).message}`);
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, delay);
          wake = () => {
            clearTimeout(timer);
            resolve();
          };
        });
        delay = Math.min(MAX_DELAY, delay * 2);
      }
    }
  }

  return {
    changed(id) {
      pending.add(id);
      if (closed) return;
      sending ??= drain().finally(() => {
        sending = null;
      });
    },
    async close() {
      closed = true;
      wake();
      await sending;
      if (pending.size > 0) await sendOnce().catch(() => {});
    },
  };
}
