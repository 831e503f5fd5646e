/** The rows that the killed writer and its judge agree on. */
import { Random } from '../random.js';

export const DIM = 12;

/** Payload of the row with this version. */
export function payloadOf(version: number) {
  return { n: version % 7, tags: [`t${version % 3}`, `u${version % 5}`], when: new Date(version * 1000).toISOString() };
}

/** Said before a write; `null` after it. */
export type Intent = { upsert: [id: number, version: number][] } | { delete: number[] };

/** Said after what is no write: codes beside the last build, a build, payload indexes. */
export interface Did {
  did: 'extend' | 'optimize' | 'index';
}

export function vectorOf(version: number): Float32Array {
  return new Random(version).vector(DIM);
}

/** Versions by id, in the order of positions. */
export type State = Map<number, number>;

export function apply(state: State, intent: Intent): State {
  const next = new Map(state);
  if ('delete' in intent) for (const id of intent.delete) next.delete(id);
  else {
    for (const [id, version] of intent.upsert) {
      next.delete(id);
      next.set(id, version);
    }
  }
  return next;
}
