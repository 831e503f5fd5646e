/** A FunnelSearch, or several with other heads over one collection, as what is tuned. */
import { expected, FunnelError } from '../core/errors.js';
import type { Metric } from '../kernels/kernels.js';
import type { SearchRequest } from '../query/request.js';
import type { FunnelSearchOn } from '../query/search.js';
import { layoutOf } from '../query/source/layouts.js';
import type { SourceInfo } from '../query/source/source.js';
import { mean } from './bounds.js';
import { TunedHead, type Way } from './heads.js';
import { spread } from './measure.js';
import { labelOf } from './plans.js';
import { lossesByStage, replay } from './replay.js';
import { SearchCost, type Timed } from './search-cost.js';
import { deepestOf, type Session, type Truth } from './session.js';
import type { Choice, Subject } from './subject.js';
import type { NeighbourStanding, QueryTrace, StageLoss, TunedRequest, TuneRequest, TuneResult } from './types.js';

/** Searches measured for each plan that the cost model is fitted to: as many as there is time for. */
const TIMED = 100;
const TIMED_AT_LEAST = 12;
const TIMED_MS = 1000;
/** A scale before the last one is looked at only if it saves this share of the whole search. */
const WORTH = 0.02;
/** Sizes of the pool that are measured: so many times the one before. */
const APART = 2.5;
/** Queries that tell whether several heads have the same full vectors. */
const COMPARED = 16;

/**
 * @param sessionFor what goes on once the dims are known
 * @throws FunnelError what the source throws; BAD_ARGUMENT for heads of different collections
 */
export async function searchSubject(
  searches: readonly FunnelSearchOn[],
  { using }: TuneRequest,
  signal: AbortSignal | undefined,
  sessionFor: (dim: number, metric: Metric) => Session,
): Promise<{ subject: Subject; session: Session }> {
  const names = Array.isArray(using) ? (using as readonly string[]) : [using as string | undefined];
  const found: { search: FunnelSearchOn; place: number; name: string | undefined; info: SourceInfo }[] = [];
  for (const [place, search] of searches.entries()) {
    if (search.search === 'mirror') {
      throw new FunnelError(
        'UNSUPPORTED',
        `Expected a search whose heads ${search.source.name} searches but received one with search: 'mirror': tune the index`,
      );
    }
    for (const name of names) {
      const info = await layoutOf(search.source, name).info({ signal });
      found.push({ search, place, name, info });
    }
  }
  if (found.length === 0) throw expected('BAD_ARGUMENT', 'a name, or several', 'request.using', using);
  const first = found[0]!.info;
  for (const { info, search } of found) {
    if (info.dim === first.dim && info.metric === first.metric) continue;
    throw new FunnelError(
      'BAD_ARGUMENT',
      `Expected heads of one collection but ${search.source.name} has ${info.dim} dims and metric ${info.metric}, ` +
        `the first ${first.dim} and ${first.metric}`,
    );
  }
  const session = sessionFor(first.dim, first.metric);
  const heads = found.map(({ search, name, info }) => new TunedHead(search, name, info, session));
  return {
    subject: new SearchSubject(
      heads,
      found.map(({ place }) => place),
      session,
    ),
    session,
  };
}

class SearchSubject implements Subject {
  readonly dim: number;
  readonly metric: Metric;
  truth: TuneResult['truth'] = 'index';
  readonly #choices: { choice: Choice; head: TunedHead; known: Float64Array }[] = [];

  constructor(
    readonly heads: readonly TunedHead[],
    readonly places: readonly number[],
    readonly session: Session,
  ) {
    const { dim, metric } = heads[0]!.info;
    this.dim = dim;
    this.metric = metric;
  }

  get by(): TuneResult['by'] {
    return this.heads.every(({ replays }) => replays) ? 'replay' : 'ask';
  }

  get head(): TuneResult['head'] {
    return { dims: this.heads[0]!.info.headDim, dim: this.dim };
  }

  exact(queries: readonly number[]): Promise<Truth[]> {
    return this.#exact(this.heads[0]!, queries);
  }

  async #exact(head: TunedHead, queries: readonly number[]): Promise<Truth[]> {
    const { vectors, target } = this.session;
    const requests = queries.map(
      (q): SearchRequest => ({ ...head.base(), vector: vectors[q]!, limit: target.k, mode: 'exact' }),
    );
    const results = await head.search.queryBatch(requests);
    if (head === this.heads[0]) this.truth = results[0]?.stats.exact ?? this.truth;
    return results.map(({ hits }) => ({ ids: hits.map(({ id }) => id), scores: hits.map(({ score }) => score) }));
  }

  async choices(): Promise<Choice[]> {
    const { session } = this;
    await this.#compareHeads();
    for (const head of this.heads) {
      await head.prepare();
      const done = await head.askAll(session.order);
      if (done < session.order.length) session.cutTo(done);
    }
    for (const [h, head] of this.heads.entries()) {
      for (const way of await head.ways()) await this.#chooseAmong(head, h, way);
    }
    return this.#choices.map(({ choice }) => choice);
  }

  async #chooseAmong(head: TunedHead, h: number, way: Way): Promise<void> {
    const { session } = this;
    const cost = await this.#costOf(head, h, way);
    for (const shape of way.shapes) {
      for (const size of head.sizes.toReversed()) {
        const plan = head.plan(size, shape);
        const ms = cost.of(plan);
        // Next to transport the kernels often cost nothing.
        if (shape.scales.length > 1 && ms > (1 - WORTH) * cost.of(head.plan(size, way.shapes[0]!))) continue;
        const request = this.#request(head, plan, way);
        const label = this.#label(head, plan, way);
        const choice = { label, request, cost: ms, search: this.places[h]! };
        const known = new Float64Array(session.vectors.length).fill(Number.NaN);
        this.#choices.push({ choice, head, known });
        if (shape.scales.length === 1) continue;
        // Smaller pools only lose more; the plainest shape is drawn whole.
        const losses = await this.losses(this.#choices.length - 1, session.choosing);
        if (mean(losses) > 3 * session.alpha) break;
      }
    }
  }

  #request({ using }: TunedHead, plan: TunedRequest['plan'], { stages }: Way): TunedRequest {
    return {
      limit: this.session.target.k,
      plan: plan!,
      ...(stages !== undefined && { stages }),
      ...(using !== undefined && { using }),
    };
  }

  #label({ using }: TunedHead, plan: NonNullable<TunedRequest['plan']>, { stages }: Way): string {
    const label = stages === undefined ? labelOf(plan) : `${labelOf(plan)}, stages: ${stages}`;
    return using === undefined ? label : `${using}: ${label}`;
  }

  /** Heads to choose among must lead to the same answers. */
  async #compareHeads(): Promise<void> {
    const some = this.session.some(COMPARED);
    for (const head of this.heads.slice(1)) {
      const other = await this.#exact(head, some);
      other.forEach(({ scores }, i) => {
        const mine = this.session.truth[some[i]!]!.scores;
        if (scores.every((score, r) => Math.abs(score - mine[r]!) <= 1e-6 * Math.max(1, Math.abs(score)))) return;
        throw new FunnelError(
          'BAD_ARGUMENT',
          `Expected heads of the same full vectors but ${head.search.source.name} answers queries[${some[i]}] otherwise`,
        );
      });
    }
  }

  /** Measures plans of all sizes and shapes, in turns. */
  async #costOf(head: TunedHead, h: number, way: Way): Promise<SearchCost> {
    const { session } = this;
    const all = { scales: [this.dim], keep: [1] };
    const plans = spread(session.target.k, head.depth, APART).map((size) => head.plan(size, all));
    for (const shape of way.shapes.filter(({ scales }) => scales.length > 1)) {
      plans.push(head.plan(head.depth, shape), head.plan(Math.max(session.target.k, head.depth >> 2), shape));
    }
    const queries = session.some(TIMED);
    const timed: Timed[] = [];
    const began = performance.now();
    for (const [turn, query] of [queries[0]!, ...queries].entries()) {
      session.told('measure', turn, queries.length + 1);
      if (turn > TIMED_AT_LEAST && performance.now() - began > TIMED_MS) break;
      for (const plan of plans) {
        const one = await this.#timed(this.#request(head, plan, way), this.places[h]!, query);
        if (turn > 0) timed.push({ plan, ...one }); // the first turn is of cold caches
      }
    }
    return new SearchCost(timed);
  }

  async #timed(request: TunedRequest, search: number, query: number): Promise<{ ms: number; funnelMs: number }> {
    const head = this.heads[this.places.indexOf(search)]!;
    const vector = this.session.vectors[query]!;
    this.session.check();
    const began = performance.now();
    const { stats } = await head.search.query({ ...head.base(), ...request, vector });
    const ms = performance.now() - began;
    return { ms, funnelMs: stats.stages.find(({ name }) => name === 'funnel')?.ms ?? 0 };
  }

  async time(request: TunedRequest, search: number, query: number): Promise<number> {
    return (await this.#timed(request, search, query)).ms;
  }

  async losses(choice: number, queries: readonly number[]): Promise<Float64Array> {
    const { head, choice: one, known } = this.#choices[choice]!;
    const missing = queries.filter((q) => Number.isNaN(known[q]!));
    head.losses(one.request.plan!, missing).forEach((loss, i) => {
      known[missing[i]!] = loss;
    });
    return Float64Array.from(queries, (q) => known[q]!);
  }

  async stages(choice: number): Promise<StageLoss[]> {
    const { head, choice: one } = this.#choices[choice]!;
    const plan = one.request.plan!;
    const over = head.replay(plan);
    const { truth, order } = this.session;
    let wanted = 0;
    const lost = new Float64Array(plan.scales.length);
    const out = new Float64Array(plan.scales.length);
    for (const q of order) {
      const pool = head.pool(plan.candidates!, q);
      wanted += truth[q]!.ids.length;
      lossesByStage(pool, over, truth[q]!.ids.length).forEach((count, s) => {
        lost[s]! += count;
      });
      replay(over, pool, (s, _, count) => {
        out[s + 1]! += count;
      });
    }
    return [`head ${head.info.headDim}`, ...plan.scales.slice(0, -1).map((scale) => `scale ${scale}`)].map(
      (name, s) => ({ name, out: out[s]! / order.length, lost: wanted === 0 ? 0 : lost[s]! / wanted }),
    );
  }

  ranks(): number[] {
    return this.session.order.flatMap((q) => Array.from(this.heads[0]!.places(q)));
  }

  deepest(query: number): number {
    return deepestOf(this.heads[0]!.places(query));
  }

  async trace(choice: number, query: number): Promise<QueryTrace> {
    const { head, choice: one } = this.#choices[choice]!;
    const plan = one.request.plan!;
    const over = head.replay(plan);
    const { ids, scores } = this.session.truth[query]!;
    const pool = head.pool(plan.candidates!, query);
    const places = head.places(query);
    const neighbours = ids.map(
      (id, i): NeighbourStanding => ({
        id: String(id),
        score: scores[i]!,
        headRank: places[i]!,
        ranks: [],
        lostAt: -1,
      }),
    );
    let before = new Uint8Array(pool.count);
    replay(over, pool, (s, alive, _) => {
      neighbours.forEach((standing, i) => {
        if (standing.lostAt !== -1) return;
        const place = pool.places[i]!;
        if (s >= 0) standing.ranks.push(rankAmong(pool.orders[over.scales[s]!]!, before, place));
        if (place === -1 || alive[place] === 0) standing.lostAt = s + 1;
      });
      before = alive.slice(0, pool.count);
    });
    neighbours.forEach((standing, i) => {
      if (standing.lostAt !== -1) return;
      standing.ranks.push(rankAmong(pool.orders[over.scales.at(-1)!]!, before, pool.places[i]!));
    });
    const [loss] = head.losses(plan, [query]);
    return { query, recall: 1 - loss!, neighbours };
  }

  async rows(): Promise<number | undefined> {
    const [head] = this.heads;
    const { signal } = this.session;
    return layoutOf(head!.search.source, head!.using).count?.({ signal });
  }
}

/** Its place among those that are marked. */
function rankAmong(order: Uint16Array, marked: Uint8Array, place: number): number {
  let rank = 0;
  for (const one of order) {
    if (one === place) return rank;
    rank += marked[one]!;
  }
  return -1;
}
