import type { FunnelIndex } from './funnel-index.js';

/** An index of whatever payload: where only ids and vectors matter, or the payload as it comes. */
// biome-ignore lint/suspicious/noExplicitAny: filters are typed by the payload, so that no one type of index fits all others
export type AnyIndex = FunnelIndex<any>;
