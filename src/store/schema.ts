/**
 * The tables, for both databases. `{id}` is a key that counts up, `{bytes}` a byte string, `{int}` 64 bits.
 * Times are microseconds since the epoch, except minutes and hours, which are counted since the epoch.
 *
 * An alert refers to its *series*: rule, priority, tags, host, namespace, workload and image, held once. Counts are
 * kept per series and minute, so that facets, histograms and sparklines never touch an alert.
 */
export const SCHEMA = `
CREATE TABLE IF NOT EXISTS groups(
  id {id}, rule TEXT NOT NULL, source TEXT NOT NULL, priority INTEGER NOT NULL, title TEXT NOT NULL,
  state TEXT NOT NULL, muted_until {int}, mute_count {int}, assignee TEXT,
  first_seen {int} NOT NULL, last_seen {int} NOT NULL, count {int} NOT NULL, reopened {int}, sample TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS fingerprints(
  id {id}, key TEXT NOT NULL UNIQUE, group_id {int} NOT NULL, dictionary {bytes} NOT NULL);
CREATE TABLE IF NOT EXISTS series(
  id {id}, key TEXT NOT NULL UNIQUE, fingerprint_id {int} NOT NULL, group_id {int} NOT NULL,
  rule TEXT NOT NULL, source TEXT NOT NULL, priority INTEGER NOT NULL, tags TEXT NOT NULL,
  host TEXT NOT NULL, namespace TEXT NOT NULL, workload TEXT NOT NULL, image TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS counts(
  minute INTEGER NOT NULL, series_id INTEGER NOT NULL, n INTEGER NOT NULL, PRIMARY KEY(minute, series_id)) {rowless};
CREATE TABLE IF NOT EXISTS hours(
  hour INTEGER NOT NULL, series_id INTEGER NOT NULL, n INTEGER NOT NULL, PRIMARY KEY(hour, series_id)) {rowless};
CREATE TABLE IF NOT EXISTS history(
  id {id}, time {int} NOT NULL, who TEXT NOT NULL, action TEXT NOT NULL, group_id {int}, detail TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS history_group ON history(group_id);
CREATE TABLE IF NOT EXISTS actions(
  id {id}, time {int} NOT NULL, uid {int} NOT NULL, body TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS actions_uid ON actions(uid);
CREATE TABLE IF NOT EXISTS captures(
  id {id}, name TEXT NOT NULL UNIQUE, path TEXT NOT NULL, host TEXT NOT NULL, from_time {int} NOT NULL, to_time {int} NOT NULL, bytes {int} NOT NULL);
CREATE TABLE IF NOT EXISTS users(
  name TEXT PRIMARY KEY, password TEXT, role TEXT NOT NULL, subject TEXT UNIQUE, created {int} NOT NULL);
CREATE TABLE IF NOT EXISTS sessions(
  hash TEXT PRIMARY KEY, user_name TEXT NOT NULL, csrf TEXT NOT NULL, expires {int} NOT NULL);
CREATE TABLE IF NOT EXISTS tokens(
  id {id}, hash TEXT NOT NULL UNIQUE, name TEXT NOT NULL, role TEXT NOT NULL, created {int} NOT NULL, used {int});
CREATE TABLE IF NOT EXISTS searches(
  id {id}, name TEXT NOT NULL, url TEXT NOT NULL, who TEXT NOT NULL, created {int} NOT NULL);
CREATE TABLE IF NOT EXISTS rule_files(
  name TEXT PRIMARY KEY, text TEXT NOT NULL, who TEXT NOT NULL, time {int} NOT NULL);
CREATE TABLE IF NOT EXISTS reports(
  kind TEXT NOT NULL, name TEXT NOT NULL, time {int} NOT NULL, body TEXT NOT NULL, PRIMARY KEY(kind, name));
CREATE TABLE IF NOT EXISTS settings(key TEXT PRIMARY KEY, value TEXT NOT NULL);
`;
