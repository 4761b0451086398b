export { type Alert, readAlert, readAlerts, textOf, uidOf } from './alert.ts';
export { evaluateCheck } from './evaluate.ts';
export { type Json, memberText, parseLossless } from './json.ts';
export { openPostgres } from './postgres.ts';
export { parseQuery, QueryError } from './query.ts';
export type { Row } from './sql.ts';
export { openSqlite } from './sqlite.ts';
export {
  type Counts,
  type Filter,
  type Group,
  openStore,
  type Series,
  STATES,
  type State,
  type Store,
  type StoredAlert,
} from './store.ts';
