import type { z } from 'zod';
import type { Alert } from '../outputs/forward/index.ts';
import type { Cluster } from './cluster.ts';

/** What an action did, and how to take it back. */
export interface Outcome {
  /** One sentence. */
  readonly message: string;
  /** Kept in the journal; absent when there is no way back. */
  readonly undo?: Readonly<Record<string, unknown>> | undefined;
  /** Text or bytes that the action brought (a log, a file), for its `output`. */
  readonly artefact?: { readonly name: string; readonly content: Buffer } | undefined;
}

/** An action with its target known: what will happen, before it does. */
export interface Step {
  /** `pod shop/web-1`, `process 42 on node-1`: what the limits and the cool-down count. */
  readonly target: string;
  readonly namespace?: string | undefined;
  readonly labels?: Readonly<Record<string, string>> | undefined;
  /** Pods that it ends at most, when that may be several. */
  readonly pods?: number | undefined;
  /** @param dryRun ask the target whether it would work, and leave it as it is. */
  perform(dryRun: boolean): Promise<Outcome>;
}

/** What actions work with. */
export interface Context {
  readonly cluster: () => Cluster;
  /** Why this pod may not be touched by an action on many; null when it may. */
  protectionOf(pod: {
    readonly namespace: string;
    readonly name: string;
    readonly labels: Readonly<Record<string, string>>;
  }): string | null;
  /** The host that this process runs on, as alerts name it; for host actions. */
  readonly hostname: string;
  readonly proc: string;
  /** Allow-listed programs by name: their fixed argv. */
  readonly programs: Readonly<Record<string, readonly string[]>>;
  readonly quarantine: string;
  /** Sends a notification through a configured notifier. @throws when there is none of that name */
  notify(notifier: string, alert: Alert, message: string): Promise<void>;
  /** Sends the alert to a destination that is configured in place (a function in a cloud). */
  deliver(destination: string, settings: Readonly<Record<string, unknown>>, alert: Alert): Promise<void>;
  run(
    argv: readonly string[],
    options: { readonly env?: Record<string, string>; readonly stdin?: string; readonly timeout?: number },
  ): Promise<{ status: number; stdout: string; stderr: string }>;
}

/** A kind of action (Talon's "actionner"). */
export interface ActionKind<P extends z.ZodType = z.ZodType> {
  /** `kubernetes:terminate` */
  readonly name: string;
  readonly doc: string;
  readonly parameters: P;
  /** Parameters that rules files still have and that mean nothing any more: what to write instead. */
  readonly obsolete?: Readonly<Record<string, string>>;
  /** Whether the rule's next action is done too, unless the file says otherwise. */
  readonly continues: boolean;
  /** Doing it twice is as good as once: it may be resumed when a crash leaves open whether it was done. */
  readonly repeatable: boolean;
  /** Whether it needs an `output` for its artefact. */
  readonly artefact?: boolean;
  /** Finds the target; reads only. @throws ActionError when the alert names none */
  plan(alert: Alert, parameters: z.infer<P>, context: Context): Promise<Step>;
  /** Takes it back. @returns what happened */
  undo?(record: Readonly<Record<string, unknown>>, context: Context): Promise<string>;
}

export function actionKind<P extends z.ZodType>(kind: ActionKind<P>): ActionKind {
  return kind as unknown as ActionKind;
}

/** What a rule gives an action, without what is obsolete. @throws ZodError for what it does not know */
export function parametersOf(kind: ActionKind, given: Readonly<Record<string, unknown>>): unknown {
  const { obsolete = {} } = kind;
  return kind.parameters.parse(
    Object.fromEntries(Object.entries(given).filter(([name]) => !Object.hasOwn(obsolete, name))),
  );
}

/** An action that cannot be done, with a reason for the journal. `skip`: rightly so (the target is gone, or exempt). */
export class ActionError extends Error {
  override readonly name = 'ActionError';
  readonly skip: boolean;
  constructor(message: string, skip = false) {
    super(message);
    this.skip = skip;
  }
}
