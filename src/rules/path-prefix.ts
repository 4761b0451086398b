import { compileGlob, type Glob } from './glob.ts';

/**
 * `pmatch`: is one of a set of paths a prefix of the path, component by component? Components may be shell patterns;
 * empty ones (`//`, the leading slash) do not count, so that `/` is a prefix of everything.
 */
export type PathPrefixes = (path: string) => boolean;

interface Branch {
  end: boolean;
  readonly next: Map<string, Branch>;
  readonly patterns: { readonly matches: Glob; readonly branch: Branch }[];
}

const newBranch = (): Branch => ({ end: false, next: new Map(), patterns: [] });

export function compilePathPrefixes(paths: readonly string[]): PathPrefixes {
  const root = newBranch();
  const compiled = new Map<Branch, Map<string, Branch>>();
  for (const path of paths) {
    let branch = root;
    for (const component of components(path)) {
      const isPattern = /[*?[\\]/.test(component);
      const known = isPattern ? compiled.get(branch)?.get(component) : branch.next.get(component);
      let following = known;
      if (following === undefined) {
        following = newBranch();
        if (isPattern) {
          branch.patterns.push({ matches: compileGlob(component), branch: following });
          const patterns = compiled.get(branch) ?? new Map<string, Branch>();
          compiled.set(branch, patterns.set(component, following));
        } else {
          branch.next.set(component, following);
        }
      }
      branch = following;
    }
    branch.end = true;
  }
  return (path) => root.end || walk(root, components(path), 0);
}

function walk(branch: Branch, path: readonly string[], at: number): boolean {
  if (branch.end) return true;
  const component = path[at];
  if (component === undefined) return false;
  const next = branch.next.get(component);
  if (next !== undefined && walk(next, path, at + 1)) return true;
  return branch.patterns.some(({ matches, branch: below }) => matches(component) && walk(below, path, at + 1));
}

function components(path: string): string[] {
  return path.split('/').filter((component) => component !== '');
}
