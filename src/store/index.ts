export {
  type Alert,
  type Incoming,
  messageOf,
  microseconds,
  priorityOf,
  readAlert,
  readAlerts,
  textOf,
  uidOf,
} from './alert.ts';
export { evaluateCheck } from './evaluate.ts';
export { type Json, memberText, parseLossless } from './json.ts';
export { openPostgres } from './postgres.ts';
export { compile, parseQuery, type Query, QueryError, SHORT_NAMES } from './query.ts';
export type { Row, Sql, SqlValue, Writer } from './sql.ts';
export { openSqlite } from './sqlite.ts';
export {
  type AlertPage,
  type Counts,
  type Cursor,
  type Filter,
  type Group,
  type HistoryEntry,
  openStore,
  type Retention,
  type Series,
  STATES,
  type State,
  type Store,
  type StoredAlert,
  type Triage,
} from './store.ts';
