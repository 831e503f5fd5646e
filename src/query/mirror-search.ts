/** Searches that run on a mirror: which of them can, what they ask of the database after that, and what stats tell. */
import { expected, FunnelError } from '../core/errors.js';
import type { Id, MirrorStats, SearchStats } from '../core/types.js';
import type { Kernels } from '../kernels/kernels.js';
import { coversPath, coversSelection, uncovered } from './coverage.js';
import type { Path } from './filter/ast.js';
import { type Mirror, type MirrorMark, type SearchableMirror, searchableMirror } from './mirror.js';
import type { MirrorOptions, Route, WithoutPayload } from './mirror-options.js';
import { MirrorSource } from './mirror-source.js';
import type { PayloadSelector } from './payload.js';
import { Ranker } from './rank.js';
import type { CheckedOptions } from './request.js';
import { depthOf } from './shared-keys.js';
import { narrows } from './source/scope.js';
import type { Source } from './source/source.js';
import type { Stages } from './stage-options.js';

/** @throws FunnelError BAD_ARGUMENT */
export function checkMirrorOptions({ search, maxAge, fallback }: MirrorOptions, mirror: Mirror | undefined): void {
  if (search !== undefined && search !== 'source' && search !== 'mirror') {
    throw expected('BAD_ARGUMENT', "'source' or 'mirror'", 'search', search);
  }
  if (search === 'mirror') searchableMirror(mirror);
  for (const [key, value] of Object.entries({ maxAge, fallback })) {
    if (value !== undefined && search !== 'mirror') {
      throw expected('BAD_ARGUMENT', "nothing without search: 'mirror'", key, value);
    }
  }
  if (maxAge !== undefined && !(typeof maxAge === 'number' && maxAge >= 0)) {
    throw expected('BAD_ARGUMENT', 'milliseconds, 0 or more,', 'maxAge', maxAge);
  }
  if (fallback !== undefined && fallback !== 'source' && fallback !== 'fail') {
    throw expected('BAD_ARGUMENT', "'source' or 'fail'", 'fallback', fallback);
  }
}

/** @throws FunnelError BAD_ARGUMENT: beside search: 'mirror' the database runs none */
export function checkMirrorStages(stages: Stages | undefined): void {
  if (stages === 'server') {
    throw expected('BAD_ARGUMENT', "no stages: 'server' beside search: 'mirror'", 'stages', stages);
  }
}

/** The kinds of params that an index acts on. */
const PARAMS: readonly string[] = ['exact', 'probes'];

export class MirrorSearch {
  readonly #ranker: Ranker;
  readonly #own: SearchableMirror;

  constructor(
    readonly source: Source,
    readonly mirror: Mirror,
    readonly given: MirrorOptions,
    kernels: () => Kernels,
    /** By the database, with the mirror for vectors or without it. */
    readonly elsewhere: (withMirror: boolean) => Ranker,
  ) {
    this.#own = searchableMirror(mirror);
    const rows = new MirrorSource(source, mirror, this.#own);
    this.#ranker = new Ranker(rows, undefined, kernels, undefined, {
      stages: 'auto',
      rescore: true,
    });
  }

  /**
   * @param plan of the search
   * @param by strategies score more rows than are wanted
   * @throws FunnelError STALE, UNSUPPORTED, TOO_DEEP; BAD_ARGUMENT: stages of the database
   */
  route(options: CheckedOptions, plan: CheckedOptions['plan'], by: { strategy: boolean; groupBy?: Path }): Route {
    checkMirrorStages(options.stages);
    const mark = this.#own.mark();
    const told: Partial<MirrorStats> = { searched: 'mirror' };
    if (mark !== undefined) {
      const { source, at, rows } = mark;
      told.mark = { source, at, rows };
      told.age = Math.max(0, Date.now() - at);
    }
    const stale = this.#stale(mark, told.age);
    if (stale !== undefined) return this.#fallBack('STALE', stale, options, false, told);
    const kept = mark?.withPayload ?? false;
    const reason = this.#impossible(options, kept, by.groupBy);
    if (reason !== undefined) return this.#fallBack('UNSUPPORTED', reason, options, true, told);
    const { withPayload = false } = options;
    const deeper = by.strategy || by.groupBy !== undefined;
    const covered = coversSelection(kept, withPayload);
    const payloads = covered ? false : withPayload;
    const own = { ...options, plan: planFor(options, plan, this.mirror.dim, deeper) };
    if (!covered) own.withPayload = false;
    own.stages = 'auto'; // all of them run where the search does
    return { ranker: this.#ranker, options: own, payloads, told };
  }

  #fallBack(
    code: 'STALE' | 'UNSUPPORTED',
    reason: string,
    options: CheckedOptions,
    withMirror: boolean,
    told: Partial<MirrorStats>,
  ): Route {
    if (this.given.fallback === 'fail') {
      const remedy = code === 'STALE' ? 'sync it, or follow() the collection' : 'ask without it';
      throw new FunnelError(
        code,
        `Expected a search that the mirror can answer but ${reason}: ${remedy}, or leave out fallback: 'fail'`,
      );
    }
    const ranker = this.elsewhere(withMirror);
    const stages = options.stages === 'mirror' && !withMirror ? 'auto' : options.stages;
    return { ranker, options: { ...options, stages }, payloads: false, told: { ...told, searched: 'source', reason } };
  }

  /** Why no search may run on the mirror now. */
  #stale(mark: MirrorMark | undefined, age: number | undefined): string | undefined {
    const { source, mirror, given } = this;
    if (mark === undefined) {
      if (this.#own.cut())
        return "a sync of the mirror was begun and not completed, or left rows that are not the source's";
      if (given.maxAge !== undefined) return 'no sync of the mirror was completed, so that nobody knows its age';
      if (mirror.idKind === undefined) return 'the mirror is empty, and no sync of it was completed';
      return narrows(source.scope) ? `no sync filled the mirror through the filter of ${source.name}` : undefined;
    }
    if (mark.source !== source.name) return `the mirror was synced from ${mark.source}, not from ${source.name}`;
    if (mark.scope !== source.scope) {
      const other = 'through another filter of the source, or from another index of that name';
      return `the mirror was synced from ${source.name} ${other}`;
    }
    if (given.maxAge === undefined || age! <= given.maxAge) return undefined;
    return `the mirror is ${age} ms old, more than maxAge (${given.maxAge} ms)`;
  }

  /** Why the mirror cannot do this search. */
  #impossible(
    { filter, nativeFilter, params }: CheckedOptions,
    kept: PayloadSelector,
    groupBy: Path | undefined,
  ): string | undefined {
    if (nativeFilter !== undefined) return "nativeFilter is in the database's own form";
    const foreign = Object.entries(params ?? {}).find(([key, value]) => value !== undefined && !PARAMS.includes(key));
    if (foreign) return `params.${foreign[0]} is the database's`;
    const path = uncovered(kept, filter);
    if (path !== undefined) return `the filter looks at ${JSON.stringify(path)}, which the mirror does not keep`;
    if (groupBy === undefined || coversPath(kept, groupBy.steps)) return undefined;
    return `groupBy looks at ${JSON.stringify(groupBy.text)}, which the mirror does not keep`;
  }
}

/**
 * Heads of plans are the database's: here the index finds rows by its own. Without a plan its scores over all dims decide, of
 * as many rows as its own queries score.
 */
function planFor(
  options: CheckedOptions,
  plan: CheckedOptions['plan'],
  dim: number,
  deeper: boolean,
): CheckedOptions['plan'] {
  const given = options.plan ?? plan;
  if (given !== undefined) return { ...given, head: undefined };
  if (options.exact || deeper) return undefined;
  const candidates = candidatesFor(depthOf(options, options.limit ?? 10));
  return { head: undefined, candidates, scales: [dim], keep: [1], metric: undefined, limit: undefined };
}

/** Rows that an index scores in full for so many hits. */
function candidatesFor(depth: number): number {
  return Math.max(32, 2 * depth);
}

/** Puts where the search ran into its stats. */
export function tellMirror(stats: SearchStats, told: Partial<MirrorStats> | undefined): void {
  if (told === undefined) return;
  const found = stats.stages[0]!.out;
  const counts = { found: told.searched === 'mirror' ? found : 0, fetched: 0, gone: 0 };
  if (told.searched === 'mirror') {
    stats.vectorsFrom = 'mirror';
    stats.ran = { on: 'mirror', why: 'the mirror searched' };
  }
  // A copy by spreading that gets keys which it had not takes microseconds.
  stats.mirror = Object.assign(counts, stats.mirror, told);
}

/**
 * Payloads of final hits, in one call for all that are wanted alike; points that the collection does not have any more are
 * counted. @returns their ids
 */
export async function addFromSource(all: readonly WithoutPayload[], source: Source): Promise<Set<Id>> {
  const gone = new Set<Id>();
  const alike = new Map<string, WithoutPayload[]>();
  for (const one of all) {
    const { payloads, options } = one.route;
    if (payloads === false || one.hits.length === 0) continue;
    const key = JSON.stringify([payloads, options.timeout]);
    alike.set(key, [...(alike.get(key) ?? []), one]);
  }
  for (const some of alike.values()) {
    const { payloads: withPayload, options } = some[0]!.route;
    const { timeout, signal } = options;
    const began = performance.now();
    const found = new Map<Id, unknown>();
    const ids = [...new Set(some.flatMap(({ hits }) => hits.map(({ id }) => id)))];
    // A call has one kind of id.
    for (const kind of new Set(ids.map((id) => typeof id))) {
      const { rows } = await source.fetch({
        ids: ids.filter((id) => typeof id === kind),
        withPayload,
        vectors: false,
        ...(timeout !== undefined && { timeout }),
        ...(signal !== undefined && { signal }),
      });
      rows.ids.forEach((id, i) => void found.set(id, rows.payloads?.[i] ?? {}));
    }
    const ms = performance.now() - began;
    for (const { hits, stats } of some) {
      const left = hits.filter(({ id }) => found.has(id));
      for (const hit of left) hit.payload = found.get(hit.id);
      for (const { id } of hits) if (!found.has(id)) gone.add(id);
      stats.stages.push({ name: 'payloads', in: hits.length, out: left.length, ms });
      stats.mirror!.gone += hits.length - left.length;
    }
  }
  return gone;
}
