import { type Alert, toJson } from '../../forward/alert.ts';
import { toCef } from './cef.ts';
import { toEcs } from './ecs.ts';
import { toOcsf } from './ocsf.ts';

export { toCef, toEcs, toOcsf };

/** Schemas that an alert can be written in; `json` is Falcosidekick's own shape. */
export const FORMATS = ['json', 'ocsf', 'ecs', 'cef', 'text'] as const;
export type Format = (typeof FORMATS)[number];

/** The alert as text in one of the schemas. */
export function body(format: Format, alert: Alert): string {
  switch (format) {
    case 'json':
      return toJson(alert);
    case 'ocsf':
      return JSON.stringify(toOcsf(alert));
    case 'ecs':
      return JSON.stringify(toEcs(alert));
    case 'cef':
      return toCef(alert);
    case 'text':
      return alert.output;
  }
}
