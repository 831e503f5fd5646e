/** RankedPool hits as an answer: threshold, page, vectors, statistics. */

import { expected, FunnelError } from '../core/errors.js';
import { halfToFloat } from '../core/half.js';
import { isDistance } from '../core/metrics.js';
import { ownView } from '../core/realm.js';
import type { Sliced } from '../core/slices.js';
import type { FunnelStage, Hit, Id, SearchStats, StageStats } from '../core/types.js';
import type { Matrix } from '../funnel/candidates.js';
import type { Answer, PlacedSearch, RankedPool } from './fitted.js';
import { readParams } from './params.js';
import { payloadSelection } from './payload.js';
import { foundIn } from './ranked-pool.js';
import type { CheckedOptions } from './request.js';
import type { Exactness, Source } from './source/source.js';
import { type SearchExplanation, traced } from './trace.js';

/** The answer of a search. */
export interface SearchResult {
  /** At most `limit`, best first. */
  hits: Hit[];
  /** Statistics: the candidates and the time of each step. */
  stats: SearchStats;
  /** With `explain` alone. */
  explanation?: SearchExplanation;
}

/** Whether scores are distances. */
export function isSmallerBetter({ prepared: { task, keysAreScores } }: RankedPool): boolean {
  return isDistance(task.metric) && !keysAreScores;
}

/** Whether a final score is good enough: strictly, and by the direction of what ranked. */
export function passes(smaller: boolean, threshold: number | undefined) {
  if (threshold === undefined) return () => true;
  return ({ score }: { score: number }) => (smaller ? score < threshold : score > threshold);
}

/**
 * Cuts ranked hits: those that a threshold leaves, and the page of these.
 *
 * @param told hits from the rank `first` on, of `ranked` in all; a threshold has to see all of them
 * @param smaller whether scores are distances
 */
export function cutHits(
  told: readonly Hit[],
  { first, ranked }: { first: number; ranked: number },
  { search, placement, limit }: PlacedSearch,
  smaller: boolean,
): { hits: Hit[]; from: number; good: number; more: StageStats[] } {
  const { offset = 0, scoreThreshold, paged } = search.options;
  const left = scoreThreshold === undefined ? told : told.filter(passes(smaller, scoreThreshold));
  const good = scoreThreshold === undefined ? ranked : left.length;
  const from = paged ? offset - (placement.pushed?.offset ?? 0) : 0; // the database leaves out pages before
  const hits = left.slice(from - first, Math.min(from + limit, good) - first);
  const more: StageStats[] = [];
  if (scoreThreshold !== undefined) more.push({ name: 'threshold', in: ranked, out: good });
  if (paged) more.push({ name: `page at ${offset}`, in: good, out: hits.length });
  return { hits, from, good, more };
}

export function toResult(ranked: RankedPool, source: Source, kernels: string): SearchResult {
  const { fitted, hits: all, explanation } = ranked;
  const whole = { first: 0, ranked: all.length };
  const { hits, from, good, more } = cutHits(all, whole, fitted, isSmallerBetter(ranked));
  const stats = statsOf(ranked, kernels, more);
  if (!explanation || !fitted.search.options.explain) return { hits, stats };
  const page = { from, to: from + hits.length, good };
  return { hits, stats, explanation: traced(explanation, ranked, source, page) };
}

/** The parts of a ranked pool that stats tell of. */
type Told = Pick<RankedPool, 'fitted' | 'funnelMs' | 'explanation'> & {
  answer: Omit<Answer, 'candidates'>;
  prepared: { matrix: { count: number }; stages: readonly FunnelStage[] };
  hits: { length: number };
};

export function statsOf(
  { fitted, answer, prepared, hits, funnelMs, explanation }: Told,
  kernels: string,
  more: readonly StageStats[],
): SearchStats {
  const { plan, candidates, search, placement } = fitted;
  const { pushed, on, why, passedOver } = placement;
  const n = prepared.matrix.count;
  const { stats: mirror, mirrorMs, fetchMs } = answer;
  const lacking = answer.lacking?.length;
  const { byIds } = answer;
  const gone = byIds?.gone.length ?? 0;
  const found = foundIn(answer, n);
  const stages: StageStats[] = [
    {
      name: pushed ? 'server' : search.options.exact ? 'exact' : 'head',
      in: candidates,
      out: found,
      ms: answer.headMs,
    },
  ];
  if (byIds) stages.push({ name: 'fetch', in: found, out: found - gone, ms: byIds.ms });
  stages.push({ name: 'decode', in: found - gone, out: mirror === undefined ? n : found, ms: answer.decodeMs });
  if (mirror !== undefined) {
    stages.push({ name: 'mirror', in: found, out: mirror.found, ms: mirrorMs });
    stages.push({ name: 'fetch', in: mirror.fetched + mirror.gone, out: mirror.fetched, ms: fetchMs });
  }
  if (!(pushed && answer.decided)) {
    for (const [s, stage] of prepared.stages.entries()) {
      const name = `scale ${stage.scale}${stage.prunes ? '' : ' (re-orders only)'}`;
      stages.push({ name, in: stage.in, out: stage.out, ms: explanation?.stages[s]?.ms });
    }
    stages.push({ name: 'funnel', in: n, out: hits.length, ms: funnelMs });
  }
  for (const one of more) stages.push(one);
  const stats: SearchStats = {
    stages,
    vectorsFrom: mirror !== undefined ? 'mirror' : byIds ? 'ids' : 'hits',
    ran: passedOver === undefined ? { on, why } : { on, why, passedOver },
    kernels,
    metric: plan.metric,
  };
  if (mirror !== undefined) stats.mirror = mirror;
  const { exact, filtered, filteredPool, missing, pools } = answer;
  if (pushed && !fitted.rescore) stats.scores = 'server';
  if (missing !== undefined) stats.missing = missing;
  if (pools !== undefined) stats.pools = pools;
  if (exact !== undefined) stats.exact = exact satisfies Exactness;
  if (lacking !== undefined) stats.missingVectors = lacking;
  if (filtered !== undefined) stats.filter = filtered;
  if (filteredPool !== undefined) stats.filteredPool = filteredPool;
  if (search.recommend !== undefined) stats.strategy = search.recommend.strategy;
  return stats;
}

/**
 * Puts the vectors of hits to them: that of the layout that was searched out of the pool, others from the database.
 *
 * @throws FunnelError UNSUPPORTED, BAD_ARGUMENT; what a source throws
 */
export async function addVectors(
  hits: readonly Hit[],
  matrix: Matrix<unknown>,
  source: Source,
  layout: Source,
  { withVector, params, timeout, signal }: CheckedOptions,
): Promise<void> {
  if (!withVector) return;
  const names = namesOf(source, withVector);
  if (names === undefined) {
    for (const hit of hits) hit.vector = vectorAt(matrix.vectors, matrix.dim, hit.index);
    return;
  }
  const vectors = new Map<Id, Record<string, Float32Array>>(hits.map(({ id }) => [id, {}]));
  for (const name of names) {
    const one = source.layouts!.get(name)!;
    if (one === layout) {
      for (const hit of hits) vectors.get(hit.id)![name] = vectorAt(matrix.vectors, matrix.dim, hit.index);
      continue;
    }
    const ids = hits.map(({ id }) => id);
    const { rows } = await one.fetch({ ids, missing: 'leave out', timeout, signal, ...readParams(params) });
    rows.ids.forEach((id, i) => {
      vectors.get(id)![name] = vectorAt(rows.vectors, rows.dim, i);
    });
  }
  for (const hit of hits) hit.vectors = vectors.get(hit.id)!;
}

/**
 * The layouts whose vectors are asked for; undefined: the only one.
 *
 * @throws FunnelError UNSUPPORTED, BAD_ARGUMENT
 */
export function namesOf({ layouts, name }: Source, withVector: boolean | readonly string[]): string[] | undefined {
  if (layouts === undefined) {
    if (typeof withVector === 'boolean') return undefined;
    throw new FunnelError(
      'UNSUPPORTED',
      `Expected a boolean for withVector but received names: ${name} has one layout of vectors`,
    );
  }
  if (withVector === true) return [...layouts.keys()];
  return Array.from(withVector as readonly string[], (one) => {
    if (!layouts.has(one))
      throw expected('BAD_ARGUMENT', `one of ${[...layouts.keys()].join(', ')}`, 'withVector', one);
    return one;
  });
}

/** A row as floats, whatever the source holds. */
export function vectorAt(given: ArrayLike<number>, dim: number, index: number): Float32Array {
  const vectors = ownView(given, 'vectors');
  if (vectors instanceof Float32Array) return vectors.slice(index * dim, (index + 1) * dim);
  const row = Array.prototype.slice.call(vectors, index * dim, (index + 1) * dim) as number[];
  return Float32Array.from(vectors instanceof Uint16Array ? row.map(halfToFloat) : row);
}

/** Puts the payloads that were asked for to hits, in place of what their pool was asked for. */
export async function addPayloads(
  hits: readonly Hit[],
  layout: Source,
  { withPayload = false, params, timeout, signal }: CheckedOptions,
): Promise<void> {
  for (const hit of hits) delete hit.payload;
  if (withPayload === false || hits.length === 0) return;
  const { rows } = await layout.fetch({
    ids: hits.map(({ id }) => id),
    withPayload,
    vectors: false,
    ...readParams(params),
    ...(timeout !== undefined && { timeout }),
    ...(signal !== undefined && { signal }),
  });
  const payloads = new Map(rows.ids.map((id, i) => [id, rows.payloads?.[i]]));
  for (const hit of hits) hit.payload = payloads.get(hit.id) ?? {};
}

/** Payloads that are cut between two turns of others. */
const CUT_AT_ONCE = 1024;

/** Cuts the payloads of hits to the selection, where their pool was asked for all of them. */
export function* cutPayloads(hits: Iterable<Hit>, { withPayload = false }: CheckedOptions): Sliced<void> {
  const select = payloadSelection(withPayload);
  let cut = 0;
  for (const hit of hits) {
    if (++cut % CUT_AT_ONCE === 0) yield;
    if (withPayload === false) delete hit.payload;
    else hit.payload = select(hit.payload);
  }
}
