/** RankedPool hits as an answer: threshold, page, vectors, statistics. */

import { expected, FunnelError } from '../core/errors.js';
import { halfToFloat } from '../core/half.js';
import { isDistance } from '../core/metrics.js';
import { ownView } from '../core/realm.js';
import type { Sliced } from '../core/slices.js';
import type { Hit, Id, SearchStats, StageStats } from '../core/types.js';
import type { Matrix } from '../funnel/candidates.js';
import type { RankedPool } from './fitted.js';
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
export function passes(ranked: RankedPool, threshold: number | undefined) {
  if (threshold === undefined) return () => true;
  const smaller = isSmallerBetter(ranked);
  return ({ score }: { score: number }) => (smaller ? score < threshold : score > threshold);
}

export function toResult(ranked: RankedPool, source: Source, kernels: string): SearchResult {
  const { fitted, hits: all, explanation } = ranked;
  const { options } = fitted.search;
  const { offset = 0, scoreThreshold, paged } = options;
  const good = scoreThreshold === undefined ? all : all.filter(passes(ranked, scoreThreshold));
  const from = paged ? offset - (fitted.placement.pushed?.offset ?? 0) : 0; // the database leaves out pages before
  const hits = good.slice(from, from + fitted.limit);
  const more: StageStats[] = [];
  if (scoreThreshold !== undefined) more.push({ name: 'threshold', in: all.length, out: good.length });
  if (paged) more.push({ name: `page at ${offset}`, in: good.length, out: hits.length });
  const stats = statsOf(ranked, kernels, more);
  if (!explanation || !options.explain) return { hits, stats };
  const page = { from, to: from + hits.length, good: good.length };
  return { hits, stats, explanation: traced(explanation, ranked, source, page) };
}

export function statsOf(
  { fitted, answer, prepared, hits, funnelMs, explanation }: RankedPool,
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
  const ranksHere: StageStats[] = prepared.stages.map((stage, s) => ({
    name: `scale ${stage.scale}${stage.prunes ? '' : ' (re-orders only)'}`,
    in: stage.in,
    out: stage.out,
    ms: explanation?.stages[s]?.ms,
  }));
  ranksHere.push({ name: 'funnel', in: n, out: hits.length, ms: funnelMs });
  const stats: SearchStats = {
    stages: [
      {
        name: pushed ? 'server' : search.options.exact ? 'exact' : 'head',
        in: candidates,
        out: found,
        ms: answer.headMs,
      },
      ...(byIds ? [{ name: 'fetch', in: found, out: found - gone, ms: byIds.ms }] : []),
      { name: 'decode', in: found - gone, out: mirror === undefined ? n : found, ms: answer.decodeMs },
      ...(mirror === undefined
        ? []
        : [
            { name: 'mirror', in: found, out: mirror.found, ms: mirrorMs },
            { name: 'fetch', in: mirror.fetched + mirror.gone, out: mirror.fetched, ms: fetchMs },
          ]),
      ...(pushed && answer.decided ? [] : ranksHere),
      ...more,
    ],
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
