/** Pools under a filter: the graph of a collection may hide most of the points that pass. */
import type { FilteredPoolStats } from '../../core/types.js';
import type { FilterNode, Step } from '../../query/filter/ast.js';
import type { QdrantAnswer, QdrantQuery } from './driver.js';

/** The indexes of a collection, as far as known. */
export interface PoolFacts {
  /** Whether vectors are in a graph. Without one every point that passes is scored. */
  graph: boolean;
  /** Keys that have a payload index. */
  indexed: ReadonlySet<string>;
  /** By filter: whether the graph's pool, which was short, had all points, or an exact search found more. */
  shortPools: Map<string, 'whole' | 'exact'>;
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
  const { shortPools } = facts;
  const unindexed = filter === undefined ? [] : unindexedKeys(filter, facts.indexed);
  const exactly = () => query({ ...asked, exact: true });
  const byScan = { by: 'exact' as const, unindexed, advice: adviceOn(unindexed) };
  if (shortPools.size > 0 && shortPools.get(textOf(asked.filter)) === 'exact') {
    return { answer: await exactly(), stats: byScan };
  }
  const answer = await query(asked);
  if (isSuspect(asked, answer, facts)) {
    const scanned = await exactly().catch((error: unknown) => {
      // A server in strict mode may allow none.
      if (isRefusal(error)) return undefined;
      throw error;
    });
    const more = scanned !== undefined && scanned.points.length > answer.points.length;
    if (shortPools.size >= REMEMBERED) shortPools.clear();
    shortPools.set(textOf(asked.filter), more ? 'exact' : 'whole');
    if (more) return { answer: scanned, stats: byScan };
  }
  const advice = unindexed.length > 0 ? adviceOn(unindexed) : undefined;
  return { answer, stats: { by: 'graph', unindexed, ...(advice !== undefined && { advice }) } };
}

/** Whether the pool is short, and nobody knows yet why. */
export function isSuspect(asked: QdrantQuery, { points, lacking = [] }: QdrantAnswer, facts: PoolFacts): boolean {
  if (!isByGraph(asked, facts) || points.length + lacking.length >= asked.limit) return false;
  return !facts.shortPools.has(textOf(asked.filter));
}

/** Whether a graph makes the pool of a filter. Partial answers that were asked for are nobody's fault. */
function isByGraph({ filter, exact, params }: QdrantQuery, { graph }: PoolFacts): boolean {
  if (!graph || filter === undefined || exact) return false;
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
