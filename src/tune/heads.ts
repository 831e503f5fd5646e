/** One head of a collection: its lists, deep once or as deep as each plan asks, and what plans over it lose. */

import type { Hit, Id } from '../core/types.js';
import type { Plan } from '../funnel/plan.js';
import { activeKernels } from '../kernels/load.js';
import type { SearchRequest } from '../query/request.js';
import type { FunnelSearchOn } from '../query/search.js';
import { layoutOf } from '../query/source/layouts.js';
import type { SourceInfo } from '../query/source/source.js';
import { mean } from './bounds.js';
import { spread } from './measure.js';
import { doublings, type PlanShape, planOf, poolSizes, shapesOf } from './plans.js';
import { lossIn, poolOf, type Replay, type ReplayPool, replayOf } from './replay.js';
import type { Session } from './session.js';

/** A place where stages run, and the plans that can run there. */
export interface Way {
  shapes: readonly PlanShape[];
  /** Undefined: the search's own. */
  stages?: 'server' | 'mirror' | 'client';
}

/** Queries that go to the source together. */
export const AT_ONCE = 8;
/** Queries of the choosing half that say how deep lists need be. */
const PROBES = 64;
/** Queries that say whether a short list is the beginning of a long one. */
const CHECKED = 16;
/** Sizes, where each is asked for. */
const COARSE = 1.5;

export class TunedHead {
  /** Prefix lengths of all plans. */
  readonly scales: number[];
  readonly shapes: PlanShape[];
  /** Candidates of the deepest lists. */
  depth = 0;
  /** Whether shorter lists are beginnings of the deepest. */
  replays = true;
  /** Sizes of pools that plans may have. */
  sizes: number[] = [];
  /** By size that was asked for, then by query. */
  readonly #pools = new Map<number, Map<number, ReplayPool>>();

  constructor(
    readonly search: FunnelSearchOn,
    readonly using: string | undefined,
    readonly info: SourceInfo,
    readonly session: Session,
  ) {
    const { dim, headDim } = info;
    const wanted = session.scales?.filter((scale) => scale > headDim && scale < dim);
    this.scales = wanted ? [...wanted, dim] : doublings(headDim, dim);
    this.shapes = shapesOf(this.scales);
  }

  /** Where the stages of plans are measured; several where that is to be chosen. */
  async ways(): Promise<Way[]> {
    const { search, info, session } = this;
    const here: Way = { shapes: this.shapes };
    if (search.stages !== 'auto' && search.stages !== 'server') return [here];
    const layout = layoutOf(search.source, this.using);
    const { signal } = session;
    const told = layout.funnel && (await layout.serverScales?.(signal ? { signal } : {}));
    if (told === undefined || told.metric !== info.metric || !told.scales.includes(info.dim)) return [here];
    const shapes = this.shapes.filter(({ scales }) => scales.every((scale) => told.scales.includes(scale)));
    const server: Way = { shapes, stages: 'server' };
    return search.stages === 'server' ? [server] : [{ ...here, stages: this.#here }, server];
  }

  /** On this side, where pools can be seen. */
  get #here(): 'mirror' | 'client' {
    return this.search.mirror !== undefined && this.search.stages !== 'client' ? 'mirror' : 'client';
  }

  /** A request of this head, beside what it asks for. */
  base(): Omit<SearchRequest, 'vector'> {
    const { using, session } = this;
    const { using: _, ...rest } = session.request;
    return {
      ...rest,
      ...(using !== undefined && { using }),
      ...(session.signal && { signal: session.signal }),
    };
  }

  plan(candidates: number, shape: PlanShape): Plan {
    return planOf(this.info.headDim, candidates, shape, this.session.target.k);
  }

  /** Finds how deep to go, whether one list does for all sizes, and what sizes plans may have. */
  async prepare(): Promise<void> {
    const { session } = this;
    const { k } = session.target;
    const most = session.budget.candidates;
    const some = session.some(PROBES);
    // An index that orders by full vectors has a list of its own for each size.
    this.replays = this.info.headDim < this.info.dim;
    let depth = Math.min(most, Math.max(128, 4 * k));
    while (depth < most && (await this.headLoss(depth, some)) > session.alpha / 4) depth = Math.min(most, 2 * depth);
    this.depth = Math.min(most, 2 * depth);
    if (this.replays) this.replays = await this.#listsAgree(session.some(CHECKED));
    this.sizes = this.replays ? poolSizes(k, this.depth) : spread(k, this.depth, COARSE);
  }

  /** Mean over the queries, of lists of this size. */
  async headLoss(size: number, queries: readonly number[]): Promise<number> {
    await this.ask(size, queries);
    const all = { scales: [this.info.dim], keep: [1] };
    const plan = replayOf(this.plan(size, all), this.info.dim, this.scales);
    return mean(queries.map((q) => lossIn(this.#pools.get(size)!.get(q)!, plan, this.#wanted(q))));
  }

  #wanted(query: number): number {
    return this.session.truth[query]!.ids.length;
  }

  /** Does asking for fewer candidates give the first of many? Graphs and partitions look further when asked for more. */
  async #listsAgree(queries: readonly number[]): Promise<boolean> {
    const { k } = this.session.target;
    const deep = await this.#ids(this.depth, queries);
    for (const size of new Set([this.depth >> 1, this.depth >> 2, this.depth >> 3].map((n) => Math.max(n, k)))) {
      const short = await this.#ids(size, queries);
      const same = short.every((ids, i) => {
        const first = new Set(deep[i]!.slice(0, ids.length));
        // Equal head scores may change places at the end.
        return ids.filter((id) => !first.has(id)).length <= ids.length / 100;
      });
      if (!same) return false;
    }
    return true;
  }

  async #ids(size: number, queries: readonly number[]): Promise<Id[][]> {
    const lists: Id[][] = [];
    for (let from = 0; from < queries.length; from += AT_ONCE) {
      const some = queries.slice(from, from + AT_ONCE);
      lists.push(...(await this.#lists(size, some, false)).map((hits) => hits.map(({ id }) => id)));
    }
    return lists;
  }

  /** Candidates, in the order of the head list. */
  async #lists(size: number, queries: readonly number[], vectors: boolean): Promise<Hit[][]> {
    const { session, using } = this;
    const plan = { ...this.plan(size, { scales: [this.info.dim], keep: [1] }), limit: size };
    // A source with several layouts gives vectors by name.
    const withVector = vectors && using !== undefined ? [using] : vectors;
    session.check();
    const asked = { ...this.base(), plan, withVector, stages: this.#here };
    const requests = queries.map((q) => ({ ...asked, vector: session.vectors[q]! }));
    const results = await this.search.queryBatch(requests);
    for (const { hits } of results) {
      hits.sort((a, b) => a.index - b.index);
      if (vectors && using !== undefined) for (const hit of hits) hit.vector = hit.vectors![using]!;
    }
    return results.map(({ hits }) => hits);
  }

  /** Lists of this size for these queries, where they are not there yet. @returns for how many of them they are now */
  async ask(size: number, queries: readonly number[], share?: number): Promise<number> {
    const pools = this.#pools.get(size) ?? new Map<number, ReplayPool>();
    this.#pools.set(size, pools);
    const { session, info } = this;
    return session.each(
      queries,
      AT_ONCE,
      'ask',
      async (some) => {
        const missing = some.filter((q) => !pools.has(q));
        if (missing.length === 0) return;
        const lists = await this.#lists(size, missing, true);
        missing.forEach((q, i) => {
          const truth = session.truth[q]!;
          const { metric } = info;
          pools.set(q, poolOf(activeKernels(), metric, session.vectors[q]!, lists[i]!, this.scales, truth));
        });
      },
      share,
    );
  }

  /** Everything that plans are replayed from. @returns how many of the queries are answered when the time is over */
  async askAll(queries: readonly number[]): Promise<number> {
    if (this.replays) return this.ask(this.depth, queries, 1);
    let done = queries.length;
    for (const [i, size] of this.sizes.entries()) {
      done = Math.min(done, await this.ask(size, queries.slice(0, done), 0.3 + (0.7 * (i + 1)) / this.sizes.length));
    }
    return done;
  }

  /** The pool that a plan of this size sees, and the plan over it. */
  pool(candidates: number, query: number): ReplayPool {
    return this.#pools.get(this.replays ? this.depth : candidates)!.get(query)!;
  }

  replay(plan: Plan): Replay {
    return replayOf(plan, this.info.dim, this.scales);
  }

  losses(plan: Plan, queries: readonly number[]): Float64Array {
    const replay = this.replay(plan);
    return Float64Array.from(queries, (q) => lossIn(this.pool(replay.candidates, q), replay, this.#wanted(q)));
  }

  /** Places of true neighbours in the deepest list. */
  places(query: number): Int32Array {
    return this.#pools.get(this.depth)!.get(query)!.places;
  }
}
