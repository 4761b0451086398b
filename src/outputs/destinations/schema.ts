/** Which schema an alert is written in, for destinations that carry any text. */
import { choice } from '../forward/option.ts';
import { FORMATS } from './format/index.ts';

export const schemaOption = choice(
  "The schema of the alert: Falcosidekick's JSON, OCSF, ECS, CEF, or the output alone.",
  FORMATS,
  'json',
);
