/** Whether the codes of a segment tell its rows apart, and how many lists a walk starts from: measured when it is built. */
import { halfToFloat } from '../../core/half.js';
import type { Sliced } from '../../core/slices.js';
import { probesFor } from './lists.js';
import { defaultCandidates } from './run.js';
import type { Searcher } from './search.js';
import type { Segment } from './segment.js';
import type { RowTier } from './types.js';

const QUERIES = 8;
const NEAREST = 10;
/** A shortlist so many times as long is what the default one is compared with. */
const LONGER = 16;

/** The segment, measured. */
export function* measured(searcher: Searcher, segment: Segment, rows: RowTier): Sliced<Segment> {
  const { neighbours } = segment;
  return {
    ...segment,
    agreement: yield* agreementOf(searcher, segment, rows),
    neighbours: neighbours && { ...neighbours, lists: yield* listsToVisit(searcher, segment, rows) },
  };
}

/**
 * Some rows are queries: of the ten best other rows that a long shortlist finds, the share that the default one finds, or
 * rows as good. Undefined of so few rows that both would hold most, and of a head of another kind, which is as its owner wants it.
 */
function* agreementOf(searcher: Searcher, segment: Segment, rows: RowTier): Sliced<number | undefined> {
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

/** Queries that say how many lists a walk wants. Each lies between two rows, as queries do that are no rows. */
const WALK_QUERIES = 48;
const SHARE_OF_OTHER = 0.35;
/** Of the ten nearest of these, a search finds so many. */
const WALK_FINDS = 0.985;
/** What is tried first, as a share of the lists that a search without a walk visits. */
const FEWEST = 1 / 16;

/** The fewest lists from which a walk finds the ten nearest: measured against exact answers. */
function* listsToVisit(searcher: Searcher, segment: Segment, rows: RowTier): Sliced<number> {
  const { coding, count, ordinals, partition } = segment;
  const { metric, dim } = coding;
  const most = probesFor(partition!.halfSquares.length, NEAREST);
  const state = { metric, dim, segments: [segment], unindexed: new Uint32Array(0), rows };
  const queries: { vector: Float32Array; norm: number; last: number }[] = [];
  const other = new Float32Array(dim);
  const rowAt = (share: number) => ordinals[Math.floor(share * count)]!;
  for (let i = 0; i < WALK_QUERIES; i++) {
    const vector = new Float32Array(dim);
    rows.read(rowAt((i + 0.5) / WALK_QUERIES), 1, vector, halfToFloat);
    rows.read(rowAt(((i * 29 + 7) % WALK_QUERIES) / WALK_QUERIES), 1, other, halfToFloat);
    for (let j = 0; j < dim; j++) vector[j]! += SHARE_OF_OTHER * (other[j]! - vector[j]!);
    const norm = Math.sqrt(vector.reduce((sum, value) => sum + value * value, 0));
    if (norm === 0) continue;
    yield;
    const { keys } = searcher.search(state, { vector, norm, k: NEAREST, mode: 'exact' });
    if (keys.length > 0) queries.push({ vector, norm, last: keys.at(-1)! });
  }
  for (let share = FEWEST; share < 1; share *= Math.SQRT2) {
    const lists = Math.max(1, Math.round(share * most));
    const fewer = { ...segment, neighbours: { ...segment.neighbours!, lists } };
    const tried = { ...state, segments: [fewer] };
    let found = 0;
    for (const { vector, norm, last } of queries) {
      yield;
      const { keys } = searcher.search(tried, { vector, norm, k: NEAREST, mode: 'funnel' });
      found += keys.filter((key) => key >= last).length;
    }
    if (found >= WALK_FINDS * NEAREST * queries.length) return lists;
  }
  return most;
}
