import { type FSWatcher, statSync, watch } from 'node:fs';
import { basename, dirname } from 'node:path';

/** How long a change must have settled: editors and Kubernetes write a file in several steps. */
const SETTLE_MS = 100;

/**
 * Calls `onChange` once after one or more of the files, or the content of one of the directories, changed.
 * A file is watched through its directory, so that its replacement by a rename is seen as well.
 * @returns stops watching
 */
export function watchFiles(files: readonly string[], directories: readonly string[], onChange: () => void): () => void {
  const namesIn = new Map<string, Set<string> | null>();
  for (const directory of directories) namesIn.set(directory, null);
  for (const file of files) {
    const directory = dirname(file);
    const names = namesIn.get(directory);
    if (names === undefined) namesIn.set(directory, new Set([basename(file)]));
    else names?.add(basename(file));
  }
  const before = fingerprint(files);
  let seen = before;
  let timer: NodeJS.Timeout | null = null;
  const settled = (inDirectory: boolean): void => {
    timer = null;
    const now = fingerprint(files);
    if (!inDirectory && now === seen) return;
    seen = now;
    onChange();
  };
  let wholeDirectory = false;
  const touch = (inDirectory: boolean): void => {
    wholeDirectory ||= inDirectory;
    if (timer !== null) clearTimeout(timer);
    timer = setTimeout(() => {
      const whole = wholeDirectory;
      wholeDirectory = false;
      settled(whole);
    }, SETTLE_MS);
  };
  const watchers: FSWatcher[] = [];
  for (const [directory, names] of namesIn) {
    try {
      const watcher = watch(directory, { persistent: false }, (_event, name) => {
        // ..data is the symbolic link that a kubelet swaps below a mounted ConfigMap.
        if (names === null) touch(true);
        else if (name === null || names.has(name) || name === '..data') touch(false);
      });
      watcher.on('error', () => {});
      watchers.push(watcher);
    } catch {
      // A directory that is not there cannot change; SIGHUP still reloads.
    }
  }
  return () => {
    if (timer !== null) clearTimeout(timer);
    for (const watcher of watchers) watcher.close();
  };
}

/** Changes whenever one of the files is written, replaced or removed. */
function fingerprint(files: readonly string[]): string {
  return files
    .map((file) => {
      const stat = statSync(file, { throwIfNoEntry: false, bigint: true });
      return stat === undefined ? '-' : `${stat.ino}.${stat.size}.${stat.mtimeNs}`;
    })
    .join(' ');
}
