/** Pools under a filter: the graph of a collection may hide most of the points that pass. */
import type { FilteredPoolStats } from '../../core/types.js';
import type { FilterNode, Step } from '../../query/filter/ast.js';
import type { QdrantAnswer, QdrantQuery, QdrantStage } from './driver.js';

/** The indexes of a collection, as far as known. */
export interface PoolFacts {
  /** Whether vectors are in a graph. Without one every point that passes is scored. */
  graph: boolean;
  /** Keys that have a payload index. */
  indexed: ReadonlySet<string>;
  /** By filter: whether the graph's pool, which was short, had all points, or an exact search found more. */
  shortPools: Map<string, 'whole' | 'exact'>;
  /** By filter: how many points the graph has found for it without being short. */
  fullPools: Map<string, number>;
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
  if (asked.prefetch !== undefined && isUnknown(asked, facts)) {
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
    if (shortPools.size >= REMEMBERED) shortPools.clear();
    shortPools.set(key, more ? 'exact' : 'whole');
    if (more) return { answer: scanned, stats: byScan };
  }
  const advice = unindexed.length > 0 ? adviceOn(unindexed) : undefined;
  return { answer, stats: { by: 'graph', unindexed, ...(advice !== undefined && { advice }) } };
}

/** Whether the pool is short, or may have been, and nobody knows yet why. */
export function isSuspect(asked: QdrantQuery, { points, lacking = [] }: QdrantAnswer, facts: PoolFacts): boolean {
  if (!isByGraph(asked, facts)) return false;
  if (asked.prefetch !== undefined) return isUnknown(asked, facts);
  return points.length + lacking.length < asked.limit && !facts.shortPools.has(keyOf(asked));
}

function isUnknown(asked: QdrantQuery, { shortPools, fullPools }: PoolFacts): boolean {
  const key = keyOf(asked);
  return !shortPools.has(key) && (fullPools.get(key) ?? 0) < poolStage(asked).limit;
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

function keyOf(asked: QdrantQuery): string {
  return textOf(poolStage(asked).filter);
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
    else if (node.op !== 'ids') {
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
