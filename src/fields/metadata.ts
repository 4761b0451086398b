import type { Event } from '../event/index.ts';
import type { State } from '../state/index.ts';
import type { Field } from './field.ts';

/** Whether a field reads what engines and Kubernetes say of the thread's container, which may be known later than the event. */
export function isMetadata(field: Field): boolean {
  const { class: group, depends } = field;
  return (group === 'container' || group === 'k8smeta') && (depends === 'thread' || depends === 'time');
}

/** An event and the state at it, as far as {@link isMetadata} fields read them, for when both have moved on. */
export interface Moment {
  readonly event: Event;
  readonly state: State;
}

/** Keeps the event's time and its thread's container; containers and pods stay those of the living state. */
export function keepMoment(event: Event, state: State): Moment {
  const { thread } = state;
  const kept =
    thread === null
      ? null
      : Object.create(thread, { container: { value: thread.container }, cgroups: { value: thread.cgroups } });
  return {
    event: Object.create(event, { ts: { value: event.ts } }) as Event,
    state: Object.create(state, { thread: { value: kept } }) as State,
  };
}
