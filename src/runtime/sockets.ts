import { globSync, statSync } from 'node:fs';

/** Existing sockets of a path with `*`, with what tells whether two names are of one socket. */
export function existingSockets(root: string, path: string): { socket: string; identity: string }[] {
  // A pattern is not looked for behind the links of /proc, a name is.
  const names = path.includes('*') ? globSync(`${root}${path}`) : [`${root}${path}`];
  return names.flatMap((socket) => {
    try {
      const stat = statSync(socket);
      return stat.isSocket() ? [{ socket, identity: `${stat.dev}:${stat.ino}` }] : [];
    } catch {
      return [];
    }
  });
}
