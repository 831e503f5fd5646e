/** A FunnelSearch, asked as a command asks. */
import type { FunnelSearchOn } from '../../query/search.js';
import type { Request, StoreAnswer } from './store.js';

export async function foundBy(search: FunnelSearchOn, request: Request): Promise<StoreAnswer> {
  const { vector, limit, mode, filter, plan, signal } = request;
  const start = performance.now();
  const { hits, stats } = await search.query({
    vector,
    limit,
    mode,
    withPayload: true,
    ...(filter && { filter }),
    ...(plan && mode === 'funnel' && { plan }),
    ...(signal && { signal }),
  });
  const ms = performance.now() - start;
  return {
    hits: hits.map(({ id, score, payload }) => ({ id, score, payload: (payload ?? {}) as Record<string, unknown> })),
    stages: stats.stages,
    exact: stats.exact,
    ms,
  };
}
