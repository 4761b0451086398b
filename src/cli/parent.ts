/** How long a member of `windhover up` may take to end by itself, in milliseconds. */
const PATIENCE = 10_000;

/**
 * Ends this process, as SIGTERM would, when the one that supervises it is gone: killed, it could not say so. A process
 * that was not started with a channel to its parent is not concerned.
 */
export function endWithParent(): void {
  const { channel } = process;
  if (channel === undefined || channel === null) return;
  // What it is, instead of Node and all its flags: alerts of what it starts, and `ps`, name it as an ancestor.
  const [command = ''] = process.argv.slice(2);
  process.title = `windhover ${command.startsWith('-') ? 'sensor' : command}`;
  process.once('disconnect', () => {
    // Nobody reads what is written any more.
    for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {});
    setTimeout(() => process.exit(1), PATIENCE);
    process.kill(process.pid, 'SIGTERM');
  });
  channel.unref();
}
