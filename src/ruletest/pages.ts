/** Pages about rules, made from the rules themselves: what each means, what to do, when it fires. */
import { isMap, isSeq, parseDocument, type YAMLMap } from 'yaml';

interface Described {
  readonly name: string;
  readonly text: (key: string) => string;
  readonly tags: readonly string[];
  readonly remedy: string;
}

/** Markers of techniques of MITRE ATT&CK among the tags: `T1059.004`, or a tactic, `TA0003`. */
const TECHNIQUE = /^(T\d{4}(?:\.\d{3})?|TA\d{4})$/;

/**
 * A page of Markdown about the rules of one file.
 * @param title its heading. @param source the rules file; a comment `What to do: …` before a rule is what the page says of it.
 */
export function rulePage(title: string, source: string): string {
  const rules = describedRules(source);
  const lines = [
    `# Rules: ${title}`,
    '',
    'This page is made from the rules by `node docs/generate.ts`.',
    '',
    '| rule | priority | maturity | on |',
    '| --- | --- | --- | --- |',
    ...rules.map(
      (rule) =>
        `| [${rule.name}](#${anchor(rule.name)}) | ${rule.text('priority')} | ${maturity(rule)} | ${rule.text('enabled') === 'false' ? 'no' : 'yes'} |`,
    ),
    '',
  ];
  for (const rule of rules) {
    const techniques = rule.tags.filter((tag) => TECHNIQUE.test(tag));
    lines.push(
      `## ${rule.name}`,
      '',
      rule.text('desc').trim(),
      '',
      `**What to do.** ${rule.remedy}`,
      '',
      `Techniques of MITRE ATT&CK: ${techniques.length === 0 ? 'none' : techniques.join(', ')}. Tags: ${rule.tags.filter((tag) => !TECHNIQUE.test(tag)).join(', ')}.`,
      '',
      '```',
      rule.text('condition').trim(),
      '```',
      '',
    );
  }
  return `${lines.join('\n').trimEnd()}\n`;
}

function describedRules(source: string): Described[] {
  const document = parseDocument(source);
  const { contents } = document;
  if (!isSeq(contents)) return [];
  return contents.items.flatMap((item, i) => {
    if (!isMap(item) || !item.has('rule')) return [];
    // The comment before the first rule belongs to the file as well.
    const comments =
      i === 0 ? [document.commentBefore, contents.commentBefore, item.commentBefore] : [item.commentBefore];
    return [
      {
        name: String(item.get('rule')),
        text: (key: string) => String(item.get(key) ?? ''),
        tags: tagsOf(item),
        remedy: remedyIn(comments.join(' ')),
      },
    ];
  });
}

function tagsOf(item: YAMLMap): string[] {
  const tags = item.get('tags');
  return isSeq(tags) ? tags.toJSON().map(String) : [];
}

function remedyIn(comment: string): string {
  const words = comment.replaceAll('\n', ' ').replace(/\s+/g, ' ');
  const at = words.indexOf('What to do: ');
  return at < 0 ? '' : words.slice(at + 12).trim();
}

function maturity(rule: Described): string {
  return rule.tags.find((tag) => tag.startsWith('maturity_'))?.slice(9) ?? '';
}

/** The anchor that GitHub gives a heading. */
function anchor(heading: string): string {
  return heading
    .toLowerCase()
    .replace(/[^\p{L}\p{N}\s_-]/gu, '')
    .replace(/\s/g, '-');
}
