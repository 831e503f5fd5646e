/** tune(): exact answers → what plans would return → the cheapest that keeps the promise → what it costs. */
import { createHash } from 'node:crypto';
import { isSignal } from '../core/call.js';
import { expected } from '../core/errors.js';
import type { Id } from '../core/types.js';
import { checkInteger, checkKeys, isListOf, ownListOf } from '../core/validate.js';
import { conditionsOf } from '../query/filter/conditions.js';
import type { FunnelSearchOn } from '../query/search.js';
import type { FunnelIndex } from '../store/funnel-index.js';
import { mean } from './bounds.js';
import { type Chosen, choose } from './choose.js';
import { IndexSubject } from './index-subject.js';
import { median, quantile } from './measure.js';
import { searchedSource } from './prefix.js';
import { type Rule, ruleOf } from './promise.js';
import { tuneRefusal } from './refusal.js';
import { searchSubject } from './search-subject.js';
import { checkBudget, checkTarget, ownQueries, Session, shuffled } from './session.js';
import type { Choice, Subject } from './subject.js';
import { isBeaten, notTheBest, ownNeighbours, scoredNeighbours } from './truth.js';
import type { Latency, QueryTrace, TunedRequest, TuneOptions, TuneResult } from './types.js';

const KEYS = [
  'search',
  'queries',
  'neighbours',
  'target',
  'budget',
  'scales',
  'exact',
  'request',
  'seed',
  'onProgress',
  'signal',
];
/** Queries whose given neighbours are compared with an exact search. */
const COMPARED = 8;
const REQUEST_KEYS = ['filter', 'nativeFilter', 'params', 'timeout', 'using'];
/** Queries whose exact answers are asked for together. */
const EXACT_AT_ONCE = 16;
/** Searches by which latencies are told. */
const TIMED = 40;
/** Plans by which the cost model is checked, and searches of each. */
const CHECKED = 6;
const CHECKS = 16;
/** Queries that are traced: those that lose most, and any. */
const HARDEST = 24;
const OTHERS = 8;

/**
 * Finds the cheapest plan whose recall holds for queries to come, from a sample of real ones.
 *
 * Half of the queries, drawn by chance, choose: plans are replayed on them, and those that nothing cheaper equals are put in
 * order. The other half tests these from the most expensive to the cheapest, until one fails. So the promise rests on
 * queries that nothing was chosen by. Where it cannot be made, `refused` says why and how many more queries it would take.
 *
 * The promise is about queries like these and the collection as it is: tune again when either has changed.
 *
 * @throws FunnelError BAD_ARGUMENT, BAD_DIMS, NOT_FINITE, ZERO_QUERY before any work; ABORTED, and what the search throws
 * @example
 * const { request, bound } = await tune({ search: index, queries, target: { recall: 0.99, k: 10 } });
 * const { hits } = await index.query({ vector, ...request });
 */
export async function tune(options: TuneOptions): Promise<TuneResult> {
  const { subject, session } = await prepared(options);
  session.told('exact', 0, session.order.length);
  if (session.neighbours === undefined) await askExact(subject, session);
  else await takeGiven(subject, session, options, session.neighbours);
  const choices = await subject.choices();
  session.told('choose', 0, 1);
  const rule = ruleFor(session);
  const chosen = await choose(
    choices.map(({ cost }) => cost),
    session.target.recall,
    rule,
    (choice) => subject.losses(choice, session.choosing),
    (choice) => subject.losses(choice, session.certifying),
  );
  session.told('choose', 1, 1);
  return resultOf(subject, session, choices, chosen, rule, options.exact ?? true);
}

/** The subject that tune() works on, checked; bench/tune measures it from outside. */
export async function prepared(options: TuneOptions): Promise<{ subject: Subject; session: Session }> {
  if (typeof options !== 'object' || options === null) {
    throw expected('BAD_ARGUMENT', '{ search, queries }', 'options', options);
  }
  checkKeys(options, KEYS, 'the options of tune()');
  const { search, queries, request = {}, seed = 1, onProgress = () => {}, signal, scales } = options;
  const target = checkTarget(options.target);
  const budget = checkBudget(options.budget, target.k);
  checkKeys(request, isIndex(search) ? ['filter'] : REQUEST_KEYS, 'request');
  if (!isIndex(search)) conditionsOf(request.filter);
  if (options.exact !== undefined && typeof options.exact !== 'boolean') {
    throw expected('BAD_ARGUMENT', 'a boolean', 'exact', options.exact);
  }
  if (options.neighbours !== undefined && (request.filter ?? request.nativeFilter) !== undefined) {
    const what = 'no filter beside neighbours, which are of all rows,';
    throw expected('BAD_ARGUMENT', what, 'request', request);
  }
  checkInteger(seed, 0, 0xffff_ffff, 'seed');
  if (typeof onProgress !== 'function') throw expected('BAD_ARGUMENT', 'a function', 'onProgress', onProgress);
  if (signal !== undefined && !isSignal(signal)) {
    throw expected('BAD_ARGUMENT', 'an AbortSignal', 'signal', signal);
  }
  const sessionFor = (dim: number, metric: Subject['metric']) => {
    checkScales(scales, dim);
    const own = ownQueries(queries, dim, metric);
    const given = options.neighbours && ownNeighbours(options.neighbours, own.length, target.k);
    return new Session(own, target, budget, { ...request }, scales?.slice(), seed, onProgress, signal, given);
  };
  if (isIndex(search)) {
    if (scales !== undefined) throw expected('BAD_ARGUMENT', 'no scales for an index', 'scales', scales);
    const session = sessionFor(search.dim, search.metric);
    return { subject: new IndexSubject(search, session), session };
  }
  const searches = ownListOf(Array.isArray(search) ? search : [search], isSearch);
  if (searches === undefined || searches.length === 0) {
    throw expected('BAD_ARGUMENT', 'a FunnelIndex, a FunnelSearch, or an array of these', 'search', search);
  }
  return searchSubject(searches, request, signal, sessionFor);
}

function isIndex(search: unknown): search is FunnelIndex {
  return typeof (search as FunnelIndex | undefined)?.querySync === 'function';
}

function isSearch(search: unknown): search is FunnelSearchOn {
  return typeof (search as FunnelSearchOn | undefined)?.source?.head === 'function';
}

function checkScales(scales: unknown, dim: number): void {
  if (scales === undefined) return;
  const isLength = (scale: unknown): scale is number =>
    Number.isInteger(scale) && Number(scale) >= 1 && Number(scale) <= dim;
  const good = isListOf(scales, isLength);
  if (!good || scales.some((scale, s) => s > 0 && scale <= scales[s - 1]!)) {
    throw expected('BAD_ARGUMENT', `ascending prefix lengths of 1 to ${dim}`, 'scales', scales);
  }
}

export async function askExact(subject: Subject, session: Session): Promise<void> {
  session.truth = new Array(session.vectors.length);
  const done = await session.each(
    session.order,
    EXACT_AT_ONCE,
    'exact',
    async (some) => {
      const answers = await subject.exact(some);
      some.forEach((q, i) => {
        session.truth[q] = answers[i]!;
      });
    },
    0.3,
  );
  if (done < session.order.length) session.cutTo(done);
}

/** @throws FunnelError BAD_ID; BAD_ARGUMENT: they are none of this store */
async function takeGiven(
  subject: Subject,
  session: Session,
  { search, request = {} }: TuneOptions,
  given: readonly (readonly Id[])[],
): Promise<void> {
  const { using } = request;
  const first = Array.isArray(search) ? search[0] : search;
  const source = searchedSource(first, typeof using === 'string' || using === undefined ? using : using[0]);
  session.truth = await scoredNeighbours(source, session.vectors, given, session.signal);
  session.told('exact', 0, COMPARED);
  const some = session.some(COMPARED);
  const answers = await subject.exact(some);
  for (const [i, q] of some.entries()) {
    if (isBeaten(session.truth[q]!, answers[i]!, subject.metric)) {
      throw notTheBest(q, session.truth[q]!, answers[i]!);
    }
  }
  session.told('exact', COMPARED, COMPARED);
}

export function ruleFor({ target }: Session): Rule {
  return ruleOf(target.promise, target.recall, target.confidence, target.k === 1);
}

async function resultOf(
  subject: Subject,
  session: Session,
  choices: readonly Choice[],
  chosen: Chosen,
  rule: Rule,
  mayBeExact: boolean,
): Promise<TuneResult> {
  const { target } = session;
  const choice = choices[chosen.choice]!;
  const fit = await checkedCosts(subject, session, choices, chosen);
  const { plan: planTimes, exact: exactTimes } = await latencies(subject, session, choice);
  // Where the exact search is no slower than the plan, no plan is needed.
  const exactWins = mayBeExact && subject.truth !== 'index' && exactTimes.p50 <= planTimes.p50;
  const request: TunedRequest = exactWins ? { limit: target.k, mode: 'exact' } : choice.request;
  const { choosing, certifying } = chosen.losses;
  const [lossA, lossB] = [mean(choosing), mean(await subject.losses(chosen.choice, session.certifying))];
  const certain = { recall: 1, confidence: 1, method: 'exact' as const, n: 0, alone: 1 };
  const bound = {
    recall: chosen.promised,
    ...(target.promise !== 'expected' && { confidence: target.confidence }),
    method: rule.method,
    n: certifying.length,
    alone: chosen.alone,
  };
  return {
    request,
    ...(request.plan && { plan: request.plan }),
    ...(request.params && { params: request.params }),
    search: choice.search,
    target,
    bound: exactWins ? certain : bound,
    recall: exactWins ? { choosing: 1, certifying: 1 } : { choosing: 1 - lossA, certifying: 1 - lossB },
    latency: { plan: exactWins ? exactTimes : planTimes, exact: exactTimes },
    curve: await curveOf(subject, session, choices, chosen),
    chosen: chosen.choice,
    stages: await subject.stages(chosen.choice),
    ranks: subject.ranks(),
    traces: await tracesOf(subject, session, chosen.choice),
    cost: { unit: 'ms', fit, ...fitErrorOf(fit) },
    truth: subject.truth,
    by: subject.by,
    ...(!chosen.holds && !exactWins && { refused: tuneRefusal(chosen, rule, subject, session, exactTimes) }),
    fingerprint: await fingerprintOf(subject, session),
    ...(subject.head && { head: subject.head }),
  };
}

async function curveOf(
  subject: Subject,
  { choosing }: Session,
  choices: readonly Choice[],
  { frontier }: Chosen,
): Promise<TuneResult['curve']> {
  const curve: TuneResult['curve'] = [];
  for (const [c, { label, request, cost }] of choices.entries()) {
    const recall = 1 - mean(await subject.losses(c, choosing));
    curve.push({ label, request, recall, cost, frontier: frontier.includes(c) });
  }
  return curve;
}

/** Plans from all over the frontier, measured after their cost was predicted. */
export async function checkedCosts(
  subject: Subject,
  session: Session,
  choices: readonly Choice[],
  { choice, frontier }: Chosen,
): Promise<TuneResult['cost']['fit']> {
  const last = frontier.length - 1;
  const apart = Array.from({ length: CHECKED - 1 }, (_, i) => frontier[Math.round((i * last) / (CHECKED - 2))]!);
  const some = [...new Set([choice, ...apart])].map((c) => ({ ...choices[c]!, times: [] as number[] }));
  for (const [turn, query] of session.certifying.slice(0, CHECKS).entries()) {
    for (const one of some) {
      const ms = await subject.time(one.request, one.search, query);
      if (turn > 0 || session.certifying.length === 1) one.times.push(ms);
    }
  }
  return some
    .map(({ label, cost, times }) => ({ label, predicted: cost, measured: median(times) }))
    .sort((a, b) => a.predicted - b.predicted);
}

export function fitErrorOf(fit: TuneResult['cost']['fit']): { drift: number; error: number } {
  const drift = median(fit.map(({ predicted, measured }) => measured / predicted));
  return { drift, error: median(fit.map(({ predicted, measured }) => Math.abs((predicted * drift) / measured - 1))) };
}

/** In turns, so that both meet the same machine. */
async function latencies(
  subject: Subject,
  session: Session,
  { request, search }: Choice,
): Promise<{ plan: Latency; exact: Latency }> {
  const times = { plan: [] as number[], exact: [] as number[] };
  const queries = session.certifying.slice(0, TIMED);
  const exact: TunedRequest = { limit: session.target.k, mode: 'exact' };
  const { using } = request;
  for (const [turn, query] of [queries[0]!, ...queries].entries()) {
    session.told('measure', turn, queries.length + 1);
    const plan = await subject.time(request, search, query);
    const scan = await subject.time({ ...exact, ...(using !== undefined && { using }) }, search, query);
    if (turn === 0) continue;
    times.plan.push(plan);
    times.exact.push(scan);
  }
  const latency = (some: readonly number[]) => ({ p50: median(some), p95: quantile(some, 0.95), n: some.length });
  return { plan: latency(times.plan), exact: latency(times.exact) };
}

async function tracesOf(subject: Subject, session: Session, choice: number): Promise<QueryTrace[]> {
  const { order } = session;
  const losses = await subject.losses(choice, order);
  const byLoss = order
    .map((query, i) => ({ query, loss: losses[i]!, deepest: subject.deepest(query) }))
    .sort((a, b) => b.loss - a.loss || b.deepest - a.deepest || a.query - b.query);
  const hardest = byLoss.slice(0, HARDEST);
  const rest = byLoss.slice(HARDEST);
  const others = shuffled(rest.length, session.random).slice(0, OTHERS);
  const traces: QueryTrace[] = [];
  for (const { query } of [...hardest, ...others.map((i) => rest[i]!)]) traces.push(await subject.trace(choice, query));
  return traces;
}

async function fingerprintOf(subject: Subject, { order, truth }: Session): Promise<TuneResult['fingerprint']> {
  const hash = createHash('sha256');
  for (const q of [...order].sort((a, b) => a - b)) {
    const { ids, scores } = truth[q]!;
    hash.update(JSON.stringify([q, ids.map(String), scores]));
  }
  const rows = await subject.rows();
  return {
    queries: order.length,
    ...(rows !== undefined && { rows }),
    dim: subject.dim,
    metric: subject.metric,
    hash: hash.digest('hex'),
  };
}
