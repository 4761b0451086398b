import { z } from 'zod';
import { configSchema, keyDocs } from './schema.ts';

/** The JSON schema of the configuration. */
export function jsonSchema(): unknown {
  return z.toJSONSchema(configSchema, {
    io: 'input',
    target: 'draft-7',
    override(context) {
      const doc = keyDocs.get(context.zodSchema as unknown as z.ZodType);
      if (doc !== undefined)
        context.jsonSchema.description = doc.note === undefined ? doc.doc : `${doc.doc} ${doc.note}`;
      const { properties } = context.jsonSchema;
      if (properties !== undefined && !('additionalProperties' in context.jsonSchema)) {
        context.jsonSchema.additionalProperties = false;
      }
    },
  });
}
