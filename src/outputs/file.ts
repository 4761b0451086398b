import { type FileHandle, open } from 'node:fs/promises';
import type { Channel } from './channel.ts';

/**
 * Alerts appended to a file, one a line. Without `keepAlive` the file is opened for each write, so that it may
 * be moved away at any time; with it, {@link Channel.reopen} is called after a rotation.
 */
export function fileChannel(filename: string, keepAlive: boolean): Channel {
  let handle: FileHandle | null = null;
  const release = async (): Promise<void> => {
    const open = handle;
    handle = null;
    await open?.close();
  };
  return {
    name: 'file',
    async write(messages) {
      handle ??= await open(filename, 'a', 0o600);
      try {
        await handle.writeFile(messages.map((message) => `${message.line}\n`).join(''));
      } finally {
        if (!keepAlive) await release();
      }
    },
    reopen: release,
    close: release,
  };
}
