export { ActionError } from './action.ts';
export { ABSENT, ACTIONS } from './actions/index.ts';
export { type Cluster, createCluster } from './cluster.ts';
export { loadResponseConfig, type ResponseConfig } from './config.ts';
export { checkRules, type LogEntry, type Responder, startResponder } from './engine.ts';
export { notifierProblems } from './notifiers.ts';
export { loadRules, type ResponseRule, type RulesProblem, rulesFromFalco } from './rules.ts';
