import { CommandError } from './command.ts';

/**
 * A question to a server of ours that runs; its answer goes to stdout, a refusal to stderr.
 * @param what what is expected to run there, for the message when nothing does
 * @returns the exit status
 * @throws CommandError when nobody answers
 */
export async function ask(
  what: 'forwarder' | 'responder',
  { url, token }: { readonly url: string; readonly token?: string },
  method: string,
  path: string,
): Promise<number> {
  let response: Response;
  try {
    response = await fetch(new URL(path, url), {
      method,
      headers: token === undefined ? {} : { Authorization: `Bearer ${token}` },
    });
  } catch (error) {
    const { cause, message } = error as Error;
    throw new CommandError(`no ${what} at ${url}: ${(cause as Error | undefined)?.message ?? message}`);
  }
  const body = await response.text();
  (response.ok ? process.stdout : process.stderr).write(body);
  return response.ok ? 0 : 1;
}
