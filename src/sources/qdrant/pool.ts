/** Pools under a filter: the graph of a collection may hide most of the points that pass. */
import type { FilteredPoolStats } from '../../core/types.js';
import type { FilterNode, Step } from '../../query/filter/ast.js';
import { mapLimited, SEARCHES_AT_ONCE } from '../../query/limited.js';
import type { QdrantAnswer, QdrantQuery, QdrantStage } from './driver.js';

/** The indexes of a collection, as far as known. */
export interface PoolFacts {
  /** Whether vectors are in a graph. Without one every point that passes is scored. */
  graph: boolean;
  /** Keys that have a payload index. */
  indexed: ReadonlySet<string>;
  /** By filter and vector: pools that the graph left short. An exact search found more; or no more, or none was allowed. */
  shortPools: Map<string, 'exact' | WholePool>;
  /** By filter and vector: how many points the graph has found for it without being short. */
  fullPools: Map<string, number>;
  /** Whether the server allows exact searches. */
  strict: { exact: boolean };
}

/** A short pool that is believed to hold all points that pass. */
interface WholePool {
  /** Points in it; 0 where nobody could tell. */
  points: number;
  /** Points that were asked for. */
  limit: number;
}

/** Filters that are remembered of one collection. */
const REMEMBERED = 1000;

export interface FilteredPool {
  answer: QdrantAnswer;
  stats?: FilteredPoolStats;
}

/**
 * Asks for a pool. One under a filter that comes back short is asked for again exactly, and once in the life of the facts for each
 * filter: where the exact one has more points it is the answer.
 */
export async function filteredPoolOf(
  asked: QdrantQuery,
  facts: PoolFacts,
  filter: FilterNode | undefined,
  query: (asked: QdrantQuery) => Promise<QdrantAnswer>,
  isRefusal: (error: unknown) => boolean,
): Promise<FilteredPool> {
  if (!isByGraph(asked, facts)) return { answer: await query(asked) };
  const { shortPools, fullPools } = facts;
  const unindexed = filter === undefined ? [] : unindexedKeys(filter, facts.indexed);
  const exactly = () => query(scanned(asked));
  const byScan = { by: 'exact' as const, unindexed, advice: adviceOn(unindexed) };
  const key = keyOf(asked);
  if (asked.prefetch !== undefined && facts.strict.exact && isUnknown(asked, facts)) {
    // The few points that stages leave do not tell how many there were before.
    const pool = poolAlone(asked);
    const { answer, stats } = await filteredPoolOf(pool, facts, filter, query, isRefusal);
    if (stats?.by === 'graph' && answer.points.length >= pool.limit) {
      if (fullPools.size >= REMEMBERED) fullPools.clear();
      fullPools.set(key, pool.limit);
    }
  }
  if (shortPools.size > 0 && shortPools.get(key) === 'exact') {
    return { answer: await exactly(), stats: byScan };
  }
  const answer = await query(asked);
  if (asked.prefetch === undefined && isSuspect(asked, answer, facts)) {
    const scanned = await exactly().catch((error: unknown) => {
      // A server in strict mode may allow none.
      if (isRefusal(error)) return undefined;
      throw error;
    });
    const more = scanned !== undefined && scanned.points.length > answer.points.length;
    const whole = { points: scanned === undefined ? 0 : received(answer), limit: asked.limit };
    if (shortPools.size >= REMEMBERED) shortPools.clear();
    shortPools.set(key, more ? 'exact' : whole);
    if (more) return { answer: scanned, stats: byScan };
  }
  const advice = unindexed.length > 0 ? adviceOn(unindexed) : undefined;
  return { answer, stats: { by: 'graph', unindexed, ...(advice !== undefined && { advice }) } };
}

/** Whether the pool is short, or may have been, and nobody knows yet why. */
export function isSuspect(asked: QdrantQuery, answer: QdrantAnswer, facts: PoolFacts): boolean {
  if (!isByGraph(asked, facts) || !facts.strict.exact) return false;
  if (asked.prefetch !== undefined) return isUnknown(asked, facts);
  if (received(answer) >= asked.limit) return false;
  const told = facts.shortPools.get(keyOf(asked));
  // A pool that was whole at a large limit may be short at a smaller one, for which the graph is searched less.
  const most = typeof told === 'object' ? Math.min(asked.limit, told.points) : asked.limit;
  return told !== 'exact' && received(answer) < most;
}

/**
 * Finishes the answers of a batch. Suspects of one key go one after the other, since the first settles it for those behind it.
 *
 * @param finish - makes the answer of the search at a place
 */
export async function bySuspects<T>(
  asked: readonly QdrantQuery[],
  answers: readonly QdrantAnswer[],
  facts: PoolFacts,
  finish: (i: number) => Promise<T>,
): Promise<T[]> {
  const suspect = (i: number) => isSuspect(asked[i]!, answers[i]!, facts);
  const done = new Map<number, T>();
  const keys = new Map<string, number[]>();
  asked.forEach((one, i) => {
    if (suspect(i)) keys.set(keyOf(one), [...(keys.get(keyOf(one)) ?? []), i]);
  });
  await mapLimited([...keys.values()], SEARCHES_AT_ONCE, async (places) => {
    for (const i of places) if (suspect(i)) done.set(i, await finish(i));
  });
  return mapLimited(asked, SEARCHES_AT_ONCE, async (_, i) => (done.has(i) ? done.get(i)! : finish(i)));
}

function isUnknown(asked: QdrantQuery, { shortPools, fullPools }: PoolFacts): boolean {
  const key = keyOf(asked);
  const { limit } = poolStage(asked);
  const told = shortPools.get(key);
  const known = told === 'exact' || (typeof told === 'object' && (told.points === 0 || told.limit <= limit));
  return !known && (fullPools.get(key) ?? 0) < limit;
}

function received({ points, lacking = [] }: QdrantAnswer): number {
  return points.length + lacking.length;
}

/** The search that makes the pool: the innermost. */
function poolStage(stage: QdrantStage): QdrantStage {
  return stage.prefetch === undefined ? stage : poolStage(stage.prefetch);
}

/** The pool's ids, without the stages behind it. */
function poolAlone({ collection, scope, recommend, factor, rounded, ...asked }: QdrantQuery): QdrantQuery {
  const read = { collection, withPayload: false, lifts: [], skip: false, scope } as const;
  return { ...poolStage(asked), ...read, recommend, factor, rounded, exact: false };
}

/** The same with all points that pass in the pool's search. */
function scanned(asked: QdrantQuery): QdrantQuery {
  if (asked.prefetch === undefined) return { ...asked, exact: true };
  const stages = (stage: QdrantStage): QdrantStage =>
    stage.prefetch === undefined
      ? { ...stage, params: { ...(stage.params as object | undefined), exact: true } }
      : { ...stage, prefetch: stages(stage.prefetch) };
  return { ...asked, prefetch: stages(asked.prefetch) };
}

/** Pools of one key are short together: under one filter, of one vector's graph, in the same shards. */
function keyOf(asked: QdrantQuery): string {
  const { using, filter } = poolStage(asked);
  return textOf([asked.scope?.shardKey, using, filter]);
}

/** Whether a graph makes the pool of a filter. Partial answers that were asked for are nobody's fault. */
function isByGraph(asked: QdrantQuery, { graph }: PoolFacts): boolean {
  const { filter, params } = poolStage(asked);
  if (!graph || filter === undefined || asked.exact) return false;
  const { exact: scan, indexed_only, indexedOnly } = (params ?? {}) as Record<string, unknown>;
  return !scan && !indexed_only && !indexedOnly;
}

function textOf(filter: unknown): string {
  return JSON.stringify(filter, (_key, value: unknown) => (typeof value === 'bigint' ? `${value}n` : value));
}

function unindexedKeys(filter: FilterNode, indexed: ReadonlySet<string>): string[] {
  const keys = new Set<string>();
  const walk = (node: FilterNode, within: readonly Step[]): void => {
    if ('nodes' in node) for (const one of node.nodes) walk(one, within);
    else if (node.op === 'not') walk(node.node, within);
    else if (node.op === 'nested') walk(node.node, [...within, ...node.path.steps]);
    else if ('path' in node) {
      const steps = [...within, ...node.path.steps].map(({ key, each }) => key + (each ? '[]' : '')).join('.');
      // Elements of an array are indexed under the array's name.
      const key = steps.replace(/\[\]$/, '');
      if (!indexed.has(key) && !indexed.has(steps)) keys.add(key);
    }
  };
  walk(filter, []);
  return [...keys];
}

function adviceOn(unindexed: readonly string[]): string {
  const keys = unindexed.map((key) => JSON.stringify(key)).join(', ');
  const indexes = keys === '' ? 'an index of each key (createPayloadIndex)' : `createPayloadIndex of ${keys}`;
  return (
    `the graph was built without ${keys === '' ? "the filter's" : 'these'} payload indexes and may miss most of what passes: ` +
    `${indexes} before the graph is built (or have it built anew), params { exact: true }, or acorn`
  );
}
