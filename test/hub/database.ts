import { execFileSync, spawn } from 'node:child_process';
import { chownSync, existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '../ports.ts';

/** A real PostgreSQL for a test: a cluster of its own on a free port of loopback. */
export interface Database {
  readonly url: string;
  /** An empty database of that name. */
  create(name: string): Promise<string>;
  stop(): Promise<void>;
}

/** Where the server's programs are; null when PostgreSQL is not installed. */
export function postgresPrograms(): string | null {
  const roots = ['/usr/local/bin', '/usr/bin'];
  const debian = '/usr/lib/postgresql';
  if (existsSync(debian)) for (const version of readdirSync(debian)) roots.unshift(join(debian, version, 'bin'));
  return roots.find((root) => existsSync(join(root, 'initdb')) && existsSync(join(root, 'postgres'))) ?? null;
}

export async function startPostgres(programs: string): Promise<Database> {
  const directory = mkdtempSync(join(tmpdir(), 'windhover-pg-'));
  const data = join(directory, 'data');
  // The server refuses to run as root.
  let who: { uid: number; gid: number } | Record<string, never> = {};
  if (process.getuid?.() === 0) {
    const id = (flag: string) => Number(execFileSync('id', [flag, 'postgres'], { encoding: 'utf8' }));
    who = { uid: id('-u'), gid: id('-g') };
    chownSync(directory, who.uid as number, who.gid as number);
  }
  execFileSync(
    join(programs, 'initdb'),
    ['-D', data, '-U', 'hub', '-A', 'trust', '-E', 'UTF8', '--no-sync', '--locale=C'],
    {
      ...who,
      cwd: directory,
      stdio: 'ignore',
    },
  );
  const port = await freePort();
  const server = spawn(
    join(programs, 'postgres'),
    [
      '-D',
      data,
      '-p',
      String(port),
      '-c',
      'listen_addresses=127.0.0.1',
      '-c',
      `unix_socket_directories=${directory}`,
      '-c',
      'fsync=off',
    ],
    { ...who, cwd: directory, stdio: ['ignore', 'ignore', 'pipe'] },
  );
  let said = '';
  await new Promise<void>((resolve, reject) => {
    server.stderr.on('data', (chunk: Buffer) => {
      said += chunk.toString();
      if (said.includes('ready to accept connections')) resolve();
    });
    server.once('exit', (code) => reject(new Error(`postgres ended with ${code}: ${said}`)));
  });
  const base = `postgres://hub@127.0.0.1:${port}`;
  return {
    url: base,
    create: async (name) => {
      const { default: pg } = await import('pg');
      const client = new pg.Client({ connectionString: `${base}/postgres` });
      await client.connect();
      await client.query(`CREATE DATABASE ${name}`);
      await client.end();
      return `${base}/${name}`;
    },
    stop: async () => {
      server.removeAllListeners('exit');
      const ended = new Promise((resolve) => server.once('exit', resolve));
      server.kill('SIGINT');
      await ended;
      rmSync(directory, { recursive: true, force: true });
    },
  };
}
