/** Counters and gauges in Prometheus' text form (exposition format 0.0.4). */

/** Series of one metric beyond this are put together, so that attacker-chosen values cannot fill the memory. */
const MAX_SERIES = 5000;

export class Metric {
  readonly name: string;
  readonly help: string;
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly #series = new Map<string, number>();

  constructor(name: string, help: string, type: 'counter' | 'gauge' = 'counter') {
    this.name = name;
    this.help = help;
    this.type = type;
  }

  #key(labels: Readonly<Record<string, string>>): string {
    let key = '';
    for (const name in labels) key += `${key === '' ? '' : ','}${name}="${escapeLabel(labels[name])}"`;
    return this.#series.has(key) || this.#series.size < MAX_SERIES ? key : 'overflow="true"';
  }
  add(labels: Readonly<Record<string, string>>, count = 1): void {
    const key = this.#key(labels);
    this.#series.set(key, (this.#series.get(key) ?? 0) + count);
  }
  set(labels: Readonly<Record<string, string>>, value: number): void {
    this.#series.set(this.#key(labels), value);
  }
  get(labels: Readonly<Record<string, string>>): number {
    return this.#series.get(this.#key(labels)) ?? 0;
  }
  text(): string {
    const lines = [...this.#series].map(
      ([labels, value]) => `${this.name}${labels === '' ? '' : `{${labels}}`} ${value}`,
    );
    return `# HELP ${this.name} ${this.help}\n# TYPE ${this.name} ${this.type}\n${lines.map((line) => `${line}\n`).join('')}`;
  }
}

/** A label's value; most need nothing done to them. */
function escapeLabel(value: string): string {
  if (!/[\\\n"]/.test(value)) return value;
  return value.replace(/\\/g, '\\\\').replace(/\n/g, '\\n').replace(/"/g, '\\"');
}

/** Falcosidekick's three, with its labels, and ours. */
export function forwardMetrics() {
  return {
    events: new Metric('falcosecurity_falcosidekick_falco_events_total', 'The total number of Falco events received.'),
    inputs: new Metric('falcosecurity_falcosidekick_inputs_total', 'The total number of requests received.'),
    outputs: new Metric(
      'falcosecurity_falcosidekick_outputs_total',
      'The total number of deliveries by destination and status.',
    ),
    retries: new Metric('windhover_forward_retries_total', 'Deliveries that will be tried again.'),
    heldBack: new Metric('windhover_forward_held_back_total', 'Alerts that grouping or throttling held back.'),
    deadLetters: new Metric('windhover_forward_dead_letters_total', 'Alerts that a destination refused for good.'),
    dropped: new Metric(
      'windhover_forward_dropped_total',
      'Alerts that the queue lost, by reason and priority.',
      'counter',
    ),
    depth: new Metric('windhover_forward_queue_depth', 'Alerts that wait for an output.', 'gauge'),
    oldest: new Metric(
      'windhover_forward_queue_oldest_seconds',
      'Age of the oldest alert that waits for an output.',
      'gauge',
    ),
    bytes: new Metric('windhover_forward_queue_bytes', 'Bytes of the queue on disk.', 'gauge'),
    seconds: new Metric('windhover_forward_delivery_seconds_sum', 'Time from acceptance to delivery, summed up.'),
    deliveries: new Metric('windhover_forward_delivery_seconds_count', 'Alerts delivered.'),
  };
}
export type ForwardMetrics = ReturnType<typeof forwardMetrics>;
