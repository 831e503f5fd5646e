/** Lloyd's k-means, and the nearest centroid of a row, sought among those of the nearest groups of centroids. */

import { atOnce, type Sliced } from '../../core/slices.js';
import type { CodeKernels } from '../../kernels/codes.js';
import type { ListCentroids } from './partition.js';

const ROUNDS = 4;

/** Fewer lists than this are compared one by one. */
const GROUPED_FROM = 256;
const LISTS_PER_GROUP = 64;
/** Groups that a row looks into: of 2,000 lists over the dims of a head, 97 of 100 rows then find their nearest. */
const GROUPS_TRIED = 8;
/** Rows that pass through in one go. */
const BLOCK = 240;
/** Rows between two breaks. */
const STRETCH = 120;

const EVERY = Uint32Array.from({ length: BLOCK }, (_, i) => i);

interface Group extends Pick<ListCentroids, 'centroids' | 'halfSquares'> {
  /** Which they are. */
  lists: Uint32Array;
}

/** Lists, put together by the leader that they are nearest to. */
export interface Grouping {
  leaders: ListCentroids;
  groups: Group[];
}

/**
 * @param heads sample rows, `count × dims`
 * @returns `dims × lists` centroids, dim-major, and |c|² / 2
 */
export function kMeans(kernels: CodeKernels, heads: Float32Array, dims: number, lists: number): ListCentroids {
  return atOnce(findLists(kernels, heads, dims, lists));
}

/** The same in slices. */
export function* findLists(
  kernels: CodeKernels,
  heads: Float32Array,
  dims: number,
  lists: number,
): Sliced<ListCentroids> {
  const count = heads.length / dims;
  const centroids = new Float32Array(dims * lists);
  const halfSquares = new Float64Array(lists);
  // Evenly spaced rows: as random as their order, and the same every time.
  for (let c = 0; c < lists; c++) {
    const row = Math.floor((c * count) / lists);
    for (let i = 0; i < dims; i++) centroids[i * lists + c] = heads[row * dims + i]!;
  }
  const found = new Uint32Array(BLOCK);
  const sums = new Float64Array(dims * lists);
  const sizes = new Uint32Array(lists);
  for (let round = 0; round < ROUNDS; round++) {
    measure(centroids, dims, lists, halfSquares);
    sums.fill(0);
    sizes.fill(0);
    const sought = { dims, centroids, halfSquares };
    const finder = new ListFinder(kernels, sought, yield* findGroups(kernels, sought));
    for (let first = 0; first < count; first += STRETCH) {
      const n = Math.min(STRETCH, count - first);
      yield;
      const rows = heads.subarray(first * dims, (first + n) * dims);
      finder.find(rows, n, found);
      for (let r = 0; r < n; r++) {
        const best = found[r]!;
        sizes[best]!++;
        for (let i = 0; i < dims; i++) sums[best * dims + i]! += rows[r * dims + i]!;
      }
    }
    const order = Array.from(sizes.keys()).filter((c) => sizes[c]! > 0);
    order.sort((a, b) => sizes[b]! - sizes[a]!);
    let donor = 0;
    for (let c = 0; c < lists; c++) {
      if (sizes[c]! > 0) {
        for (let i = 0; i < dims; i++) centroids[i * lists + c] = sums[c * dims + i]! / sizes[c]!;
        continue;
      }
      // An empty list takes its place beside a large one.
      const from = order[donor++ % order.length]!;
      for (let i = 0; i < dims; i++) {
        centroids[i * lists + c] = (sums[from * dims + i]! / Math.max(1, sizes[from]!)) * (1 + 1e-3 * ((i % 3) - 1));
      }
    }
  }
  measure(centroids, dims, lists, halfSquares);
  return { dims, centroids, halfSquares };
}

export class ListFinder {
  readonly #groups: Group[];
  /** The leaders of the groups, where there are several groups. */
  readonly #leaders: ListCentroids | null;
  readonly #affinities: Float64Array;
  readonly #best = new Float64Array(BLOCK);
  /** For each group, how many rows joined it, and which. */
  readonly #joined: Uint32Array;
  readonly #members: Uint32Array[];

  /** @param grouping what groupingOf(kernels, lists) answers */
  constructor(
    readonly kernels: CodeKernels,
    readonly lists: ListCentroids,
    grouping: Grouping | null = groupingOf(kernels, lists),
  ) {
    const { centroids, halfSquares } = lists;
    const n = halfSquares.length;
    this.#leaders = grouping?.leaders ?? null;
    const all = () => ({ lists: Uint32Array.from({ length: n }, (_, list) => list), centroids, halfSquares });
    this.#groups = grouping?.groups ?? [all()];
    this.#affinities = new Float64Array(BLOCK * (this.#leaders?.halfSquares.length ?? 0));
    this.#joined = new Uint32Array(this.#groups.length);
    this.#members = grouping !== null ? this.#groups.map(() => new Uint32Array(BLOCK)) : [];
  }

  /**
   * @param rows `count × dims`, at most 240 of them
   * @param out the list of each, from `at` on
   */
  find(rows: Float32Array, count: number, out: Uint32Array, at = 0): void {
    const { dims } = this.lists;
    const best = this.#best.fill(-Infinity, 0, count);
    const found = out.subarray(at, at + count);
    if (this.#leaders !== null) this.#join(rows, count, this.#leaders);
    for (const [g, { lists, centroids, halfSquares }] of this.#groups.entries()) {
      const places = this.#leaders === null ? EVERY : this.#members[g]!;
      const n = this.#leaders === null ? count : this.#joined[g]!;
      if (n === 0) continue;
      // |y − c|² is least where y·c − |c|²/2 is most.
      this.kernels.nearest({
        rows,
        places,
        count: n,
        dim: dims,
        basis: centroids,
        width: lists.length,
        offsets: halfSquares,
        names: lists,
        best,
        found,
      });
    }
  }

  /** Each row becomes a member of the groups nearest to it. */
  #join(rows: Float32Array, count: number, { dims, centroids, halfSquares }: ListCentroids): void {
    const affinities = this.#affinities;
    const joined = this.#joined.fill(0);
    const width = halfSquares.length;
    const tries = Math.min(GROUPS_TRIED, width);
    this.kernels.project({ rows, count, dim: dims, basis: centroids, width, out: affinities });
    for (let r = 0, from = 0; r < count; r++, from += width) {
      for (let g = 0; g < width; g++) affinities[from + g]! -= halfSquares[g]!;
      for (let t = 0; t < tries; t++) {
        let most = 0;
        for (let g = 1; g < width; g++) if (affinities[from + g]! > affinities[from + most]!) most = g;
        affinities[from + most] = -Infinity;
        this.#members[most]![joined[most]!++] = r;
      }
    }
  }
}

/** Null for so few lists that each is compared. Leaders of none are left out. */
export function groupingOf(kernels: CodeKernels, lists: ListCentroids): Grouping | null {
  return atOnce(findGroups(kernels, lists));
}

/** The same in slices. */
export function* findGroups(kernels: CodeKernels, lists: ListCentroids): Sliced<Grouping | null> {
  const { dims, centroids, halfSquares } = lists;
  const n = halfSquares.length;
  if (n < GROUPED_FROM) return null;
  const rows = rowsOf(centroids, dims, n);
  const leaders = yield* findLists(kernels, rows, dims, Math.ceil(n / LISTS_PER_GROUP));
  const leaderOf = new Uint32Array(n);
  const finder = new ListFinder(kernels, leaders);
  for (let from = 0; from < n; from += STRETCH) {
    const count = Math.min(STRETCH, n - from);
    yield;
    finder.find(rows.subarray(from * dims, (from + count) * dims), count, leaderOf, from);
  }
  const members = Array.from(leaders.halfSquares, (_, g) =>
    Uint32Array.from(leaderOf.keys()).filter((list) => leaderOf[list] === g),
  );
  yield;
  const led = Uint32Array.from(members.keys()).filter((g) => members[g]!.length > 0);
  return {
    leaders: some(leaders, led),
    groups: Array.from(led, (g) => ({ lists: members[g]!, ...some(lists, members[g]!) })),
  };
}

/** The columns of listed centroids. */
function some({ dims, centroids, halfSquares }: ListCentroids, columns: Uint32Array): ListCentroids {
  const n = halfSquares.length;
  const part = new Float32Array(dims * columns.length);
  for (let i = 0; i < dims; i++) {
    for (const [c, column] of columns.entries()) part[i * columns.length + c] = centroids[i * n + column]!;
  }
  return { dims, centroids: part, halfSquares: Float64Array.from(columns, (column) => halfSquares[column]!) };
}

function rowsOf(centroids: Float32Array, dims: number, n: number): Float32Array {
  const rows = new Float32Array(n * dims);
  for (let i = 0; i < dims; i++) for (let c = 0; c < n; c++) rows[c * dims + i] = centroids[i * n + c]!;
  return rows;
}

function measure(centroids: Float32Array, dims: number, lists: number, halfSquares: Float64Array): void {
  halfSquares.fill(0);
  for (let i = 0; i < dims; i++) {
    for (let c = 0; c < lists; c++) halfSquares[c]! += centroids[i * lists + c]! ** 2 / 2;
  }
}
