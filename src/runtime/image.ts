/** The parts of an image's name. */
export interface ImageName {
  /** With its registry, as written: `docker.io/library/nginx`; empty for a bare digest. */
  readonly repository: string;
  readonly tag: string;
  /** `sha256:…`, or empty. */
  readonly digest: string;
}

/** Takes `[registry[:port]/]path[:tag][@digest]` apart; without tag and digest the tag is `latest`, as engines take it. */
export function parseImageName(name: string): ImageName {
  if (/^sha256:[0-9a-f]{64}$|^[0-9a-f]{64}$/.test(name)) return { repository: '', tag: '', digest: '' };
  const at = name.indexOf('@');
  const digest = at < 0 ? '' : name.slice(at + 1);
  const rest = at < 0 ? name : name.slice(0, at);
  const colon = rest.lastIndexOf(':');
  const hasTag = colon > rest.lastIndexOf('/');
  const tag = hasTag ? rest.slice(colon + 1) : digest === '' && rest !== '' ? 'latest' : '';
  return { repository: hasTag ? rest.slice(0, colon) : rest, tag, digest };
}

/** What is known of an image from several names of it: the first that says something counts. */
export function describeImage(names: readonly string[]): ImageName {
  const parsed = names.filter((name) => name !== '').map(parseImageName);
  const repository = parsed.find((one) => one.repository !== '')?.repository ?? '';
  const same = parsed.filter((one) => one.repository === repository);
  return {
    repository,
    tag: same.find((one) => one.tag !== '')?.tag ?? '',
    digest: (same.find((one) => one.digest !== '') ?? parsed.find((one) => one.digest !== ''))?.digest ?? '',
  };
}
