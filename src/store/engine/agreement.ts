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

/** Queries that say how many lists a walk wants. Each is halfway between two rows, as far from the rows as queries are. */
const WALK_QUERIES = 96;
/** From fewer lists a walk finds this share of what it finds from as many as are visited without one. */
const WALK_FINDS = 0.99;
/** The first number that is tried, as a share of those. */
const FEWEST = 1 / 16;
/** So many times as many are visited: queries that are texts of another kind than the rows need more than these do. */
const MARGIN = 2;

/** The fewest lists from which a walk finds nearly what it finds from many. */
function* listsToVisit(searcher: Searcher, segment: Segment, rows: RowTier): Sliced<number> {
  const { metric, dim } = segment.coding;
  const most = probesFor(segment.partition!.halfSquares.length, NEAREST);
  const search = (lists: number, { vector, norm }: { vector: Float32Array; norm: number }, candidates?: number) => {
    const segments = [{ ...segment, neighbours: { ...segment.neighbours!, lists } }];
    const state = { metric, dim, segments, unindexed: new Uint32Array(0), rows };
    return searcher.search(state, { vector, norm, k: NEAREST, mode: 'funnel', probes: lists, candidates }).keys;
  };
  const candidates = defaultCandidates(NEAREST, rows.resident);
  const queries: { vector: Float32Array; norm: number; last: number }[] = [];
  for (const query of halfway(segment, rows)) {
    yield;
    const last = search(most, query, LONGER * candidates).at(-1);
    if (last !== undefined) queries.push({ ...query, last });
  }
  const foundIn = function* (lists: number): Sliced<number> {
    let found = 0;
    for (const query of queries) {
      yield;
      found += search(lists, query, candidates).filter((key) => key >= query.last).length;
    }
    return found;
  };
  const goal = WALK_FINDS * (yield* foundIn(most));
  for (let share = FEWEST; share < 1; share *= Math.SQRT2) {
    const lists = Math.max(1, Math.round(share * most));
    if ((yield* foundIn(lists)) >= goal) return Math.min(most, MARGIN * lists);
  }
  return most;
}

function* halfway(
  { coding, count, ordinals }: Segment,
  rows: RowTier,
): Generator<{ vector: Float32Array; norm: number }> {
  const other = new Float32Array(coding.dim);
  const read = (place: number, out: Float32Array) =>
    rows.read(ordinals[Math.floor((place / WALK_QUERIES) * count)]!, 1, out, halfToFloat);
  for (let i = 0; i < WALK_QUERIES; i++) {
    const vector = new Float32Array(coding.dim);
    read(i + 0.5, vector);
    read((29 * i + 7) % WALK_QUERIES, other);
    for (let j = 0; j < vector.length; j++) vector[j] = (vector[j]! + other[j]!) / 2;
    const norm = Math.sqrt(vector.reduce((sum, value) => sum + value * value, 0));
    if (norm > 0) yield { vector, norm };
  }
}
