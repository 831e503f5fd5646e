/** In place of warm-records.ts in browsers and on the edge, where all records are in memory. */
import type { Steps } from './files/step.js';

/** Nobody calls it: no file is to be warmed. */
// biome-ignore lint/correctness/useYield: it has the form of the other
export function* recordsOf(..._asked: unknown[]): Steps<{ records: Uint8Array; count: number } | undefined> {
  return undefined;
}
