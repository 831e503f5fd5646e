/** In place of change-payloads.ts in browsers and on the edge: payload-writes-web.ts refuses before anybody asks. */
import type { Core } from './core.js';
import type { Steps } from './step.js';

export type ChosenRows = object;
export type PayloadEdit = () => unknown;

/** There is nothing. */
export function settlingEdits(_core: Core): undefined {}

// biome-ignore lint/correctness/useYield: it has the form of the other
export function* changePayloads(_core: Core, _rows: ChosenRows, _edit: PayloadEdit): Steps<number> {
  return 0;
}
