import { writeSync } from 'node:fs';
import { mkdir, open, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';

/** What the log asks of a file system: small enough to stand in for a failing disk in tests. */
export interface Files {
  makeFolder(path: string): Promise<void>;
  list(path: string): Promise<string[]>;
  /** Opens for reading and writing; made when absent. */
  open(path: string): Promise<File>;
  rename(from: string, to: string): Promise<void>;
  /** Brings the folder's own entries to the disk: a new file is lost with the power without it. */
  syncFolder(path: string): Promise<void>;
  /** No error when absent. */
  remove(path: string): Promise<void>;
}

export interface File {
  size(): Promise<number>;
  /** Reads into `into` from `position`; fewer bytes only at the end of the file. */
  read(into: Buffer, position: number): Promise<number>;
  /** Writes all bytes, or throws. */
  write(bytes: Buffer, position: number): Promise<void>;
  /** The same at once: for a few bytes that the page cache takes, which is cheaper than asking another thread. */
  writeNow(bytes: Buffer, position: number): void;
  truncate(size: number): Promise<void>;
  /** fdatasync(2). */
  sync(): Promise<void>;
  close(): Promise<void>;
}

export const diskFiles: Files = {
  makeFolder: async (path) => {
    await mkdir(path, { recursive: true, mode: 0o700 });
  },
  list: (path) => readdir(path),
  async open(path) {
    const handle = await open(path, 'a+', 0o600);
    await handle.close();
    const file = await open(path, 'r+', 0o600);
    return {
      size: async () => (await file.stat()).size,
      async read(into, position) {
        let got = 0;
        while (got < into.length) {
          const { bytesRead } = await file.read(into, got, into.length - got, position + got);
          if (bytesRead === 0) break;
          got += bytesRead;
        }
        return got;
      },
      async write(bytes, position) {
        let put = 0;
        while (put < bytes.length) {
          put += (await file.write(bytes, put, bytes.length - put, position + put)).bytesWritten;
        }
      },
      writeNow(bytes, position) {
        let put = 0;
        while (put < bytes.length) put += writeSync(file.fd, bytes, put, bytes.length - put, position + put);
      },
      truncate: (size) => file.truncate(size),
      sync: () => file.datasync(),
      close: () => file.close(),
    };
  },
  rename,
  async syncFolder(path) {
    const folder = await open(path, 'r');
    try {
      await folder.sync();
    } finally {
      await folder.close();
    }
  },
  remove: (path) => rm(path, { force: true }),
};

/** Files in memory: the log's `memory` durability, and the disk of its tests. */
export class MemoryFiles implements Files {
  readonly contents = new Map<string, { bytes: Buffer; size: number }>();

  async makeFolder(): Promise<void> {}
  async list(path: string): Promise<string[]> {
    return [...this.contents.keys()]
      .filter((name) => name.startsWith(`${path}/`))
      .map((name) => name.slice(path.length + 1));
  }
  async open(path: string): Promise<File> {
    let content = this.contents.get(path);
    if (content === undefined) this.contents.set(path, (content = { bytes: Buffer.alloc(0), size: 0 }));
    const file = content;
    function put(bytes: Buffer, position: number): void {
      const end = position + bytes.length;
      if (end > file.bytes.length) {
        const larger = Buffer.alloc(Math.max(end, file.bytes.length * 2));
        file.bytes.copy(larger, 0, 0, file.size);
        file.bytes = larger;
      }
      bytes.copy(file.bytes, position);
      file.size = Math.max(file.size, end);
    }
    return {
      size: async () => file.size,
      async read(into, position) {
        return file.bytes.copy(into, 0, position, Math.min(file.size, position + into.length));
      },
      async write(bytes, position) {
        put(bytes, position);
      },
      writeNow: put,
      async truncate(size) {
        file.bytes.fill(0, size);
        file.size = size;
      },
      async sync() {},
      async close() {},
    };
  }
  async rename(from: string, to: string): Promise<void> {
    const content = this.contents.get(from);
    if (content === undefined) throw Object.assign(new Error(`no such file: ${from}`), { code: 'ENOENT' });
    this.contents.delete(from);
    this.contents.set(to, content);
  }
  async syncFolder(): Promise<void> {}
  async remove(path: string): Promise<void> {
    this.contents.delete(path);
  }
}

/** The start time of a process (field 22 of /proc/PID/stat): with the pid it names a process for good. */
async function startTime(pid: number): Promise<string | null> {
  try {
    const stat = await readFile(`/proc/${pid}/stat`, 'latin1');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
  } catch {
    return null;
  }
}

/**
 * Claims a folder for this process; a claim of a process that no longer lives is taken over.
 * @returns gives the claim back.
 * @throws Error with code `LOG_IN_USE` when another living process (or this one) holds it.
 */
export async function lockFolder(path: string): Promise<() => Promise<void>> {
  const file = `${path}/lock`;
  const mine = `${process.pid} ${await startTime(process.pid)}`;
  for (let attempt = 0; ; attempt++) {
    try {
      await writeFile(file, mine, { flag: 'wx', mode: 0o600 });
      return () => rm(file, { force: true });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
    const [pid, started] = (await readFile(file, 'latin1').catch(() => '')).split(' ');
    const alive = pid !== '' && started !== undefined && (await startTime(Number(pid))) === started;
    if (alive || attempt > 3) {
      throw Object.assign(new Error(`${path} is in use by process ${pid}`), { code: 'LOG_IN_USE' });
    }
    await rm(file, { force: true });
  }
}
