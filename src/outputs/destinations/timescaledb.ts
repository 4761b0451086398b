import { destination } from '../forward/destination.ts';
import { DeliveryError } from '../forward/error.ts';
import { flag, integer, secret, text } from '../forward/option.ts';

/** SQLSTATE classes after which the same statement may succeed: connection, resources, operator, system. */
const RETRYABLE = /^(08|53|57|58|40|55)/;

export const timescaledb = destination({
  name: 'timescaledb',
  label: 'timescaledb',
  group: 'database',
  doc: 'Rows in TimescaleDB or plain PostgreSQL; the output fields are stored as JSONB, each alert once.',
  options: {
    host: text('The host; turns the output on.'),
    port: integer('The port.', 5432),
    user: text('The user.', 'postgres'),
    password: secret("The user's password."),
    database: text('The database.', 'falcosidekick'),
    hypertablename: text('The table; made when it is missing.', 'falcosidekick_events'),
    ssl: flag('Use TLS.'),
    createtable: flag('Make the table and columns that are missing.', true),
  },
  enabled: (o) => o.host !== '',
  batch: () => ({ count: 200, bytes: 2_000_000, linger: 0 }),
  async open(o, environment) {
    const { default: pg } = await import('pg');
    const { tls } = environment;
    const pool = new pg.Pool({
      host: o.host,
      port: o.port,
      user: o.user,
      password: o.password,
      database: o.database,
      max: 1,
      connectionTimeoutMillis: environment.timeout,
      query_timeout: environment.timeout,
      ...(o.ssl && { ssl: { rejectUnauthorized: tls.checkCertificate, ca: tls.ca, cert: tls.cert, key: tls.key } }),
    });
    pool.on('error', () => {});
    const quote = (name: string) => `"${name.replaceAll('"', '""')}"`;
    const extra = [...environment.customfields, ...environment.templatedfields].map((name) => ({
      name,
      column: name.replaceAll('.', '_').toLowerCase(),
    }));
    const table = o.hypertablename.split('.').map(quote).join('.');
    let prepared = !o.createtable;

    async function prepare(): Promise<void> {
      await pool.query(
        `CREATE TABLE IF NOT EXISTS ${table} (time timestamptz NOT NULL, rule text, priority text, source text, output text, tags text, hostname text)`,
      );
      const columns = ['uuid uuid', 'output_fields jsonb', ...extra.map(({ column }) => `${quote(column)} text`)];
      for (const column of columns) await pool.query(`ALTER TABLE ${table} ADD COLUMN IF NOT EXISTS ${column}`);
      // Time belongs to the key because a hypertable is partitioned by it.
      await pool.query(
        `CREATE UNIQUE INDEX IF NOT EXISTS ${quote(`${o.hypertablename.replaceAll('.', '_')}_uuid`)} ON ${table} (uuid, time)`,
      );
      prepared = true;
    }

    return {
      async send(alerts) {
        const names = [
          'time',
          'rule',
          'priority',
          'source',
          'output',
          'tags',
          'hostname',
          'uuid',
          'output_fields',
          ...extra.map(({ column }) => column),
        ];
        const values: unknown[] = [];
        const rows = alerts.map((alert) => {
          const row = [
            alert.time,
            alert.rule,
            alert.priority,
            alert.source,
            alert.output.replaceAll('\0', ''),
            alert.tags.join(','),
            alert.hostname,
            alert.uuid,
            // PostgreSQL's JSONB has no U+0000.
            JSON.stringify(alert.fields).replaceAll('\\u0000', ''),
            ...extra.map(({ name }) => String(alert.fields[name] ?? '')),
          ];
          values.push(...row);
          return `(${row.map((_, i) => `$${values.length - row.length + i + 1}`).join(',')})`;
        });
        try {
          if (!prepared) await prepare();
          await pool.query(
            `INSERT INTO ${table} (${names.map(quote).join(',')}) VALUES ${rows.join(',')} ON CONFLICT DO NOTHING`,
            values,
          );
        } catch (error) {
          const { code = '', message } = error as { code?: string; message: string };
          throw new DeliveryError(message, {
            retry: !/^[0-9A-Z]{5}$/.test(code) || RETRYABLE.test(code),
            cause: error,
          });
        }
      },
      async check() {
        await pool.query('SELECT 1');
      },
      close: () => pool.end(),
    };
  },
});
