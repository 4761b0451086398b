import { RULE_SCHEMA } from '../rules/index.ts';

/** `--rule-schema` */
export function ruleSchemaText(): string {
  return `${JSON.stringify(RULE_SCHEMA, null, 2)}\n`;
}
