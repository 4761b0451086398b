export {
  buildEvent,
  type EventSpec,
  inetAddress,
  inetTuple,
  PARAM_WIDTH,
  type ParamValue,
  unixAddress,
  unixTuple,
  viewEvent,
} from './build.ts';
export { Event, HEADER_SIZE } from './event.ts';
export { EVENTS, EventFlag, type EventInfo, EventType, LARGE, type ParamInfo, type ParamType } from './table.ts';
