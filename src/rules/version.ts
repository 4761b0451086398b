/** The engine version that rules may require at most (`required_engine_version`): that of Falco's rule language. */
export const ENGINE_VERSION = '0.63.0';

export interface Version {
  readonly major: number;
  readonly minor: number;
  readonly patch: number;
}

/** `x.y.z`, anything after it ignored; null when it is not that. */
export function parseVersion(text: string): Version | null {
  const found = /^(\d+)\.(\d+)\.(\d+)/.exec(text);
  if (found === null) return null;
  return { major: Number(found[1]), minor: Number(found[2]), patch: Number(found[3]) };
}

export function formatVersion(version: Version): string {
  return `${version.major}.${version.minor}.${version.patch}`;
}

export function compareVersions(a: Version, b: Version): number {
  return a.major - b.major || a.minor - b.minor || a.patch - b.patch;
}

/** True when something of version `have` serves whoever requires `want`: the same major, and not older. */
export function isCompatible(have: Version, want: Version): boolean {
  return have.major === want.major && compareVersions(have, want) >= 0;
}

/** A plugin and the version of it that rules require. */
export interface PluginVersion {
  readonly name: string;
  readonly version: string;
}

/**
 * Checks the plugins that rules require (`required_plugin_versions`) against those that are there.
 * @param requirements for each requirement its alternatives, any of which will do.
 * @returns what is wrong, in Falco's words; null when all are met.
 */
export function checkPluginRequirements(
  requirements: readonly (readonly PluginVersion[])[],
  plugins: readonly PluginVersion[],
): string | null {
  for (const alternatives of requirements) {
    let incompatible: string | null = null;
    let met = false;
    for (const { name, version } of alternatives) {
      const plugin = plugins.find((one) => one.name === name);
      if (plugin === undefined) continue;
      const have = parseVersion(plugin.version);
      const want = parseVersion(version);
      if (have !== null && want !== null && isCompatible(have, want)) {
        met = true;
        break;
      }
      incompatible ??= `Plugin '${name}' version '${plugin.version}' is not compatible with required plugin version '${version}'`;
    }
    if (met) continue;
    if (incompatible !== null) return incompatible;
    const wanted = alternatives.map(({ name, version }) => `${name} (>= ${version})`).join(', ');
    return `Plugin requirement not satisfied, must load one of: ${wanted}`;
  }
  return null;
}
