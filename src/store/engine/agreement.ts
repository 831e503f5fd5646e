/** Whether the codes of a segment tell its rows apart: measured on some of them when it is built. */
import { halfToFloat } from '../../core/half.js';
import type { Sliced } from '../../core/slices.js';
import { defaultCandidates } from './run.js';
import type { Searcher } from './search.js';
import type { Segment } from './segment.js';
import type { RowTier } from './types.js';

const QUERIES = 8;
const NEAREST = 10;
/** A shortlist so many times as long is what the default one is compared with. */
const LONGER = 16;

/**
 * Some rows are queries: of the ten best other rows that a long shortlist finds, the share that the default one finds, or
 * rows as good. Undefined of so few rows that both would hold most, and of a head of another kind, which is as its owner wants it.
 */
export function* agreementOf(searcher: Searcher, segment: Segment, rows: RowTier): Sliced<number | undefined> {
  const { coding, count, ordinals } = segment;
  const { metric, dim } = coding;
  const k = NEAREST + 1;
  const candidates = defaultCandidates(k, true);
  if (count < 4 * candidates || segment.shortlist !== null) return undefined;
  const state = { metric, dim, segments: [segment], unindexed: new Uint32Array(0), rows };
  let found = 0;
  let wanted = 0;
  for (let i = 0; i < QUERIES; i++) {
    const ordinal = ordinals[Math.floor(((i + 0.5) * count) / QUERIES)]!;
    const vector = new Float32Array(dim);
    rows.read(ordinal, 1, vector, halfToFloat);
    const norm = Math.sqrt(vector.reduce((sum, value) => sum + value * value, 0));
    if (norm === 0) continue;
    yield;
    const keysOf = (most: number) => {
      const result = searcher.search(state, { vector, norm, k, mode: 'funnel', candidates: most });
      return result.keys.filter((_, place) => result.ordinals[place] !== ordinal);
    };
    const long = keysOf(LONGER * candidates).slice(0, NEAREST);
    yield;
    const last = long.at(-1) ?? Number.POSITIVE_INFINITY;
    found += Math.min(long.length, keysOf(candidates).filter((key) => key >= last).length);
    wanted += long.length;
  }
  return wanted === 0 ? undefined : found / wanted;
}
