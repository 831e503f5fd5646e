/** The table of each row's nearest rows, over which mode 'funnel' walks from the best rows of a few lists. */
import type { Sliced } from '../../core/slices.js';
import { BLOCK_ROWS, type CodeKernels } from '../../kernels/codes.js';
import { headRows } from './head-rows.js';
import { affinitiesOf, probesFor } from './lists.js';
import { arrayIn, releaseIn, Scratch } from './memory.js';
import { headQuerySide } from './prepared.js';
import type { Coding, Neighbours, Segment } from './segment.js';

const DEGREE = 24;
/** So many of those are a row's nearest. Others have the row among theirs, which nobody would reach else. */
const NEAREST = 16;
/** Lists that a row's neighbours are sought in at first: the nearest to it of those that are nearest to its own. */
const SOUGHT = 8;
const SOUGHT_OF = 64;
/** Blocks of a list at most, so that a row costs no more in a segment of long lists. */
const MOST_BLOCKS = 128;
/** Places of the walk that finds better ones, over the neighbours of neighbours, and rows that it meets at most. */
const PLACES = 32;
const MOST_MET = 1536;
/** Rows of a range of lists, about, and how many ranges at most: so many that threads end together. */
const ROWS_PER_RANGE = 4096;
const MOST_RANGES = 64;
/** Rows between two breaks. */
const ROWS_AT_ONCE = 16;
/** As NeighboursTask wants them. */
const WEIGHT_MAX = 127;

/** So many rows have numbers of three bytes. */
const MOST_NARROW = 2 ** 24;

/** Gives a segment with lists an empty table, for the steps that follow to fill: its numbers have four bytes until the last one. */
export function* withTable(kernels: CodeKernels, segment: Segment): Sliced<Segment> {
  const { coding, partition, headPlane, count } = segment;
  // A head of another kind is as its owner wants it.
  if (partition === null || coding.shortlist !== null) return segment;
  const rows = yield* headRows(kernels, headPlane, coding.head, count);
  const lists = probesFor(partition.halfSquares.length, 1); // until it is measured
  const { buffer, byteOffset, byteLength } = tableFor(kernels, count);
  const table = new Uint8Array(buffer, byteOffset, byteLength);
  return { ...segment, neighbours: { degree: DEGREE, table, idBytes: 4, rows, lists } };
}

/** The same, with a table that is filled. */
export function* tabled(kernels: CodeKernels, segment: Segment): Sliced<Segment> {
  const made = yield* withTable(kernels, segment);
  return made.neighbours === null ? made : yield* fillTable(kernels, made);
}

function* fillTable(kernels: CodeKernels, segment: Segment): Sliced<Segment> {
  const scratch = new Scratch(kernels);
  const lists = segment.partition!.halfSquares.length;
  const first = tableFor(kernels, segment.count);
  yield* findNeighbours(kernels, scratch, segment, 0, lists, first);
  yield* relinkRows(kernels, scratch, segment, 0, lists, first);
  releaseIn(kernels, first);
  const narrow = narrowFor(kernels, segment);
  yield* linkBack(segment, narrow);
  return withNarrow(kernels, segment, narrow);
}

/** Bytes of a row's neighbours, whose numbers have three bytes, and of its head codes as a walk reads them. */
export function tableBytes(head: number): number {
  return 3 * DEGREE + head / 2;
}

export function tableFor(kernels: CodeKernels, count: number): Uint32Array {
  return arrayIn(kernels, Uint32Array, count * DEGREE);
}

/** A table whose numbers have four bytes, as numbers. */
function wide({ table }: Neighbours): Uint32Array {
  return new Uint32Array(table.buffer, table.byteOffset, table.byteLength / 4);
}

/** Room for a segment's table with three bytes a number, a quarter less to keep; null where these do not reach all of its rows. */
export function narrowFor(kernels: CodeKernels, { count }: Pick<Segment, 'count'>): Uint8Array | null {
  return count > MOST_NARROW ? null : arrayIn(kernels, Uint8Array, 3 * DEGREE * count);
}

/** The segment with a narrow table, that linkBack wrote, in place of its wide one. */
export function withNarrow(kernels: CodeKernels, segment: Segment, table: Uint8Array | null): Segment {
  if (table === null) return segment;
  releaseIn(kernels, segment.neighbours!.table);
  return { ...segment, neighbours: { ...segment.neighbours!, table, idBytes: 3 } };
}

/** The lists of a segment with a table, in ranges of about as many rows. */
export function listRanges({ partition, neighbours, count }: Segment): [from: number, to: number][] {
  if (partition === null || neighbours === null) return [];
  const { offsets } = partition;
  const lists = offsets.length - 1;
  const ranges: [number, number][] = [];
  for (let from = 0; from < lists; ) {
    let to = from + 1;
    while (to < lists && offsets[to + 1]! - offsets[from]! <= Math.max(ROWS_PER_RANGE, count / MOST_RANGES)) to++;
    ranges.push([from, to]);
    from = to;
  }
  return ranges;
}

/**
 * Each code of each dim as a value of a query, for NeighboursTask: a row's dot product with another, by their codes,
 * is a constant beside the sum of these, times a scale, times the other's codes.
 */
function weightsOf(scratch: Scratch, { head, headQuantiser: { base, step } }: Coding): Int16Array {
  const weights = scratch.take('neighbour weights', Int16Array, 16 * head);
  const scaledBy = (dim: number, code: number) => (base[dim]! + step[dim]! * (16 * code + 7.5)) * step[dim]!;
  let largest = 0;
  for (let i = 0; i < head; i++) {
    for (let code = 0; code < 16; code++) largest = Math.max(largest, Math.abs(scaledBy(i, code)));
  }
  const scale = largest / WEIGHT_MAX || 1;
  for (let i = 0; i < head; i++) {
    for (let code = 0; code < 16; code++) weights[16 * i + code] = Math.round(scaledBy(i, code) / scale);
  }
  return weights;
}

/** First step: the nearest in a few lists, for the rows of lists [from, to). */
export function* findNeighbours(
  kernels: CodeKernels,
  scratch: Scratch,
  segment: Segment,
  from: number,
  to: number,
  table: Uint32Array,
): Sliced<void> {
  const { coding, headPlane: plane, mask } = segment;
  const { offsets, halfSquares } = segment.partition!;
  const dims = coding.head;
  const sought = Math.min(SOUGHT, halfSquares.length);
  const weights = weightsOf(scratch, coding);
  const starts = scratch.take('neighbour offsets', Uint32Array, offsets.length);
  starts.set(offsets);
  const lists = scratch.take('neighbour lists', Uint32Array, ROWS_AT_ONCE * sought);
  for (let list = from; list < to; list++) {
    if (offsets[list] === offsets[list + 1]) continue;
    const chooser = new ListChooser(kernels, scratch, segment, list);
    yield;
    const end = offsets[list + 1]!;
    for (let first = offsets[list]!; first < end; ) {
      // Whole blocks, but for those that the list shares.
      const behind = Math.min(end, first - (first % BLOCK_ROWS) + ROWS_AT_ONCE);
      const rows = behind - first;
      chooser.choose(first, rows, sought, lists);
      const task = { plane, dims, offsets: starts, lists, sought, most: MOST_BLOCKS, mask, weights };
      kernels.neighbours({ ...task, first, rows, degree: DEGREE, table });
      first = behind;
      yield;
    }
  }
}

/** Finds the lists that are nearest to the rows of one list, among those nearest to its centroid. */
class ListChooser {
  readonly #near: Uint32Array;
  readonly #query: Int16Array;
  readonly #dots: Int32Array;
  readonly #block: Uint32Array;
  /** An affinity is a dot product times its scale, and its constant. */
  readonly #scales: Float64Array;
  readonly #constants: Float64Array;

  constructor(
    readonly kernels: CodeKernels,
    scratch: Scratch,
    readonly segment: Segment,
    list: number,
  ) {
    const { coding, partition } = segment;
    const { dims, centroids, halfSquares } = partition!;
    const lists = halfSquares.length;
    const u = new Float64Array(dims);
    const centre = (c: number) => {
      for (let i = 0; i < dims; i++) u[i] = centroids[i * lists + c]!;
      return u;
    };
    this.#near = nearestLists(affinitiesOf(kernels, scratch, partition!, centre(list)), list);
    const n = this.#near.length;
    this.#query = scratch.take('chooser query', Int16Array, n * dims);
    this.#dots = scratch.take('chooser dots', Int32Array, n * BLOCK_ROWS);
    this.#block = scratch.take('chooser block', Uint32Array, 1);
    this.#scales = new Float64Array(n);
    this.#constants = new Float64Array(n);
    for (const [i, c] of this.#near.entries()) {
      const codes = this.#query.subarray(i * dims, (i + 1) * dims);
      const side = headQuerySide(coding, { u: centre(c), length: 1, off: 0 }, true, codes);
      this.#scales[i] = side.scale;
      this.#constants[i] = side.constant - halfSquares[c]!;
    }
  }

  /** @param out for each row of a block `sought` lists, ascending */
  choose(first: number, rows: number, sought: number, out: Uint32Array): void {
    const { coding, headPlane: plane } = this.segment;
    const near = this.#near;
    const dots = this.#dots;
    const n = near.length;
    this.#block[0] = Math.floor(first / BLOCK_ROWS);
    const visit = { blocks: this.#block, count: 1 };
    this.kernels.headDots({ plane, dims: coding.head, ...visit, query: this.#query, queries: n, dots });
    const keys = new Float64Array(n);
    for (let r = 0; r < rows; r++) {
      const at = (first + r) % BLOCK_ROWS;
      for (let i = 0; i < n; i++) keys[i] = dots[i * BLOCK_ROWS + at]! * this.#scales[i]! + this.#constants[i]!;
      const lists = out.subarray(r * sought, (r + 1) * sought);
      for (let k = 0; k < sought; k++) {
        let most = 0;
        for (let i = 1; i < n; i++) if (keys[i]! > keys[most]!) most = i;
        keys[most] = -Infinity;
        lists[k] = near[most]!;
      }
      lists.sort();
    }
  }
}

/** The list itself, and those nearest to it. */
function nearestLists(affinities: Float64Array, list: number): Uint32Array {
  const near = Array.from(affinities.keys()).filter((c) => c !== list);
  near.sort((a, b) => affinities[b]! - affinities[a]! || a - b);
  return Uint32Array.from([list, ...near.slice(0, SOUGHT_OF - 1)]);
}

/** Second step: better ones, for the rows of lists [from, to), by a walk over the table of the first. */
export function* relinkRows(
  kernels: CodeKernels,
  scratch: Scratch,
  segment: Segment,
  from: number,
  to: number,
  before: Uint32Array,
): Sliced<void> {
  const { coding, partition, neighbours, blocks } = segment;
  const weights = weightsOf(scratch, coding);
  const met = scratch.take('walk met', Uint32Array, 1 + MOST_MET);
  const marks = scratch.take('walk marks', Uint16Array, blocks.length); // zeros between walks
  const end = partition!.offsets[to]!;
  for (let first = partition!.offsets[from]!; first < end; first += ROWS_AT_ONCE) {
    const rows = Math.min(ROWS_AT_ONCE, end - first);
    kernels.relink({
      plane: neighbours!.rows,
      dims: coding.head,
      weights,
      from: before,
      degree: DEGREE,
      marks,
      size: PLACES,
      room: MOST_MET,
      met,
      first,
      rows,
      table: wide(neighbours!),
    });
    yield;
  }
}

/**
 * Third step: a row that few have among their nearest is given to those that it has itself, in place of their farthest. Else a
 * walk would not come to rows that lie alone.
 *
 * @param narrow out: the table with three bytes a number, where there is room for it
 */
export function* linkBack(segment: Segment, narrow: Uint8Array | null): Sliced<void> {
  const { count, neighbours } = segment;
  const { degree } = neighbours!;
  const table = wide(neighbours!);
  const taken = new Uint8Array(count);
  for (let j = 0; j < NEAREST; j++) {
    for (let first = 0; first < count; first += ROWS_LINKED) {
      giveRows(table, degree, j, taken, first, Math.min(count, first + ROWS_LINKED));
      yield;
    }
  }
  if (narrow === null) return;
  for (let from = 0; from < table.length; from += NARROWED) {
    writeNarrow(table, narrow, from, Math.min(table.length, from + NARROWED));
    yield;
  }
}

const ROWS_LINKED = 1 << 14;
const NARROWED = 1 << 18;

function writeNarrow(numbers: Uint32Array, to: Uint8Array, from: number, end: number): void {
  for (let i = from; i < end; i++) {
    const number = numbers[i]!;
    to[3 * i] = number;
    to[3 * i + 1] = number >> 8;
    to[3 * i + 2] = number >> 16;
  }
}

function giveRows(table: Uint32Array, degree: number, j: number, taken: Uint8Array, first: number, end: number): void {
  for (let row = first; row < end; row++) {
    const to = table[row * degree + j]!;
    const place = degree - 1 - taken[to]!;
    if (to === row || place < NEAREST) continue;
    const begin = to * degree;
    let at = 0;
    while (at < degree && table[begin + at] !== row) at++;
    // One that is among the farther ones comes before those that are given away.
    if (at < NEAREST || (at < degree && at > place)) continue;
    if (at < degree) table[begin + at] = table[begin + place]!;
    table[begin + place] = row;
    taken[to]!++;
  }
}
