import type { Node } from './yaml.ts';

/**
 * The JSON schema of rules files (`--rule-schema`), and a validator for the part of JSON Schema that it uses, which
 * words its findings as Falco's does. The result is only reported, it decides nothing.
 */

interface Schema {
  readonly type?: 'string' | 'boolean' | 'integer' | 'array' | 'object';
  readonly $ref?: string;
  readonly enum?: readonly string[];
  readonly items?: Schema;
  readonly anyOf?: readonly Schema[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly additionalProperties?: false;
  readonly required?: readonly string[];
  readonly title?: string;
}

const string: Schema = { type: 'string' };
const boolean: Schema = { type: 'boolean' };
const ref = (name: string): Schema => ({ $ref: `#/definitions/${name}` });
const array = (items: Schema): Schema => ({ type: 'array', items });
const object = (title: string, properties: Record<string, Schema>, required: string[]): Schema => ({
  type: 'object',
  additionalProperties: false,
  properties,
  required,
  title,
});

const DEFINITIONS: Readonly<Record<string, Schema>> = {
  FalcoRule: object(
    'FalcoRule',
    {
      required_engine_version: string,
      required_plugin_versions: array(ref('RequiredPluginVersion')),
      macro: string,
      condition: string,
      list: string,
      items: array(ref('Item')),
      rule: string,
      desc: string,
      enabled: boolean,
      output: string,
      append: boolean,
      priority: ref('Priority'),
      source: string,
      exceptions: array(ref('Exception')),
      override: ref('Override'),
      tags: array(string),
      warn_evttypes: boolean,
      'skip-if-unknown-filter': boolean,
      capture: boolean,
      capture_duration: { type: 'integer' },
    },
    [],
  ),
  Item: { anyOf: [{ type: 'integer' }, string], title: 'Item' },
  Exception: object('Exception', { name: string, fields: {}, comps: {}, values: {} }, ['name']),
  Priority: {
    type: 'string',
    enum: ['EMERGENCY', 'ALERT', 'CRITICAL', 'ERROR', 'WARNING', 'NOTICE', 'INFO', 'INFORMATIONAL', 'DEBUG'],
    title: 'Priority',
  },
  OverriddenItem: { type: 'string', enum: ['append', 'replace'], title: 'OverriddenItem' },
  Override: object(
    'Override',
    Object.fromEntries(
      [
        'items',
        'desc',
        'condition',
        'output',
        'priority',
        'enabled',
        'exceptions',
        'capture',
        'capture_duration',
        'tags',
        'warn_evttypes',
        'skip-if-unknown-filter',
      ].map((key) => [key, ref('OverriddenItem')]),
    ),
    [],
  ),
  RequiredPluginVersion: object(
    'RequiredPluginVersion',
    { name: string, version: string, alternatives: array(ref('Alternative')) },
    ['name', 'version'],
  ),
  Alternative: object('Alternative', { name: string, version: string }, ['name', 'version']),
};

/** The schema of a document of a rules file, as JSON Schema draft 6. */
export const RULE_SCHEMA = {
  $schema: 'http://json-schema.org/draft-06/schema#',
  type: 'array',
  items: ref('FalcoRule'),
  definitions: DEFINITIONS,
} as const;

/** @returns what does not fit, innermost first; empty when all does. */
export function validateSchema(document: Node): string[] {
  const warnings: string[] = [];
  validate(document, RULE_SCHEMA, '<root>', warnings);
  return warnings;
}

function validate(node: Node, given: Schema, path: string, warnings: string[]): boolean {
  const schema = given.$ref === undefined ? given : (DEFINITIONS[given.$ref.slice(14)] as Schema);
  const fail = (message: string): false => {
    warnings.push(`failed for ${path}: ${message}`);
    return false;
  };
  if (schema.type !== undefined && !hasType(node, schema.type)) {
    return fail("Value type not permitted by 'type' constraint.");
  }
  if (schema.anyOf !== undefined && !schema.anyOf.some((one) => validate(node, one, path, []))) {
    return fail('Failed to validate against any child schemas allowed by anyOf constraint.');
  }
  if (schema.enum !== undefined && !(node.kind === 'scalar' && schema.enum.includes(node.text))) {
    return fail('Failed to match against any enum values.');
  }
  let valid = true;
  if (node.kind === 'seq' && schema.items !== undefined) {
    for (const [i, item] of node.items.entries()) {
      if (validate(item, schema.items, `${path}[${i}]`, warnings)) continue;
      valid = fail(`Failed to validate item #${i} in array.`);
    }
  }
  if (node.kind === 'map' && schema.properties !== undefined) {
    const values = new Map<string, Node>();
    for (const { key, value } of node.entries) {
      const name = key.kind === 'scalar' ? key.text : '';
      if (!values.has(name)) values.set(name, value);
    }
    for (const name of Object.keys(schema.properties).sort()) {
      const value = values.get(name);
      if (value === undefined) continue;
      if (validate(value, schema.properties[name] as Schema, `${path}[${name}]`, warnings)) continue;
      valid = fail(`Failed to validate against schema associated with property name '${name}'.`);
    }
    for (const name of values.keys()) {
      if (Object.hasOwn(schema.properties, name)) continue;
      valid = fail(
        `Object contains a property that could not be validated using 'properties' or 'additionalProperties' constraints: '${name}'.`,
      );
    }
    for (const name of schema.required ?? []) {
      if (!values.has(name)) valid = fail(`Missing required property '${name}'.`);
    }
  }
  return valid;
}

function hasType(node: Node, type: NonNullable<Schema['type']>): boolean {
  switch (type) {
    case 'array':
      return node.kind === 'seq' || (node.kind === 'scalar' && node.isNull);
    case 'object':
      return node.kind === 'map' || (node.kind === 'scalar' && node.isNull);
    case 'boolean':
      return node.kind === 'scalar' && (node.text === 'true' || node.text === 'false');
    case 'integer':
      return node.kind === 'scalar' && /^[+-]?[0-9]+$/.test(node.text);
    case 'string':
      return node.kind === 'scalar';
  }
}
