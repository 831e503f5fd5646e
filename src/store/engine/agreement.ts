/** Whether the codes of a segment tell its rows apart, and how much of them a search has to look at: measured when it is built. */
import { lengthOf } from '../../core/exact-math.js';
import { halfToFloat } from '../../core/half.js';
import type { Sliced } from '../../core/slices.js';
import { probesFor } from './lists.js';
import { defaultCandidates } from './run.js';
import type { Searcher } from './search.js';
import { isBlunt, type Segment } from './segment.js';
import type { RowTier } from './types.js';

const QUERIES = 8;
const NEAREST = 10;
/** The default shortlist is compared with one that is so many times as long. */
const LONGER = 16;

/** The segment, measured. */
export function* measured(searcher: Searcher, segment: Segment, rows: RowTier): Sliced<Segment> {
  const agreement = yield* agreementOf(searcher, segment, rows);
  const told = { ...segment, agreement };
  // Where codes say so little, a search goes by bounds, which read as many rows as they need: nothing is to be measured.
  if (agreement === undefined || isBlunt(told)) return told;
  return { ...told, ...(yield* reachOf(searcher, segment, rows)) };
}

/**
 * Some rows are queries: of the ten best other rows that a long shortlist finds, the share that the default one finds, or
 * rows as good. Undefined where rows are so few that both would hold most, and where a shortlist plane chooses: its owner wants
 * it as it is.
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
    const norm = lengthOf(vector);
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

/** Queries that say how much a search has to look at: each is halfway between two rows, as far from the rows as queries are. */
const MADE = 96;
/** Where so many find all ten with the usual shortlist and nothing else is to be measured, the others are not asked: a small build is short. */
const AT_ONCE = 16;
/** Steps from one made query to the next, coprime to MADE: the first ones come from everywhere, too. */
const STEP = 35;
/** This share is enough: of what the longest shortlist finds, for a shorter one; of what all lists find, for fewer. */
const FINDS = 0.995;
/** The head codes pick at most so many times as many rows as usual. */
const DEEPEST = 16;
/** The first number of lists that is tried, as a share of those that are visited without a walk. */
const FEWEST = 1 / 16;
/** So many times as many are visited: queries that are texts of another kind than the rows need more than these do. */
const MARGIN = 2;
/** To read more than this share of the lists takes as long as to read all, which lie one behind the other. */
const AS_SOON = 1 / 3;

interface MadeQuery {
  readonly vector: Float32Array;
  readonly norm: number;
  /** The key of the tenth best row of all, as a long shortlist says. */
  readonly last: number;
}

/**
 * How deep a shortlist must be for the ten nearest by the codes of all rows, and from how many lists a walk finds nearly as many.
 * Both are compared with searches of all lists: a row that every search of some lists lacks would not be missed.
 */
function* reachOf(searcher: Searcher, segment: Segment, rows: RowTier): Sliced<Pick<Segment, 'depth' | 'neighbours'>> {
  const { coding, neighbours, partition } = segment;
  const { metric, dim } = coding;
  const all = partition === null ? undefined : partition.halfSquares.length;
  const search = (one: Segment, query: Pick<MadeQuery, 'vector' | 'norm'>, probes?: number, candidates?: number) => {
    const state = { metric, dim, segments: [one], unindexed: new Uint32Array(0), rows };
    return searcher.search(state, { ...query, k: NEAREST, mode: 'funnel', probes, candidates }).keys;
  };
  const foundBy = (one: Segment, query: MadeQuery, lists?: number) =>
    search(one, query, lists).filter((key) => key >= query.last).length;
  const queries: MadeQuery[] = [];
  const usually = { depth: 1, found: 0 };
  for (const query of between(segment, rows)) {
    yield;
    const keys = search(segment, query, all, LONGER * defaultCandidates(NEAREST, rows.resident));
    if (keys.length < NEAREST) continue;
    const asked = { ...query, last: keys[NEAREST - 1]! };
    queries.push(asked);
    usually.found += foundBy({ ...segment, depth: 1 }, asked, all);
    if (neighbours === null && queries.length === AT_ONCE && usually.found === NEAREST * AT_ONCE) {
      return { depth: 1, neighbours };
    }
  }
  const foundIn = function* (one: Segment, lists?: number): Sliced<number> {
    let found = 0;
    for (const query of queries) {
      yield;
      found += foundBy(one, query, lists);
    }
    return found;
  };
  const tried = [usually];
  let wanted = FINDS * NEAREST * queries.length;
  for (let depth = 2; depth <= DEEPEST && tried.at(-1)!.found < wanted; depth *= 2) {
    tried.push({ depth, found: yield* foundIn({ ...segment, depth }, all) });
  }
  // Where many rows are alike, too few are scored in full however many are picked: then fewer do as well.
  const deepest = tried.at(-1)!;
  if (deepest.found < wanted) wanted = FINDS * deepest.found;
  const { depth, found } = tried.find((one) => one.found >= wanted)!;
  if (neighbours === null || all === undefined) return { depth, neighbours };
  const usual = probesFor(all, NEAREST);
  for (let share = FEWEST; MARGIN * share * usual < AS_SOON * all; share *= Math.SQRT2) {
    const lists = Math.max(1, Math.round(share * usual));
    const some = yield* foundIn({ ...segment, depth }, lists);
    if (some >= FINDS * found) return { depth, neighbours: { ...neighbours, lists: Math.min(all, MARGIN * lists) } };
  }
  return { depth, neighbours: { ...neighbours, lists: all } };
}

/** Under cosine, halfway between the directions of two rows: halfway between the rows, a far longer one would be the query. */
function* between(
  { coding, count, ordinals }: Segment,
  rows: RowTier,
): Generator<{ vector: Float32Array; norm: number }> {
  const row = new Float32Array(coding.dim);
  for (let n = 0; n < MADE; n++) {
    const i = (STEP * n) % MADE;
    const vector = new Float32Array(coding.dim);
    for (const place of [i + 0.5, (29 * i + 7) % MADE]) {
      rows.read(ordinals[Math.floor((place / MADE) * count)]!, 1, row, halfToFloat);
      const weight = coding.metric === 'cosine' ? 1 / (lengthOf(row) || 1) : 0.5;
      // No loop: V8 would compile all of the generator for it.
      row.forEach((value, j) => {
        vector[j]! += weight * value;
      });
    }
    const norm = lengthOf(vector);
    if (norm > 0) yield { vector, norm };
  }
}
