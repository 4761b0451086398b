export { createHub, type Hub, type HubOptions } from './hub.ts';
export type { OidcSettings } from './oidc.ts';
export { UI_DIRECTORY } from './page.ts';
