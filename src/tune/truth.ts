/** Exact answers that the caller knows, as ids: their rows are read and scored as searches score them. */
import { expected, FunnelError } from '../core/errors.js';
import { halfToFloat } from '../core/half.js';
import { idAs } from '../core/ids.js';
import { isDistance, type Metric } from '../core/metrics.js';
import { ownView } from '../core/realm.js';
import type { Id } from '../core/types.js';
import { makeFunnel } from '../funnel/funnel.js';
import { activeKernels } from '../kernels/load.js';
import { wholeNumber } from '../query/numbers.js';
import { rowsAtOnce, type Source } from '../query/source/source.js';
import type { Truth } from './session.js';

const { funnel } = makeFunnel(activeKernels);

/**
 * Checks the form alone; which ids there are the source knows.
 *
 * @param queries how many there are
 * @throws FunnelError BAD_ARGUMENT, BAD_ID
 */
export function ownNeighbours(given: unknown, queries: number, k: number): Id[][] {
  if (!Array.isArray(given)) throw expected('BAD_ARGUMENT', 'an array of ids for each query', 'neighbours', given);
  if (given.length !== queries) {
    const got = `${given.length}`;
    throw new FunnelError(
      'BAD_ARGUMENT',
      `Expected as many lists of neighbours as queries, ${queries}, but received ${got}`,
    );
  }
  return given.map((list, q) => {
    const where = `neighbours[${q}]`;
    if (!Array.isArray(list) && !(list instanceof Int32Array) && !(list instanceof Uint32Array)) {
      throw expected('BAD_ARGUMENT', 'an array of ids', where, list);
    }
    if (list.length < k) throw expected('BAD_ARGUMENT', `at least ${k} ids, as target.k has it,`, where, list);
    // 7n is 7 to whoever has it.
    const ids = Array.from(list as ArrayLike<unknown>)
      .slice(0, k)
      .map((id) => (typeof id === 'bigint' ? wholeNumber(id) : id));
    const seen = new Set<Id>();
    for (const [i, id] of ids.entries()) {
      if ((typeof id !== 'string' || id === '') && typeof id !== 'bigint' && !Number.isSafeInteger(id)) {
        throw expected('BAD_ID', 'an integer or text', `${where}[${i}]`, id);
      }
      if (seen.has(id as Id)) throw expected('BAD_ID', 'each id once', `${where}[${i}]`, id);
      seen.add(id as Id);
    }
    return ids as Id[];
  });
}

/**
 * @param neighbours of each query, as ownNeighbours() hands them out
 * @returns a truth for each query, best first by its scores
 * @throws FunnelError BAD_ID: an id that no row has; what the source throws
 */
export async function scoredNeighbours(
  source: Source,
  queries: readonly Float32Array[],
  neighbours: readonly (readonly Id[])[],
  signal?: AbortSignal,
): Promise<Truth[]> {
  const { dim, metric, idKind } = await source.info({ ...(signal && { signal }) });
  const truth: Truth[] = [];
  const k = Math.max(1, ...neighbours.map(({ length }) => length));
  const atOnce = Math.max(1, Math.floor(rowsAtOnce(dim) / k));
  for (let from = 0; from < queries.length; from += atOnce) {
    const some = neighbours.slice(from, from + atOnce).map((list) => list.map((id) => idAs(idKind, id) ?? id));
    const ids = [...new Set(some.flat())];
    const { rows } = await source.fetch({ ids, ...(signal && { signal }) });
    const places = new Map(rows.ids.map((id, place) => [id, place]));
    const found = ownView(rows.vectors as Float32Array | Uint16Array, 'the vectors of rows');
    const floats = found instanceof Uint16Array ? Float32Array.from(found, halfToFloat) : found;
    for (const [i, list] of some.entries()) {
      const query = queries[from + i]!;
      const vectors = new Float32Array(list.length * dim);
      for (const [n, id] of list.entries()) {
        const place = places.get(id);
        if (place === undefined) {
          const where = `neighbours[${from + i}][${n}]`;
          throw expected('BAD_ID', 'the id of a row that is there', where, neighbours[from + i]![n]);
        }
        vectors.set(floats.subarray(place * dim, (place + 1) * dim), n * dim);
      }
      const plan = { scales: [dim], keep: 1, limit: list.length, metric };
      const hits = funnel({ vectors, dim }, query, plan);
      truth.push({ ids: hits.map(({ index }) => list[index]!), scores: hits.map(({ score }) => score) });
    }
  }
  return truth;
}

/** Scores of float32 sums of another order differ by less, relative to the larger one. */
const TOLERANCE = 1e-3;

/**
 * Whether an exact search finds better rows than a list of true neighbours has.
 *
 * @param exact of the same query, as many
 */
export function isBeaten({ scores }: Truth, exact: Truth, metric: Metric): boolean {
  const [given, found] = [scores.at(-1), exact.scores[scores.length - 1]];
  if (given === undefined || found === undefined) return false;
  const margin = TOLERANCE * Math.max(Math.abs(given), Math.abs(found), 1e-6);
  return isDistance(metric) ? found < given - margin : found > given + margin;
}

/** @throws FunnelError BAD_ARGUMENT */
export function notTheBest(query: number, { scores }: Truth, exact: Truth): FunnelError {
  const what = `the best ${scores.length} rows of this store under its metric for neighbours[${query}]`;
  const got = `others: the last of them scores ${scores.at(-1)}, the exact search finds ${exact.scores[scores.length - 1]}`;
  const remedy = 'is it of another set of rows or queries, or of another metric?';
  return new FunnelError('BAD_ARGUMENT', `Expected ${what} but received ${got}; ${remedy}`);
}
