/** In place of moved-payloads.ts in browsers and on the edge, where payloads lie on no pages. */
import type { Steps } from './step.js';

// biome-ignore lint/correctness/useYield: it has the form of the other
export function* movedPayloads(..._asked: unknown[]): Steps<[number, Uint8Array][]> {
  return [];
}
