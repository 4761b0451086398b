export { ActionError } from './action.ts';
export { ACTIONS } from './actions/index.ts';
export { type Cluster, createCluster } from './cluster.ts';
export { loadResponseConfig, type ResponseConfig } from './config.ts';
export { checkRules, type LogEntry, type Responder, startResponder } from './engine.ts';
export { type Election, standForElection } from './leader.ts';
export { notifierProblems } from './notifiers.ts';
export { loadRules, type ResponseRule, type RulesProblem, rulesFromFalco } from './rules.ts';
