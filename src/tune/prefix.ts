/**
 * Is the front of the vectors the part that matters? The same funnel on the dims as they are and on the dims reversed,
 * over rows that are held in memory for it. With a Matryoshka model the first is much better; where it is not, a prefix
 * is a poor head.
 */
import { setImmediate } from 'node:timers';
import { expected, FunnelError } from '../core/errors.js';
import { halfToFloat } from '../core/half.js';
import { ownView } from '../core/realm.js';
import type { Vector } from '../core/types.js';
import { checkInteger, checkKeys } from '../core/validate.js';
import { makeFunnel } from '../funnel/funnel.js';
import type { Metric } from '../kernels/kernels.js';
import { activeKernels } from '../kernels/load.js';
import type { FunnelSearchOn } from '../query/search.js';
import { layoutOf } from '../query/source/layouts.js';
import { rowsAtOnce, type Source } from '../query/source/source.js';
import { embeddedSource } from '../store/embedded-source.js';
import type { FunnelIndex } from '../store/funnel-index.js';
import { doublings } from './plans.js';
import { asGood, lossOf, ownQueries } from './session.js';

/** Options of prefixAgainstSuffix(). */
export interface PrefixOptions {
  /** An index, or a search over any source: where rows are read from. */
  search: FunnelIndex | FunnelSearchOn;
  /** Vectors as of tune(): an array, or `n × dim` in one Float32Array. */
  queries: Float32Array | readonly Vector[];
  /** @default 10 */
  k?: number;
  /** Rows of each pool. @default 128, or 4 × k where that is more */
  candidates?: number;
  /** The first rows of the collection, at most so many. @default 10,000 */
  rows?: number;
  /** The layout of vectors, where the source has several. */
  using?: string;
  /** Told after each query. */
  onProgress?: (progress: {
    /** Queries. */
    done: number;
    /** Queries of the call. */
    total: number;
  }) => void;
  /** Ends the call when it aborts; the error then has the code ABORTED. */
  signal?: AbortSignal;
}

/** Recall by the first dims, and by the last ones. */
export interface PrefixResult {
  /** Rows that were searched. */
  rows: number;
  /** Queries that the means are of. */
  queries: number;
  /** Neighbours that recall is of. */
  k: number;
  /** Rows of each pool. */
  candidates: number;
  /** Mean recall of the funnel that starts on so many dims: the first ones, the last ones. */
  heads: {
    /** Dims of the head. */
    dims: number;
    /** Recall by the first dims. */
    prefix: number;
    /** Recall by the last dims. */
    suffix: number;
  }[];
}

/** @throws FunnelError BAD_ARGUMENT, BAD_DIMS, NOT_FINITE, ZERO_QUERY, ABORTED, and what the source throws */
export async function prefixAgainstSuffix(options: PrefixOptions): Promise<PrefixResult> {
  if (typeof options !== 'object' || options === null) throw expected('BAD_ARGUMENT', 'an object', 'options', options);
  checkKeys(
    options,
    ['search', 'queries', 'k', 'candidates', 'rows', 'using', 'onProgress', 'signal'],
    'the options of prefixAgainstSuffix()',
  );
  const { search, k = 10, candidates = Math.max(128, 4 * k), rows: most = 10_000, using, signal } = options;
  checkInteger(k, 1, 1024, 'k');
  checkInteger(candidates, k, 65_535, 'candidates');
  checkInteger(most, 1, 1_000_000, 'rows');
  const source = searchedSource(search, using);
  const { dim, metric } = await source.info({ signal });
  const queries = ownQueries(options.queries, dim, metric);
  const rows = await firstRows(source, dim, most, signal);
  const backwards = { rows: reversed(rows, dim), queries: queries.map((query) => query.toReversed()) };
  const heads = headsOf(dim).map((dims) => ({ dims, prefix: 0, suffix: 0 }));
  const count = rows.length / dim;
  for (const [q, query] of queries.entries()) {
    if (signal?.aborted) throw new FunnelError('ABORTED', 'The signal aborted prefixAgainstSuffix()');
    options.onProgress?.({ done: q, total: queries.length });
    await new Promise((resolve) => setImmediate(resolve));
    const truth = { scores: keysOf(metric, query, rows, dim, best(metric, query, rows, dim, dim, k)) };
    // Sums differ in their last bits where dims come in another order, so what was found is scored as the truth is. Keys are
    // larger when better.
    const share = (found: number[]) =>
      (1 - lossOf(keysOf(metric, query, rows, dim, found), truth, asGood('dot'))) / queries.length;
    for (const head of heads) {
      const shape = { metric, dim, dims: head.dims, candidates, k };
      head.prefix += share(funnelled(shape, query, rows));
      head.suffix += share(funnelled(shape, backwards.queries[q]!, backwards.rows));
    }
  }
  options.onProgress?.({ done: queries.length, total: queries.length });
  return { rows: count, queries: queries.length, k, candidates, heads };
}

/** Where rows are read from. @throws FunnelError BAD_ARGUMENT */
export function searchedSource(search: PrefixOptions['search'], using: string | undefined): Source {
  if (typeof (search as FunnelIndex | undefined)?.querySync === 'function') {
    if (using !== undefined) throw expected('BAD_ARGUMENT', 'no using for an index', 'using', using);
    return embeddedSource(search as FunnelIndex);
  }
  const { source } = (search ?? {}) as Partial<FunnelSearchOn>;
  if (typeof source?.head !== 'function') {
    throw expected('BAD_ARGUMENT', 'a FunnelIndex or a FunnelSearch', 'search', search);
  }
  return layoutOf(source, using);
}

/** 1/32 of the dims, doubled up to a half. */
function headsOf(dim: number): number[] {
  const heads = new Set<number>();
  for (let share = 32; share >= 2; share /= 2) heads.add(Math.max(1, Math.round(dim / share)));
  return [...heads].filter((dims) => dims < dim);
}

async function firstRows(source: Source, dim: number, most: number, signal?: AbortSignal): Promise<Float32Array> {
  const pages: Float32Array[] = [];
  let count = 0;
  let after: string | undefined;
  do {
    const limit = Math.min(most - count, rowsAtOnce(dim));
    const page = await source.scan({ limit, ...(after !== undefined && { after }), ...(signal && { signal }) });
    const found = ownView(page.rows.vectors, 'the vectors of a page');
    const floats = found instanceof Uint16Array ? Float32Array.from(found, halfToFloat) : Float32Array.from(found);
    const vectors = floats.subarray(0, (most - count) * dim);
    pages.push(vectors);
    count += vectors.length / dim;
    after = page.next;
  } while (after !== undefined && count < most);
  const rows = new Float32Array(count * dim);
  let at = 0;
  for (const page of pages) {
    rows.set(page, at);
    at += page.length;
  }
  return rows;
}

function reversed(rows: Float32Array, dim: number): Float32Array {
  const all = rows.slice();
  for (let at = 0; at < all.length; at += dim) all.subarray(at, at + dim).reverse();
  return all;
}

/** Positions of the best rows by the first dims. */
function best(metric: Metric, query: Float32Array, rows: Float32Array, dim: number, to: number, k: number): number[] {
  const indices = new Uint32Array(Math.min(k, rows.length / dim));
  activeKernels().scan({ metric, query, rows, dim, to, indices, keys: new Float64Array(indices.length) });
  return Array.from(indices);
}

/** Scores the rows at these positions over all their dims. */
function keysOf(metric: Metric, query: Float32Array, rows: Float32Array, dim: number, positions: number[]): number[] {
  const keys = new Float64Array(positions.length);
  activeKernels().scores({ metric, query, rows: rowsAt(rows, dim, positions), dim, from: 0, to: dim, keys });
  return Array.from(keys);
}

function rowsAt(rows: Float32Array, dim: number, positions: number[]): Float32Array {
  const some = new Float32Array(positions.length * dim);
  positions.forEach((row, i) => void some.set(rows.subarray(row * dim, (row + 1) * dim), i * dim));
  return some;
}

const { funnel } = makeFunnel(activeKernels);

function funnelled(
  { metric, dim, dims, candidates, k }: { metric: Metric; dim: number; dims: number; candidates: number; k: number },
  query: Float32Array,
  rows: Float32Array,
): number[] {
  const pool = best(metric, query, rows, dim, dims, candidates);
  const vectors = rowsAt(rows, dim, pool);
  const plan = { scales: doublings(dims, dim), keep: 0.5, limit: k, metric };
  return funnel({ vectors, dim }, query, plan).map(({ index }) => pool[index]!);
}
