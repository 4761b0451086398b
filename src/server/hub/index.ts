export { createHub, type Hub } from './hub.ts';
export { UI_DIRECTORY } from './page.ts';
