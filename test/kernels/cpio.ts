/** A file, directory or symbolic link of an initial ram disk. */
export interface Entry {
  /** Without a leading slash. */
  readonly path: string;
  /** Permission bits; the kind follows from what is given below. */
  readonly mode?: number;
  /** A file's bytes. */
  readonly data?: Uint8Array;
  /** A link's target. */
  readonly link?: string;
}

const S_IFDIR = 0o040000;
const S_IFREG = 0o100000;
const S_IFLNK = 0o120000;

/**
 * Packs entries as the kernel unpacks them (Documentation/driver-api/early-userspace/buffer-format.rst, "newc").
 * Directories that entries lie in are made. Archives may follow each other in one file.
 */
export function cpio(entries: readonly Entry[]): Buffer {
  const parts: Uint8Array[] = [];
  let inode = 1;
  const add = (path: string, mode: number, data: Uint8Array): void => {
    const name = Buffer.from(`${path}\0`);
    const fields = [inode++, mode, 0, 0, 1, 0, data.length, 0, 0, 0, 0, name.length, 0];
    const header = `070701${fields.map((field) => field.toString(16).padStart(8, '0')).join('')}`;
    parts.push(Buffer.from(header), name, padding(header.length + name.length), data, padding(data.length));
  };
  const made = new Set<string>();
  const directories = (path: string): void => {
    const parent = path.slice(0, Math.max(0, path.lastIndexOf('/')));
    if (parent === '' || made.has(parent)) return;
    directories(parent);
    made.add(parent);
    add(parent, S_IFDIR | 0o755, Buffer.alloc(0));
  };
  for (const { path, mode, data, link } of entries) {
    directories(path);
    if (link !== undefined) {
      add(path, S_IFLNK | 0o777, Buffer.from(link));
    } else if (data !== undefined) {
      add(path, S_IFREG | (mode ?? 0o644), data);
    } else if (!made.has(path)) {
      made.add(path);
      add(path, S_IFDIR | (mode ?? 0o755), Buffer.alloc(0));
    }
  }
  inode = 0;
  add('TRAILER!!!', 0, Buffer.alloc(0));
  return Buffer.concat(parts);
}

/** Names and bytes start at multiples of four. */
function padding(length: number): Buffer {
  return Buffer.alloc(-length & 3);
}
