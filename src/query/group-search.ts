/** Groups over a source: pools are ranked until the groups that were asked for are found and filled. */
import { expected, FunnelError } from '../core/errors.js';
import { inSlices, type Sliced, sortedBy } from '../core/slices.js';
import { othersTurn, overdue } from '../core/turns.js';
import type { Hit, SearchStats } from '../core/types.js';
import { checkInteger } from '../core/validate.js';
import { MAX_POOL } from '../funnel/plan.js';
import type { FilterNode, Path } from './filter/ast.js';
import { valuesAt } from './filter/evaluate.js';
import { parsePath } from './filter/path.js';
import { compareKeys, type Group, type GroupKey, grouping, groupKeys } from './groups.js';
import { type CheckedLookup, checkedLookup, type Lookup, type LookupRow } from './lookup.js';
import { wholeNumber } from './numbers.js';
import { readParams } from './params.js';
import type { RankedPool, Ranker, Search } from './rank.js';
import { bothFilters, type CheckedOptions } from './request.js';
import { isSmallerBetter, passes, statsOf } from './result.js';
import { checkDepth } from './shared-keys.js';
import type { SourceInfo } from './source/source.js';

/** Options of groups. */
export interface GroupOptions {
  /** A path of the payload: `author`, `author.id`, `tags[].name`. Strings and integers group; an array fans out. */
  groupBy: string;
  /** Hits of a group. @default 3 */
  groupSize?: number;
  /** Put to each group the point of that id in another collection. */
  withLookup?: Lookup;
}

export const GROUP_KEYS = ['groupBy', 'groupSize', 'withLookup'] as const;

export interface CheckedGroups {
  path: Path;
  groupSize: number;
  lookup: CheckedLookup | undefined;
}

/** A group, and its best hits. */
export interface HitGroup {
  /** The value that its hits have at `groupBy`. */
  id: GroupKey;
  /** At most `groupSize`, best first. */
  hits: Hit[];
  /** Absent where no point has that id. */
  lookup?: LookupRow;
}

/** The answer of a search by groups. */
export interface GroupsResult {
  /** At most `limit`, by their best hit. */
  groups: HitGroup[];
  /** Statistics of the search. */
  stats: GroupSearchStats;
}

export interface GroupSearchStats extends SearchStats {
  /** Completeness of the groups, and the pools that they came from. */
  groups: {
    /** Whether these are the groups, and the hits, that all rows would give; otherwise they are best effort. */
    complete: boolean;
    /** Pools that were ranked. */
    pools: number;
    /** Rows in them, all together. */
    rows: number;
    /** Rows that a pool may have; undefined where nothing bounds it. */
    maxDepth: number | undefined;
  };
}

/** @throws FunnelError BAD_ARGUMENT */
export function checkedGroups({ groupBy, groupSize = 3, withLookup }: Partial<GroupOptions>): CheckedGroups {
  if (typeof groupBy !== 'string') throw expected('BAD_ARGUMENT', 'a path of the payload', 'groupBy', groupBy);
  const path = parsePath(groupBy, 'groupBy');
  checkInteger(groupSize, 1, 0xffff_ffff, 'groupSize');
  return { path, groupSize, lookup: checkedLookup(withLookup) };
}

/** Rows of a pool of a database, where nobody says. */
const MAX_DEPTH = 1000;
const FIRST_POOL = 128;
const GROWTH = 4;
/** More pools than these are too many: each is a search, by a filter that grows. */
const MANY_POOLS = 8;
/** Hits that are looked at between two turns of others. */
const HITS_AT_ONCE = 4096;

export interface FoundGroups {
  /** The page. */
  groups: Group<Hit>[];
  /** By hit: where its vector is. */
  origin: Map<Hit, RankedPool>;
  ranked: RankedPool[];
  stats: GroupSearchStats;
}

/** One request's way to its groups. */
export class GroupSearch {
  readonly #options: CheckedOptions;
  readonly #limit: number;
  readonly #wanted: number;
  /** Whether pools hold the best of all rows, proven so. */
  readonly #exact: boolean;
  readonly #most: number | undefined;
  readonly #ranked: RankedPool[] = [];
  readonly #origin = new Map<Hit, RankedPool>();

  constructor(
    private readonly ranker: Ranker,
    private readonly search: Search,
    private readonly own: CheckedGroups,
    private readonly info: SourceInfo,
  ) {
    const { options } = search;
    if (options.explain) {
      throw new FunnelError('UNSUPPORTED', 'Expected no explain for groups, which have many pools: explain a query()');
    }
    this.#options = options;
    this.#exact = options.exact && ranker.source.certifies === true;
    this.#limit = options.limit ?? 10;
    const offset = options.offset ?? 0;
    this.#wanted = offset + this.#limit;
    // Pages have the same pool, whatever their limits are.
    const most = options.paged ? MAX_DEPTH : Math.max(MAX_DEPTH, this.#first);
    const usual = this.#exact ? undefined : most;
    const allowed = info.mostCandidates ?? Number.POSITIVE_INFINITY;
    if (options.maxDepth !== undefined && options.maxDepth > allowed) {
      const what = `at most ${allowed}, which is all that ${ranker.source.name} lets one search ask for,`;
      throw expected('BAD_PLAN', what, 'maxDepth', options.maxDepth);
    }
    this.#most = options.maxDepth ?? (usual === undefined ? info.mostCandidates : Math.min(usual, allowed));
    if (this.#most !== undefined) checkDepth(offset, this.#limit, this.#most);
  }

  get #first(): number {
    return Math.min(MAX_POOL, Math.max(FIRST_POOL, GROWTH * this.#limit * this.own.groupSize));
  }

  async run(kernels: string): Promise<FoundGroups> {
    const found = this.#exact ? await this.#certain() : await this.#bestEffort();
    const { offset = 0 } = this.#options;
    const groups = found.groups.slice(offset, offset + this.#limit);
    const filled = await this.#fill(groups, found.unfilled);
    const first = this.#ranked[0]!;
    // Which groups a page has is the pool's to say, so that pages fit together; their own searches may have found better hits.
    const sign = isSmallerBetter(first) ? 1 : -1;
    const sorted = await inSlices(
      sortedBy(groups, (a, b) => sign * (a.hits[0]!.score - b.hits[0]!.score) || compareKeys(a.key, b.key)),
    );
    const rows = this.#ranked.reduce((sum, { prepared }) => sum + prepared.matrix.count, 0);
    const stats: GroupSearchStats = {
      ...statsOf(first, kernels, []),
      groups: { complete: found.complete && filled, pools: this.#ranked.length, rows, maxDepth: this.#most },
    };
    return { groups: sorted, origin: this.#origin, ranked: this.#ranked, stats };
  }

  /**
   * Each pool leaves out what only has keys that were found, so that a large group cannot hide the others. Pools grow
   * where others of this size would be many.
   */
  async #certain() {
    const found = new Map<GroupKey, Group<Hit>>();
    const unfilled = new Set<GroupKey>();
    // Groups mostly have at least one row each; one more tells whether the last is sure.
    for (let pool = this.#cut(Math.max(this.#first, this.#wanted + 1)); ; ) {
      const ranked = await this.#pool(this.#unseen([...found.keys()]), pool);
      const here = (await this.#grouped(ranked)).filter(({ key }) => !found.has(key));
      const last = this.#ended(ranked) ? undefined : ranked.hits.at(-1)!.score;
      const sure = here.filter(({ hits }) => last === undefined || hits[0]!.score !== last);
      if (overdue()) await othersTurn();
      for (const group of sure) found.set(group.key, group);
      if (overdue()) await othersTurn();
      if (last !== undefined) {
        for (const { key, size } of sure) if (size < this.own.groupSize) unfilled.add(key);
      }
      const complete = last === undefined || found.size >= this.#wanted;
      const stuck = sure.length === 0 && pool === this.#cut(MAX_POOL);
      if (complete || stuck) return { groups: [...found.values()], unfilled, complete };
      if (this.#wanted - found.size > MANY_POOLS * sure.length) pool = this.#cut(pool * GROWTH);
    }
  }

  /** Pages have one pool, whichever they are; without, it grows as far as is needed. */
  async #bestEffort() {
    const { paged } = this.#options;
    for (let pool = paged ? this.#most! : this.#cut(this.#first); ; pool = this.#cut(pool * GROWTH)) {
      const ranked = await this.#pool(undefined, pool);
      const groups = await this.#grouped(ranked);
      const ended = this.#ended(ranked);
      if (ended || groups.length >= this.#wanted || pool >= this.#most!) {
        const page = groups.slice(0, this.#wanted);
        const unfilled = new Set(page.filter(({ size }) => !ended && size < this.own.groupSize).map(({ key }) => key));
        return { groups, unfilled, complete: ranked.exhausted && (await this.#isAll(ranked)) };
      }
    }
  }

  /** An index that approximates may answer less than was asked for, and still not all: only a count tells. */
  async #isAll({ prepared, answer }: RankedPool): Promise<boolean> {
    const { nativeFilter, params, timeout, signal } = this.#options;
    const { filter } = this.search;
    const rows = await this.ranker.source.count?.({
      ...(filter && { filter }),
      ...(nativeFilter !== undefined && { nativeFilter }),
      ...readParams(params),
      ...(timeout !== undefined && { timeout }),
      ...(signal !== undefined && { signal }),
    });
    return rows === prepared.matrix.count + (answer.lacking?.length ?? 0);
  }

  /**
   * Hits of the groups that a pool left short, each from a pool of its own. False where some may be missing still. Groups that
   * a filter of the database has no form for stay as they are.
   */
  async #fill(groups: readonly Group<Hit>[], unfilled: ReadonlySet<GroupKey>): Promise<boolean> {
    const { groupSize } = this.own;
    let short = groups.filter(({ key }) => unfilled.has(key));
    let complete = true;
    for (let pool = this.#cut(GROWTH * groupSize); short.length > 0; ) {
      let ranked: RankedPool[];
      try {
        ranked = await this.#pools(
          short.map(({ key }) => this.#only(key)),
          pool,
        );
      } catch (error) {
        // A database that cannot compare this key: what was found stays.
        if (!(error instanceof FunnelError && error.code === 'UNSUPPORTED') || this.#exact) throw error;
        const others = short.filter(({ key }) => typeof key !== 'bigint');
        if (others.length === short.length) return false;
        short = others; // larger integers than it compares may be all that it lacks
        complete = false;
        continue;
      }
      const left: Group<Hit>[] = [];
      for (const [i, group] of short.entries()) {
        if (overdue()) await othersTurn();
        await this.#append(group, ranked[i]!);
        if (group.size < groupSize && !this.#ended(ranked[i]!)) left.push(group);
      }
      short = left;
      if (pool === this.#cut(MAX_POOL) || (!this.#exact && pool >= FIRST_POOL)) return complete && short.length === 0;
      pool = this.#cut(pool * GROWTH);
    }
    return complete;
  }

  /** Adds the hits that a pool for one group alone found to those known before, and keeps the best of both. */
  async #append(group: Group<Hit>, ranked: RankedPool): Promise<void> {
    const more = (await inSlices(this.#good(ranked))).filter((hit) => this.#keysOf(hit, ranked).includes(group.key));
    const hits = new Map([...more, ...group.hits].map((hit) => [hit.id, hit]));
    const sign = isSmallerBetter(ranked) ? 1 : -1;
    const best = [...hits.values()].sort((a, b) => sign * (a.score - b.score));
    group.hits = best.slice(0, this.own.groupSize);
    group.size = best.length;
  }

  #cut(pool: number): number {
    return Math.min(pool, this.#most ?? MAX_POOL);
  }

  async #pool(filter: FilterNode | undefined, pool: number): Promise<RankedPool> {
    return (await this.#pools([filter], pool))[0]!;
  }

  async #pools(filters: readonly (FilterNode | undefined)[], pool: number): Promise<RankedPool[]> {
    const fitted = filters.map((filter) =>
      this.ranker.fit({ ...this.search, filter: bothFilters(this.search.filter, filter), pool }, this.info),
    );
    const ranked = await this.ranker.rank(fitted, this.info);
    this.#ranked.push(...ranked);
    return ranked;
  }

  async #grouped(ranked: RankedPool): Promise<Group<Hit>[]> {
    const good = await inSlices(this.#good(ranked));
    return inSlices(grouping(good, (hit) => this.#keysOf(hit, ranked), this.own.groupSize));
  }

  *#good(ranked: RankedPool): Sliced<Hit[]> {
    const good = ranked.hits.filter(passes(isSmallerBetter(ranked), this.#options.scoreThreshold));
    for (const [i, hit] of good.entries()) {
      if (i % HITS_AT_ONCE === HITS_AT_ONCE - 1) yield;
      this.#origin.set(hit, ranked);
    }
    return good;
  }

  /** @throws FunnelError BAD_RESPONSE */
  #keysOf({ payload, id }: Hit, { answer: { exactBelow = 2 ** 53 } }: RankedPool): GroupKey[] {
    return groupKeys(valuesAt(payload, this.own.path), (value) => {
      if (Math.abs(value) < exactBelow) return wholeNumber(value);
      // No database has such integers: it is a fraction to them.
      if (Math.abs(value) >= 2 ** 64) return undefined;
      throw new FunnelError(
        'BAD_RESPONSE',
        `Expected integers as they are stored for groupBy ${JSON.stringify(this.own.path.text)} but received ${value} ` +
          `in point ${id} of ${this.ranker.source.name}, which may be another one, rounded on its way: group by strings, ` +
          "on Qdrant read over gRPC or with decode: 'fast', on Milvus by an Int64 field",
      );
    });
  }

  /** Whether the rows that a pool lacks could be no hits at all. */
  #ended(ranked: RankedPool): boolean {
    const last = ranked.hits.at(-1);
    return (
      ranked.exhausted || last === undefined || !passes(isSmallerBetter(ranked), this.#options.scoreThreshold)(last)
    );
  }

  /**
   * A filter for rows that may have another key. Each type has its own: a row of both passes, which only costs a place
   * in the pool.
   */
  #unseen(seen: readonly GroupKey[]): FilterNode | undefined {
    const { path } = this.own;
    const isText = (key: GroupKey) => typeof key === 'string';
    const lists = [seen.filter(isText), seen.filter((key) => !isText(key))]; // one type each
    const nodes = lists
      .filter((values) => values.length > 0)
      .map((values): FilterNode => ({ op: 'except', path, values }));
    return nodes.length === 0 ? undefined : { op: 'and', nodes };
  }

  #only(key: GroupKey): FilterNode {
    return { op: 'match', path: this.own.path, values: [key] };
  }
}

/** Groups or hits that are put together between two turns of others. */
const AT_ONCE = 1024;

/** Groups as they are told, without rows that are gone; those that are left with none are left out. */
export function* toldGroups(
  groups: readonly { key: HitGroup['id']; hits: readonly Hit[] }[],
  hitOf: (hit: Hit) => Hit,
  gone: ReadonlySet<Hit['id']>,
  rows: ReadonlyMap<HitGroup['id'], LookupRow> | undefined,
): Sliced<HitGroup[]> {
  const told: HitGroup[] = [];
  for (const { key, hits: ranked } of groups) {
    const some = gone.size === 0 ? ranked : ranked.filter(({ id }) => !gone.has(id));
    if (some.length === 0) continue;
    const row = rows?.get(key);
    if (told.push({ id: key, hits: some.map(hitOf), ...(row && { lookup: row }) }) % AT_ONCE === 0) yield;
  }
  return told;
}

/** A point may stand in several groups. */
export function* hitsOfGroups<Hit>(groups: readonly { hits: Hit[] }[]): Sliced<Set<Hit>> {
  const all = new Set<Hit>();
  for (const { hits } of groups) {
    for (const hit of hits) if (all.add(hit).size % AT_ONCE === 0) yield;
  }
  return all;
}

/** Hits by the pool that each comes from. */
export function* hitsByPool<Hit, Pool>(hits: Iterable<Hit>, origin: ReadonlyMap<Hit, Pool>): Sliced<Map<Pool, Hit[]>> {
  const pools = new Map<Pool, Hit[]>();
  let placed = 0;
  for (const hit of hits) {
    if (++placed % AT_ONCE === 0) yield;
    const pool = origin.get(hit)!;
    const some = pools.get(pool);
    if (some === undefined) pools.set(pool, [hit]);
    else some.push(hit);
  }
  return pools;
}
