export { createHub, type Hub, type HubOptions } from './hub.ts';
export { UI_DIRECTORY } from './page.ts';
