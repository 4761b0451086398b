/** The rule editor; loaded only when it is opened. */
import { autocompletion, type CompletionContext, type CompletionResult, closeBrackets } from '@codemirror/autocomplete';
import { defaultKeymap, history, historyKeymap, indentWithTab } from '@codemirror/commands';
import { yaml } from '@codemirror/lang-yaml';
import { bracketMatching, HighlightStyle, indentOnInput, syntaxHighlighting } from '@codemirror/language';
import { type Diagnostic, lintGutter, setDiagnostics } from '@codemirror/lint';
import { highlightSelectionMatches, search, searchKeymap } from '@codemirror/search';
import { EditorState } from '@codemirror/state';
import {
  drawSelection,
  EditorView,
  highlightActiveLine,
  highlightActiveLineGutter,
  keymap,
  lineNumbers,
} from '@codemirror/view';
import { tags } from '@lezer/highlight';
import type { FieldInfo, RuleProblem } from '../../src/server/api.ts';

export interface Editor {
  text(): string;
  setText(text: string): void;
  /** Shows what is wrong where. */
  mark(problems: readonly RuleProblem[]): void;
  /** Puts the cursor at a line (from 1) and column. */
  jump(line: number, column: number): void;
  focus(): void;
  destroy(): void;
}

const KEYS = [
  'rule',
  'desc',
  'condition',
  'output',
  'priority',
  'source',
  'tags',
  'enabled',
  'exceptions',
  'macro',
  'list',
  'items',
  'append',
  'override',
  'fields',
  'comps',
  'values',
  'name',
  'required_engine_version',
  'capture',
  'warn_evttypes',
];
const OPERATORS = [
  'and',
  'or',
  'not',
  'in',
  'exists',
  'contains',
  'icontains',
  'startswith',
  'endswith',
  'glob',
  'iglob',
  'regex',
  'pmatch',
  'intersects',
  'bcontains',
  'bstartswith',
];
const PRIORITY_NAMES = ['EMERGENCY', 'ALERT', 'CRITICAL', 'ERROR', 'WARNING', 'NOTICE', 'INFO', 'DEBUG'];

/** Fields, macros and lists of the text itself, keys and operators. */
function completions(fields: readonly FieldInfo[], known: () => readonly string[]) {
  return (context: CompletionContext): CompletionResult | null => {
    const word = context.matchBefore(/[%\w.[\]-]+/);
    if (word === null || (word.from === word.to && !context.explicit)) return null;
    const line = context.state.doc.lineAt(context.pos);
    const before = line.text.slice(0, word.from - line.from);
    if (/^\s*(- )?$/.test(before)) {
      return { from: word.from, options: KEYS.map((label) => ({ label, type: 'keyword', apply: `${label}: ` })) };
    }
    if (/^\s*priority:\s*$/.test(before)) {
      return { from: word.from, options: PRIORITY_NAMES.map((label) => ({ label, type: 'enum' })) };
    }
    const from = word.from + (word.text.startsWith('%') ? 1 : 0);
    const names = new Set(known());
    for (const [, , name] of context.state.doc.toString().matchAll(/^\s*- (macro|list):\s*(\S+)/gm))
      names.add(name as string);
    return {
      from,
      options: [
        ...fields.map((field) => ({
          label: field.name,
          type: 'variable',
          detail: field.type.toLowerCase(),
          info: field.description,
        })),
        ...[...names].map((label) => ({ label, type: 'constant', detail: 'macro or list' })),
        ...OPERATORS.map((label) => ({ label, type: 'operator' })),
      ],
      validFor: /^[\w.[\]-]*$/,
    };
  };
}

const colours = HighlightStyle.define([
  { tag: [tags.propertyName, tags.definition(tags.propertyName)], color: 'var(--accent)' },
  { tag: [tags.string, tags.special(tags.string)], color: 'var(--good)' },
  { tag: [tags.number, tags.bool, tags.atom], color: 'var(--p3)' },
  { tag: tags.comment, color: 'var(--faint)', fontStyle: 'italic' },
  { tag: [tags.punctuation, tags.separator], color: 'var(--soft)' },
]);

const look = EditorView.theme({
  '&': { color: 'var(--text)', backgroundColor: 'var(--panel)' },
  '.cm-content': { fontFamily: 'var(--mono)', caretColor: 'var(--accent)', padding: '10px 0' },
  '.cm-scroller': { fontFamily: 'var(--mono)', lineHeight: '1.55' },
  '.cm-gutters': { backgroundColor: 'var(--panel)', color: 'var(--faint)', border: 'none' },
  '.cm-activeLine, .cm-activeLineGutter': { backgroundColor: 'var(--hover)' },
  '.cm-cursor': { borderLeftColor: 'var(--accent)' },
  '&.cm-focused .cm-selectionBackground, .cm-selectionBackground': { backgroundColor: 'var(--chosen) !important' },
  '.cm-tooltip': {
    backgroundColor: 'var(--panel)',
    border: '1px solid var(--line-strong)',
    borderRadius: '6px',
    boxShadow: 'var(--shadow)',
  },
  '.cm-tooltip-autocomplete ul li[aria-selected]': { backgroundColor: 'var(--chosen)', color: 'var(--text)' },
  '.cm-completionInfo': { maxWidth: '380px', padding: '6px 9px' },
  '.cm-completionDetail': { color: 'var(--faint)', fontStyle: 'normal' },
  '.cm-panels': { backgroundColor: 'var(--sunken)', color: 'var(--text)' },
  // Instead of the pictures that the package draws them with, which would be loaded from data: addresses.
  '.cm-lintRange': { backgroundImage: 'none !important', paddingBottom: '0' },
  '.cm-lintRange-error': { textDecoration: 'underline wavy var(--bad) 1px', textUnderlineOffset: '3px' },
  '.cm-lintRange-warning': { textDecoration: 'underline wavy var(--warn) 1px', textUnderlineOffset: '3px' },
  '.cm-lint-marker': {
    content: 'none !important',
    width: '8px',
    height: '8px',
    borderRadius: '50%',
    margin: '6px 2px',
  },
  '.cm-lint-marker-error': { content: 'none !important', backgroundColor: 'var(--bad)' },
  '.cm-lint-marker-warning': { content: 'none !important', backgroundColor: 'var(--warn)' },
  '.cm-diagnostic': { fontFamily: 'var(--sans)', fontSize: '12.5px' },
});

export function createEditor(
  parent: HTMLElement,
  text: string,
  fields: readonly FieldInfo[],
  known: () => readonly string[],
  onChange: () => void,
): Editor {
  const nonce = document.querySelector<HTMLMetaElement>('meta[name="csp-nonce"]')?.content ?? '';
  const view = new EditorView({
    parent,
    state: EditorState.create({
      doc: text,
      extensions: [
        EditorView.cspNonce.of(nonce),
        lineNumbers(),
        lintGutter(),
        history(),
        drawSelection(),
        indentOnInput(),
        bracketMatching(),
        closeBrackets(),
        highlightActiveLine(),
        highlightActiveLineGutter(),
        highlightSelectionMatches(),
        search({ top: true }),
        yaml(),
        syntaxHighlighting(colours),
        look,
        EditorView.lineWrapping,
        EditorView.contentAttributes.of({ 'aria-label': 'Rules', spellcheck: 'false', tabindex: '0' }),
        autocompletion({ override: [completions(fields, known)], icons: false }),
        keymap.of([...defaultKeymap, ...historyKeymap, ...searchKeymap, indentWithTab]),
        EditorView.updateListener.of((update) => {
          if (update.docChanged) onChange();
        }),
      ],
    }),
  });
  const offset = (line: number, column: number): number => {
    const { doc } = view.state;
    const at = doc.line(Math.min(doc.lines, Math.max(1, line)));
    return Math.min(at.to, at.from + Math.max(0, column - 1));
  };
  return {
    text: () => view.state.doc.toString(),
    setText: (next) => view.dispatch({ changes: { from: 0, to: view.state.doc.length, insert: next } }),
    mark: (problems) => {
      const diagnostics = problems.map((problem): Diagnostic => {
        const from = offset(problem.line, problem.column);
        const line = view.state.doc.lineAt(from);
        const word = /^[^\s]*/.exec(view.state.doc.sliceString(from, line.to))?.[0].length ?? 0;
        return {
          from,
          to: Math.min(line.to, from + Math.max(1, word)),
          severity: problem.severity,
          message: problem.message,
          source: problem.code,
        };
      });
      view.dispatch(setDiagnostics(view.state, diagnostics));
    },
    jump: (line, column) => {
      const at = offset(line, column);
      view.dispatch({ selection: { anchor: at }, effects: EditorView.scrollIntoView(at, { y: 'center' }) });
      view.focus();
    },
    focus: () => view.focus(),
    destroy: () => view.destroy(),
  };
}
