import manifest from '../package.json' with { type: 'json' };

/** This program's version. */
export const VERSION: string = manifest.version;

/** The Falco release whose language, configuration and command line hold here. */
export const FALCO_VERSION = '0.44.1';

/** Version of the rule language that `required_engine_version` is compared with (Falco master of July 2026). */
export const ENGINE_VERSION = '0.63.0';

/** Version of the event table (libs 0.25). */
export const SCHEMA_VERSION = '4.5.1';

/** Version of the probe's interface, in the reference's numbering. */
export const DRIVER_API_VERSION = '10.1.0';

/** Version of the plugin interface whose fields and parameters the built-in plugins offer. */
export const PLUGIN_API_VERSION = '3.12.0';
