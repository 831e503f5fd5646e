/**
 * Under a filter, the rows of it that head codes put first, in a segment with a table of neighbours, where head codes also lie row
 * by row: those of few rows are read one by one; of many, those of all rows that are nearest, whatever the filter says, and where
 * too few of these pass it, those of all of its rows.
 */
import { BLOCK_ROWS, type CodeKernels } from '../../kernels/codes.js';
import type { Kernels } from '../../kernels/kernels.js';
import { makeAll } from './late-masks.js';
import { onesIn, rowsBetween } from './lists.js';
import type { Scratch } from './memory.js';
import { identity } from './prepared.js';
import { isBounded, type Run } from './run.js';
import type { Segment } from './segment.js';
import { type Keys, keyOf, topByKey, type Visit } from './shortlist.js';
import type { RowMasks, SearchState, SearchTask } from './types.js';
import type { Visits } from './visits.js';
import { partOf, walkOver, walkProbes } from './walk.js';

/** A query as head codes meet it, and where the rows that it finds go. */
export interface ByCodes {
  readonly codes: CodeKernels;
  readonly kernels: Kernels;
  readonly scratch: Scratch;
  readonly segment: Segment;
  /** Codes of the head dims. */
  readonly query: Int16Array;
  readonly keys: Keys;
  readonly k: number;
  /** Out: at most k, best first, and their dot products. */
  readonly rows: Uint32Array;
  readonly best: Int32Array;
}

/** Places of a walk over all rows, at most: the more there are, the longer it takes to put a row among them. */
const MOST_PLACES = 1280;
/** Lists that such a walk starts from, as a share of those for so many rows: more places reach as far. */
const LISTS_SHARE = 0.75;
/** The best of all rows will do where they have one in so many of the rows wanted; */
const ENOUGH = 2;
/** and are not walked from where the lists have not one in so many. */
const HOPELESS = 8;
/** From so many of a block's 16 rows on the block is read sooner than these alone: sooner than as many lines of a cache from anywhere. */
const WHOLE = 8;

/** Where a filter leaves so many times fewer rows of a segment than there are, most blocks have few of them. */
const THIN = 4;
/** Rows of the nearest lists that are asked whether they pass, before any is read for a walk. */
const SAMPLE = 512;

/** Whether a search reads a filter's few rows of a segment by their list alone, and not their mask. */
export function readsListed(state: SearchState, s: number, request: Omit<SearchTask, 'only'>): boolean {
  const { neighbours, partition, shortlist } = state.segments[s]!;
  const byHead = neighbours !== null && partition !== null && shortlist === null;
  return byHead && request.probes === undefined && !isBounded(state, request);
}

/**
 * The k best, or fewer. Undefined where the caller's own way is as good.
 *
 * @param s which segment of the search it is
 * @param u the rotated query
 */
export function firstRestricted(by: ByCodes, run: Run, s: number, visits: Visits, u: Float64Array): number | undefined {
  const { segment, k } = by;
  const { only, probes, k: wanted } = run.request;
  const { neighbours, partition } = segment;
  if (only === undefined || neighbours === null || partition === null) return undefined;
  const listed = only.listed?.[s];
  if (listed !== undefined && probes === undefined) {
    const found = firstOfListed(by, listed, listed.length);
    run.stages.push({ name: 'head', in: listed.length, out: found });
    return found;
  }
  const all = partition.halfSquares.length;
  const size = Math.ceil(k * Math.max(1, only.of / Math.max(1, only.rows)));
  const lists =
    probes ?? Math.max(walkProbes(segment, wanted), Math.round(LISTS_SHARE * walkProbes(segment, wanted, only)));
  if (size <= MOST_PLACES && lists < all) {
    const visit = visits.whole(run, segment, u, lists);
    const first = isHopeless(by, visit, s, only) ? undefined : firstOfAll(by, visit, size, s, only, wanted);
    if (first !== undefined) {
      run.stages.push({ name: 'head', in: visit.count * BLOCK_ROWS, out: size });
      run.stages.push({ name: 'walk', in: first.met, out: first.found });
      return first.found;
    }
    run.stages.pop();
  }
  if (probes !== undefined) return undefined;
  // The best of them may lie in any list: for .99 of ten, half of all rows were to be seen in the lists' order.
  makeAll(by.codes, by.scratch, only, s, segment);
  const mask = only.masks[s]!;
  const { blocks, count } = segment;
  const passing = rowsBetween(mask, 0, count); // those of an extension may be all
  const found =
    THIN * passing < count
      ? firstOfThin(by, mask, s)
      : firstOfBlocks(by, { blocks, count: blocks.length }, mask, s, k, by.rows, by.best);
  run.stages.push({ name: 'head', in: passing, out: found });
  return found;
}

/** Whether so few rows of a visit pass that the best of all will not do. */
function isHopeless({ segment }: ByCodes, { blocks, count }: Visit, s: number, only: RowMasks): boolean {
  const takesPart = partOf(segment, s, only);
  let passing = 0;
  for (let i = 0; i < SAMPLE; i++) {
    const row = blocks[Math.floor((i * count) / SAMPLE)]! * BLOCK_ROWS + (i % BLOCK_ROWS);
    passing += takesPart(row) ? 1 : 0;
  }
  return HOPELESS * passing * only.of < SAMPLE * only.rows;
}

/** By the codes of listed rows, read one by one. Returns how many were found. */
function firstOfListed(by: ByCodes, list: Uint32Array, count: number): number {
  const { codes, kernels, scratch, segment, query, keys, k, rows, best } = by;
  const listed = scratch.take('listed rows', Uint32Array, count);
  if (listed !== list) listed.set(list);
  const blocks = Math.ceil(count / BLOCK_ROWS);
  const dots = scratch.take('listed dots', Int32Array, blocks * BLOCK_ROWS);
  const dims = segment.coding.head;
  const plane = segment.neighbours!.rows;
  codes.rowDots({ plane, bits: 4, stride: dims / 2, dims, rows: listed, count, query, dots });
  const places = scratch.take('listed places', Uint32Array, k);
  let found = Math.min(k, count);
  if (keys.metric === 'cosine') {
    // The list is a visit of blocks of its own, all of whose rows take part.
    const mask = scratch.take('listed mask', Uint16Array, blocks);
    mask.fill(0xffff, 0, blocks);
    if (count % BLOCK_ROWS > 0) mask[blocks - 1] = (1 << (count % BLOCK_ROWS)) - 1;
    found = codes.topDots({ dots, blocks: identity(scratch, blocks), count: blocks, mask, k, rows: places, best });
  } else {
    const all = scratch.take('listed keys', Float64Array, count).subarray(0, count);
    for (let i = 0; i < count; i++) {
      const length = keys.lengths[listed[i]!]!;
      all[i] = keyOf(keys.metric, length, keys.twoQuery, dots[i]! * keys.scale + keys.constant);
    }
    kernels.topK(all, places.subarray(0, found), new Float64Array(found));
    for (let i = 0; i < found; i++) best[i] = dots[places[i]!]!;
  }
  for (let i = 0; i < found; i++) rows[i] = listed[places[i]!]!;
  return found;
}

/**
 * From the best rows of all, so many that there would be k of the filter among them, were these spread evenly. Returns how many
 * there are, and how many rows the walk met; undefined where they are too few to say which are best, or to be the answer.
 */
function firstOfAll(by: ByCodes, visit: Visit, size: number, s: number, only: RowMasks, wanted: number) {
  const { codes, scratch, segment, query, keys, k, rows, best } = by;
  const places = scratch.take('walk places', Uint32Array, size);
  const dots = scratch.take('walk dots', Int32Array, size);
  const found = firstOfBlocks(by, visit, segment.mask, s, size, places, dots);
  const takesPart = partOf(segment, s, only);
  let hopes = 0;
  for (let i = 0; i < found; i++) hopes += takesPart(places[i]!) ? 1 : 0;
  if (HOPELESS * hopes < k) return undefined;
  const { taken, met } = walkOver(codes, scratch, segment, query, keys, visit, size, found, places, dots);
  let n = 0;
  for (let i = 0; i < taken && n < k; i++) {
    if (!takesPart(places[i]!)) continue;
    rows[n] = places[i]!;
    best[n++] = dots[i]!;
  }
  return ENOUGH * n < k || n < wanted ? undefined : { found: n, met };
}

/** Among rows of which most blocks have few: by whole blocks where a block has many, else by theirs alone. Returns how many were found. */
function firstOfThin(by: ByCodes, mask: Uint16Array, s: number): number {
  const { scratch, segment, k, rows, best } = by;
  const { blocks } = segment;
  const dense = scratch.take('dense blocks', Uint32Array, blocks.length);
  const listed = scratch.take('listed rows', Uint32Array, WHOLE * blocks.length);
  let whole = 0;
  let n = 0;
  for (let block = 0; block < blocks.length; block++) {
    const passing = mask[block]!;
    if (onesIn(passing) >= WHOLE) {
      dense[whole++] = block;
      continue;
    }
    for (let bits = passing; bits !== 0; bits &= bits - 1) {
      listed[n++] = block * BLOCK_ROWS + 31 - Math.clz32(bits & -bits);
    }
  }
  const found = firstOfListed(by, listed, n);
  if (whole === 0) return found;
  const others = scratch.take('dense rows', Uint32Array, k);
  const dots = scratch.take('dense dots', Int32Array, k);
  const more = firstOfBlocks(by, { blocks: dense, count: whole }, mask, s, k, others, dots);
  return merge(by.keys, k, { rows, best, found }, { rows: others, best: dots, found: more });
}

interface Ranked {
  readonly rows: Uint32Array;
  readonly best: Int32Array;
  readonly found: number;
}

/** The k best of two rankings, in the first. Returns how many there are. */
function merge({ metric, lengths, twoQuery, scale, constant }: Keys, k: number, a: Ranked, b: Ranked): number {
  const entries = [a, b].flatMap(({ rows, best, found }) =>
    Array.from({ length: found }, (_, i) => {
      const [row, dot] = [rows[i]!, best[i]!];
      const key = metric === 'cosine' ? dot : keyOf(metric, lengths[row]!, twoQuery, dot * scale + constant);
      return { row, dot, key };
    }),
  );
  entries.sort((x, y) => y.key - x.key || x.row - y.row);
  const n = Math.min(k, entries.length);
  for (let i = 0; i < n; i++) {
    a.rows[i] = entries[i]!.row;
    a.best[i] = entries[i]!.dot;
  }
  return n;
}

/** The k best of a mask's rows in whole blocks. Returns how many were found. */
export function firstOfBlocks(
  { codes, kernels, scratch, segment, query, keys }: ByCodes,
  visit: Visit,
  mask: Uint16Array,
  s: number,
  k: number,
  rows: Uint32Array,
  best: Int32Array,
): number {
  const dims = segment.coding.head;
  const dots = scratch.take(`dots ${s}`, Int32Array, visit.count * BLOCK_ROWS);
  codes.headDots({ plane: segment.headPlane, dims, ...visit, query, queries: 1, dots });
  return keys.metric === 'cosine'
    ? codes.topDots({ dots, ...visit, mask, k, rows, best })
    : topByKey(kernels, scratch, keys, visit, mask, dots, k, rows, best);
}
