/** What the test bundles for the browser: the rule language and the capture reader, over small tasks. */
import { interpret, loadRules, print } from '../../src/rules/index.ts';
import { testCatalogue } from '../../src/rules/testing/catalogue.ts';
import { ScapReader } from '../../src/scap/index.ts';

/** Loads rules; what is wrong with them, their conditions, and whether each is true for a process named `cat`. */
export function load(text: string): { problems: string[]; conditions: string[]; truths: boolean[] } {
  const { files, ruleSet } = loadRules([{ name: 'editor.yaml', text }], testCatalogue);
  const rules = ruleSet?.rules ?? [];
  return {
    problems: files.flatMap(({ diagnostics }) => diagnostics.map(({ message }) => message)),
    conditions: rules.map(({ condition }) => print(condition)),
    truths: rules.map(({ condition }) => interpret(condition, (field) => (field.name === 'proc.name' ? 'cat' : null))),
  };
}

export const hasReader = typeof ScapReader === 'function';
