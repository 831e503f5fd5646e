/** `funnelvec/source/conformance`: what every source must do, as a suite of node:test. */
export type { Backend, CollectionSpec, Extra, OpenOptions, Refusal, Row, Supports } from './backend.js';
export { split as splitTail } from './data.js';
export { FEATURES, type FeatureName } from './features.js';
export type { FunnelData } from './funnels.js';
export { type SuiteOptions, sourceConformance } from './suite.js';
