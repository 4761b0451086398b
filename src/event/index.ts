export { Event, HEADER_SIZE } from './event.ts';
export { EVENTS, EventFlag, type EventInfo, EventType, LARGE, type ParamInfo, type ParamType } from './table.ts';
