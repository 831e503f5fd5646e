/** One run of tune(): what was asked for, checked and owned; its clock, its progress, its chance. */

import { expected, FunnelError } from '../core/errors.js';
import { isDistance, needsDirection } from '../core/metrics.js';
import { seeded } from '../core/random.js';
import { ownFloats } from '../core/realm.js';
import type { Id } from '../core/types.js';
import { checkInteger, checkKeys, checkQuery, isNumbers, isZero } from '../core/validate.js';
import type { Metric } from '../kernels/kernels.js';
import type { TuneBudget, TuneOptions, TuneProgress, TuneRequest, TuneTarget } from './types.js';

/** The exact answer of one query. */
export interface Truth {
  ids: Id[];
  /** Best first. */
  scores: number[];
}

const PROMISES = ['mean', 'complete', 'expected'] as const;

/** @throws FunnelError BAD_ARGUMENT */
export function checkTarget(target: TuneTarget = {}): Required<TuneTarget> {
  checkKeys(target, ['recall', 'k', 'confidence', 'promise'], 'target');
  const { recall = 0.99, k = 10, confidence = 0.95, promise = 'mean' } = target;
  if (promise === 'expected' && target.confidence !== undefined) {
    const what = "no confidence beside promise 'expected', which has none,";
    throw expected('BAD_ARGUMENT', what, 'target.confidence', confidence);
  }
  checkShare(recall, 'target.recall');
  checkShare(confidence, 'target.confidence');
  checkInteger(k, 1, 1024, 'target.k');
  if (!PROMISES.includes(promise)) {
    throw expected('BAD_ARGUMENT', `one of ${PROMISES.join(', ')}`, 'target.promise', promise);
  }
  return { recall, k, confidence, promise };
}

function checkShare(value: unknown, where: string): void {
  if (typeof value !== 'number' || !(value > 0 && value < 1)) {
    throw expected('BAD_ARGUMENT', 'a number above 0 and below 1', where, value);
  }
}

/** Pools are numbered in 16 bits. */
const MOST_CANDIDATES = 65_535;

/** @throws FunnelError BAD_ARGUMENT */
export function checkBudget(budget: TuneBudget = {}, k: number): Required<TuneBudget> {
  checkKeys(budget, ['candidates', 'ms'], 'budget');
  const { candidates = Math.max(2048, 16 * k), ms = Number.POSITIVE_INFINITY } = budget;
  checkInteger(candidates, k, MOST_CANDIDATES, 'budget.candidates');
  if (typeof ms !== 'number' || !(ms > 0)) throw expected('BAD_ARGUMENT', 'milliseconds above 0', 'budget.ms', ms);
  return { candidates, ms };
}

/**
 * The queries as vectors of ours.
 *
 * @throws FunnelError BAD_ARGUMENT, BAD_DIMS, NOT_FINITE, ZERO_QUERY
 */
export function ownQueries(given: TuneOptions['queries'], dim: number, metric: Metric): Float32Array[] {
  const queries = ownFloats(given, 'queries');
  const own: Float32Array[] = [];
  if (queries instanceof Float32Array) {
    if (queries.length % dim !== 0) throw expected('BAD_DIMS', `a multiple of ${dim} values`, 'queries', queries);
    for (let at = 0; at < queries.length; at += dim) own.push(queries.slice(at, at + dim));
  } else if (Array.isArray(queries)) {
    if (queries.length > 0 && !isNumbers(queries[0])) {
      throw expected('BAD_ARGUMENT', 'a vector', 'queries[0]', queries[0]);
    }
    for (let q = 0; q < queries.length; q++) own.push(checkQuery(queries[q]!, dim, `queries[${q}]`).slice());
  } else throw expected('BAD_ARGUMENT', 'a Float32Array or an array of vectors', 'queries', queries);
  if (own.length < 2) {
    throw new FunnelError(
      'BAD_ARGUMENT',
      `Expected at least 2 queries, a half of which chooses, but got ${own.length}`,
    );
  }
  own.forEach((query, q) => {
    checkQuery(query, dim, `queries[${q}]`);
    if (needsDirection(metric) && isZero(query)) {
      throw new FunnelError('ZERO_QUERY', `Expected a vector with a direction for queries[${q}] but received zeros`);
    }
  });
  return own;
}

/** 0..count − 1 in an order of chance. */
export function shuffled(count: number, random: () => number): number[] {
  const order = Array.from({ length: count }, (_, i) => i);
  for (let i = count - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [order[i], order[j]] = [order[j]!, order[i]!];
  }
  return order;
}

export class Session {
  /** In the order of chance: those at even places choose. */
  readonly order: number[];
  truth: Truth[] = [];
  readonly random: () => number;
  readonly #began = performance.now();

  constructor(
    readonly vectors: readonly Float32Array[],
    readonly target: Required<TuneTarget>,
    readonly budget: Required<TuneBudget>,
    readonly request: TuneRequest,
    readonly scales: readonly number[] | undefined,
    seed: number,
    readonly onProgress: (progress: TuneProgress) => void,
    readonly signal: AbortSignal | undefined,
    /** The ids of the true neighbours of each query, where the caller knows them. */
    readonly neighbours?: readonly (readonly Id[])[],
  ) {
    this.random = seeded(seed);
    this.order = shuffled(vectors.length, this.random);
  }

  /** Loss that the target allows. */
  get alpha(): number {
    return 1 - this.target.recall;
  }

  get choosing(): number[] {
    return this.order.filter((_, place) => place % 2 === 0);
  }

  get certifying(): number[] {
    return this.order.filter((_, place) => place % 2 === 1);
  }

  /** Some queries of the choosing half. */
  some(count: number): number[] {
    return this.choosing.slice(0, count);
  }

  /** @throws FunnelError ABORTED */
  check(): void {
    if (this.signal?.aborted) {
      throw new FunnelError('ABORTED', 'tune() was aborted by the signal', { cause: this.signal.reason });
    }
  }

  told(phase: TuneProgress['phase'], done: number, total: number): void {
    this.check();
    this.onProgress({ phase, done, total });
  }

  /** Whether this share of the time for asking is over. */
  over(share = 1): boolean {
    return performance.now() - this.#began > share * this.budget.ms;
  }

  /** Goes on with the first queries of the order alone; both halves are then of one size, or differ by one. */
  cutTo(count: number): void {
    this.order.length = Math.max(2, count);
  }

  /**
   * Work on queries, some at a time, in their order.
   *
   * @param share of the time for asking: when it is over, the rest is left
   * @returns how many were done
   */
  async each(
    queries: readonly number[],
    atOnce: number,
    phase: TuneProgress['phase'],
    work: (some: number[]) => Promise<void>,
    share = Number.POSITIVE_INFINITY,
  ): Promise<number> {
    for (let from = 0; from < queries.length; from += atOnce) {
      this.told(phase, from, queries.length);
      if (from >= 2 && this.over(share)) return from;
      await work(queries.slice(from, from + atOnce));
    }
    this.told(phase, queries.length, queries.length);
    return queries.length;
  }
}

/**
 * The share of a query's true neighbours that an answer lacks. A row is as good as another of the same score: copies of a
 * text are not told apart.
 *
 * @param scores of the answer's rows, any order
 * @param better whether a score is as good as another
 */
export function lossOf(
  scores: Iterable<number>,
  truth: Pick<Truth, 'scores'>,
  better: (a: number, b: number) => boolean,
): number {
  const wanted = truth.scores.length;
  if (wanted === 0) return 0;
  const last = truth.scores[wanted - 1]!;
  let found = 0;
  for (const score of scores) if (better(score, last)) found++;
  return (wanted - Math.min(found, wanted)) / wanted;
}

/** Whether a score is as good as another under a metric. */
export function asGood(metric: Metric): (a: number, b: number) => boolean {
  return isDistance(metric) ? (a, b) => a <= b : (a, b) => a >= b;
}

/** @param ranks −1: beyond what was looked at */
export function deepestOf(ranks: Iterable<number>): number {
  let deepest = 0;
  for (const rank of ranks) deepest = Math.max(deepest, rank === -1 ? Number.POSITIVE_INFINITY : rank);
  return deepest;
}
