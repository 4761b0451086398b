/**
 * What the hub's HTTP API takes and gives: types only, for the server that speaks it and the UI that calls it.
 * Times are milliseconds since the epoch, with a fraction. Priorities are Falco's names.
 */
import type { Priority } from '../rules/ruleset.ts';
import type { Json } from '../store/json.ts';
import type { State } from '../store/store.ts';

export type { Json, Priority, State };
export type Role = 'viewer' | 'analyst' | 'admin';
/** What a token may be: a person's role, or one that only brings alerts, captures and reports in. */
export type TokenRole = Role | 'ingest';

export interface Session {
  readonly name: string;
  readonly role: Role;
  /** Goes into the header `x-csrf-token` of every request that changes something. */
  readonly csrf: string;
}

/** What the page of login needs to know. */
export interface LoginOptions {
  readonly oidc: { readonly label: string } | null;
}

/** The alert's own JSON, as it came in. */
export interface AlertJson {
  readonly output?: string;
  readonly priority: string;
  readonly rule: string;
  readonly time?: string;
  readonly source?: string;
  readonly hostname?: string;
  readonly tags?: readonly string[];
  readonly output_fields?: Readonly<Record<string, Json>> | null;
  readonly uuid?: string;
}

export interface AlertRow {
  readonly id: number;
  readonly group: number;
  readonly time: number;
  readonly alert: AlertJson;
}

export interface AlertList {
  readonly alerts: readonly AlertRow[];
  /** Pass as `before` to go on; null at the end. */
  readonly next: string | null;
  /** True when the search stopped for time before it filled the page. */
  readonly stopped: boolean;
}

export interface GroupRow {
  readonly id: number;
  readonly rule: string;
  readonly source: string;
  readonly priority: Priority;
  readonly title: string;
  readonly state: State;
  readonly mutedUntil: number | null;
  readonly assignee: string | null;
  readonly firstSeen: number;
  readonly lastSeen: number;
  readonly reopened: number | null;
  /** Alerts that match the filter in its time. */
  readonly count: number;
  /** Alerts ever. */
  readonly total: number;
  /** `count` over the time, in 24 steps. */
  readonly spark: readonly number[];
  /** What ran, for the eye: the command line, or the user and the verb of an audit event. */
  readonly what: string;
  /** What it touched: a file, a connection, a resource. */
  readonly touched: string;
  readonly namespace: string;
  readonly workload: string;
  readonly image: string;
  readonly hosts: readonly string[];
  readonly tags: readonly string[];
}

export interface Histogram {
  readonly from: number;
  readonly step: number;
  /** One list of buckets per priority, Emergency first. */
  readonly counts: readonly (readonly number[])[];
}

export type FacetName = 'priority' | 'rule' | 'namespace' | 'workload' | 'host' | 'image' | 'tactic' | 'source';
export type Facets = Readonly<Record<FacetName, readonly { readonly value: string; readonly n: number }[]>>;

export interface Inbox {
  readonly groups: readonly GroupRow[];
  readonly groupCount: number;
  readonly alertCount: number;
  /** When the first alert was seen that the hub has a group of; null when there is none. */
  readonly oldest: number | null;
  readonly histogram: Histogram;
  readonly facets: Facets;
  /** Groups by state, whatever states are shown. */
  readonly states: Readonly<Record<State, number>>;
  /** Set when counting stopped for time: the counts are of the time from there on. */
  readonly since: number | null;
}

export interface HistoryRow {
  readonly id: number;
  readonly time: number;
  readonly who: string;
  readonly action: string;
  readonly group: number | null;
  readonly detail: string;
}

export interface SeriesRow {
  readonly id: number;
  readonly rule: string;
  readonly priority: Priority;
  readonly host: string;
  readonly namespace: string;
  readonly workload: string;
  readonly image: string;
  readonly count: number;
}

export interface GroupDetail {
  readonly group: GroupRow;
  readonly series: readonly SeriesRow[];
  readonly history: readonly HistoryRow[];
  readonly histogram: Histogram;
  /** The latest alert that is still stored. */
  readonly latest: number | null;
}

export interface CaptureRow {
  readonly id: number;
  readonly name: string;
  readonly host: string;
  readonly from: number;
  readonly to: number;
  readonly bytes: number;
}

/** What a responder did about an alert. */
export interface ActionRow {
  readonly time: number;
  /** What the responder calls it; '' when it did not say. */
  readonly id: string;
  /** The host that the responder runs on. */
  readonly responder: string;
  /** The responder's rule. */
  readonly rule: string;
  readonly action: string;
  readonly target: string;
  /** `planned`, `waiting` (for approval), `started`, `done`, `dry-run`, `skipped`, `refused`, `failed`, `expired`, `unknown`, `undone`. */
  readonly status: string;
  readonly detail: string;
  /** Whether it can be taken back. */
  readonly undo: boolean;
}

/** What judging a rule has cost since it was loaded: events on which its whole condition was judged, and the time of that. */
export interface RuleExpense {
  readonly name: string;
  readonly evaluations: number;
  readonly nanoseconds: number;
  readonly matches: number;
}

export interface AlertDetail extends AlertRow {
  readonly captures: readonly CaptureRow[];
  readonly actions: readonly ActionRow[];
  readonly newer: number | null;
  readonly older: number | null;
}

/** A condition, term by term. `result` is null where the alert does not hold what it takes to say. */
export interface ExplainNode {
  readonly kind: 'and' | 'or' | 'not' | 'term';
  readonly text: string;
  readonly result: boolean | null;
  /** True when the alert does not say it, but it must have been so, because the rule fired. */
  readonly deduced: boolean;
  readonly macro: string | null;
  /** Of a term: the field's value in the alert. */
  readonly value: string | null;
  readonly children: readonly ExplainNode[];
}

export interface Explanation {
  /** null when the hub does not have the rule. */
  readonly rule: {
    readonly name: string;
    readonly description: string;
    readonly condition: string;
    readonly file: string;
  } | null;
  readonly tree: ExplainNode | null;
}

export interface TimelineEvent {
  readonly num: number;
  readonly time: number;
  readonly type: string;
  readonly pid: number;
  readonly process: string;
  readonly text: string;
}

export interface CaptureTimeline {
  readonly events: readonly TimelineEvent[];
  readonly read: number;
  readonly matched: number;
  /** True when there are more than were given. */
  readonly more: boolean;
}

export interface ExceptionProposal {
  readonly name: string;
  readonly width: 'narrow' | 'medium' | 'wide';
  readonly fields: readonly string[];
  readonly values: readonly string[];
  readonly yaml: string;
  /** Alerts of the rule in the last `days` days that it would have hidden, and the others. */
  readonly hidden: number;
  readonly remaining: number;
  readonly hiddenByPriority: Readonly<Partial<Record<Priority, number>>>;
  /** Groups of the rule that would still have been seen. */
  readonly remainingGroups: readonly { readonly id: number; readonly what: string; readonly n: number }[];
  readonly warnings: readonly string[];
  readonly problems: readonly string[];
}

export interface ExceptionProposals {
  readonly rule: string;
  readonly days: number;
  readonly proposals: readonly ExceptionProposal[];
}

export interface RuleRow {
  readonly name: string;
  readonly description: string;
  readonly priority: Priority | null;
  readonly source: string;
  readonly tags: readonly string[];
  readonly enabled: boolean;
  /** '' for a rule that is known by its alerts only. */
  readonly file: string;
  readonly line: number;
  readonly hits: number;
  readonly groups: number;
  readonly lastFired: number | null;
  /** Mean cost of an evaluation in nanoseconds, as a sensor reported it. */
  readonly cost: number | null;
}

export interface RuleFile {
  readonly name: string;
  readonly text: string;
  /** False for a file that the hub was started with. */
  readonly saved: boolean;
  readonly time: number | null;
  readonly who: string | null;
}

export interface RuleProblem {
  readonly severity: 'error' | 'warning';
  readonly code: string;
  readonly message: string;
  readonly line: number;
  readonly column: number;
}

export interface RuleCheck {
  readonly problems: readonly RuleProblem[];
  readonly rules: number;
}

export interface Backtest {
  readonly days: number;
  readonly rules: readonly {
    readonly rule: string;
    /** Stored alerts of that rule that the text would give again, would not give, or cannot be told of. */
    readonly unchanged: number;
    readonly gone: number;
    readonly unknown: number;
    /** Alerts of a recording that the text gives and the present rules do not. */
    readonly added: number;
    readonly examples: readonly { readonly id: number; readonly what: string }[];
  }[];
  readonly captures: number;
}

export interface FieldInfo {
  readonly name: string;
  readonly type: string;
  readonly description: string;
}

export interface AttackMatrix {
  readonly tactics: readonly {
    readonly id: string;
    readonly name: string;
    readonly techniques: readonly {
      readonly id: string;
      readonly name: string;
      /** Rules that cover it, and alerts of them in the chosen time. */
      readonly rules: readonly string[];
      readonly fired: number;
    }[];
  }[];
  /** Alerts without a technique. */
  readonly untagged: number;
}

/** What a sensor, forwarder or responder last said of itself. */
export interface ReportRow {
  readonly kind: 'sensor' | 'forwarder' | 'responder';
  readonly name: string;
  readonly time: number;
  readonly body: Readonly<Record<string, Json>>;
}

export interface HealthDetail {
  readonly version: string;
  readonly started: number;
  readonly store: {
    readonly kind: string;
    readonly bytes: number;
    readonly alerts: number;
    readonly groups: number;
    readonly oldest: number | null;
    readonly ingestedPerSecond: number;
    readonly rss: number;
  };
  readonly retention: RetentionSettings;
  readonly reports: readonly ReportRow[];
  /** Over all sensors, the dearest first. */
  readonly rules: readonly RuleExpense[];
  /** Hosts that sent alerts, also those that do not report on themselves. */
  readonly hosts: readonly { readonly name: string; readonly lastSeen: number; readonly day: number }[];
}

/** An alert that a destination refused for good. */
export interface DeadLetterRow {
  /** When it was refused. */
  readonly time: number;
  /** When the forwarder took it. */
  readonly received: number;
  readonly reason: string;
  readonly rule: string;
  /** The beginning of its text. */
  readonly alert: string;
}

export interface RetentionSettings {
  readonly days: number | null;
  readonly gigabytes: number | null;
}

export interface UserRow {
  readonly name: string;
  readonly role: Role;
  readonly oidc: boolean;
  readonly created: number;
}

export interface TokenRow {
  readonly id: number;
  readonly name: string;
  readonly role: TokenRole;
  readonly created: number;
  readonly used: number | null;
}

export interface SavedSearch {
  readonly id: number;
  readonly name: string;
  /** Path and query of the page. */
  readonly url: string;
  readonly who: string;
}

export interface Problem {
  readonly error: string;
  /** Where in the query the error is. */
  readonly offset?: number;
}

export type TriageRequest = { readonly groups: readonly number[] } & (
  | { readonly action: 'acknowledge' | 'resolve' | 'reopen' }
  | { readonly action: 'mute'; readonly until: number | null; readonly count: number | null }
  | { readonly action: 'assign'; readonly assignee: string | null }
  | { readonly action: 'comment'; readonly text: string }
);

/** Method and path → what is sent and what comes back. `:id` stands for a path segment. */
export interface Api {
  'GET /api/session': { response: Session };
  'GET /api/login': { response: LoginOptions };
  'POST /api/login': { body: { name: string; password: string }; response: Session };
  'POST /api/logout': { response: null };
  'POST /api/password': { body: { old: string; new: string }; response: null };
  'GET /api/inbox': { response: Inbox };
  'GET /api/alerts': { response: AlertList };
  'GET /api/alerts/:id': { response: AlertDetail };
  'GET /api/alerts/:id/around': { response: AlertList };
  'GET /api/alerts/:id/explanation': { response: Explanation };
  'GET /api/alerts/:id/timeline': { response: CaptureTimeline };
  'POST /api/alerts/:id/actions': {
    body: { action: string; what: 'undo' | 'approve' };
    response: { message: string };
  };
  'GET /api/groups/:id': { response: GroupDetail };
  'POST /api/triage': { body: TriageRequest; response: null };
  'POST /api/merge': { body: { into: number; from: readonly number[] }; response: null };
  'POST /api/split': { body: { group: number; series: readonly number[] }; response: { group: number } };
  'GET /api/groups/:id/exceptions': { response: ExceptionProposals };
  'GET /api/alerts/:id/exceptions': { response: ExceptionProposals };
  'POST /api/alerts/:id/exceptions': { body: { name: string }; response: { file: string; rules: boolean } };
  'GET /api/rules': { response: { rules: readonly RuleRow[]; files: readonly RuleFile[] } };
  'GET /api/rules/fields': { response: readonly FieldInfo[] };
  'POST /api/rules/check': { body: { name: string; text: string }; response: RuleCheck };
  'POST /api/rules/backtest': { body: { name: string; text: string; days: number }; response: Backtest };
  'PUT /api/rules/files/:name': { body: { text: string }; response: RuleCheck };
  'DELETE /api/rules/files/:name': { response: null };
  'GET /api/attack': { response: AttackMatrix };
  'GET /api/health': { response: HealthDetail };
  'GET /api/history': { response: readonly HistoryRow[] };
  'GET /api/searches': { response: readonly SavedSearch[] };
  'POST /api/searches': { body: { name: string; url: string }; response: SavedSearch };
  'DELETE /api/searches/:id': { response: null };
  'GET /api/captures': { response: readonly CaptureRow[] };
  'GET /api/users': { response: readonly UserRow[] };
  'POST /api/users': { body: { name: string; password: string; role: Role }; response: null };
  'PUT /api/users/:name': { body: { role?: Role; password?: string }; response: null };
  'DELETE /api/users/:name': { response: null };
  'GET /api/tokens': { response: readonly TokenRow[] };
  'POST /api/tokens': { body: { name: string; role: TokenRole }; response: { token: string } };
  'DELETE /api/tokens/:id': { response: null };
  'PUT /api/retention': { body: RetentionSettings; response: null };
  'POST /api/backup': { response: { path: string } };
  'POST /api/forwarders/:name/test': { body: { output: string }; response: { error: string | null } };
  'GET /api/forwarders/:name/dead-letters': { response: readonly DeadLetterRow[] };
  'POST /api/forwarders/:name/replay': { body: { output: string }; response: { delivered: number; refused: number } };
}
