/** An explanation of one search: what its stages dropped, and what became of any point of the collection. */

import type { Id } from '../core/types.js';
import type { Explanation, Fate } from '../funnel/explain.js';
import type { Plan } from '../funnel/plan.js';
import type { RankedPool } from './fitted.js';
import { readParams } from './params.js';
import { bothFilters } from './request.js';
import type { Source } from './source/source.js';

/** The outcome for one point, and where it came about. */
export type SearchFate =
  | Fate
  | {
      /** It is in the collection, but the filter, the native one or the exclusion of examples keeps it out. */
      outcome: 'filtered out';
    }
  | {
      /** It is not in the collection. */
      outcome: 'no such point';
    }
  | {
      /** It was ranked, but its score is no better than `scoreThreshold`. */
      outcome: 'beyond the threshold';
      /** Zero-based place among all that were ranked. */
      rank: number;
      /** Its final score. */
      score: number;
    }
  | {
      /** It was ranked, and stands on another page. */
      outcome: 'on another page';
      /** Zero-based place among all that were ranked. */
      rank: number;
      /** Its final score. */
      score: number;
    };

/** The answer of a search stage by stage, and where any point of the collection went. */
export interface SearchExplanation extends Explanation {
  /** As it was carried out. */
  plan: Plan;
  /** Where a point was lost; asks the source about those that were no candidates. */
  trace(id: Id): Promise<SearchFate>;
  /** How many rows there are, and how many of them pass the filter; asks the source. */
  filtered(): Promise<{
    /** Rows of the collection. */
    rows: number;
    /** Rows that pass. */
    passed: number;
  }>;
}

/** @param page of the ranked hits: its ranks, and how many are good enough */
export function traced(
  explanation: Explanation,
  ranked: RankedPool,
  source: Source,
  page: { from: number; to: number; good: number },
): SearchExplanation {
  const { fitted, hits } = ranked;
  const { search, plan, candidates, limit } = fitted;
  const { options, filter } = search;
  const { scales, keep, metric } = plan;
  const { nativeFilter, params, timeout, signal } = options;
  const deadline = { ...(timeout !== undefined && { timeout }), ...(signal !== undefined && { signal }) };
  const reading = { ...deadline, ...readParams(params) };
  const native = nativeFilter === undefined ? {} : { nativeFilter };
  const count = async (more: object): Promise<number> => (await source.count?.({ ...more, ...reading })) ?? Number.NaN;
  return {
    ...explanation,
    hits: hits.slice(page.from, page.to),
    plan: structuredClone({ candidates, limit, scales, keep, metric }), // it goes to the caller
    find: (id) => explanation.find(source.canonicalId?.(id) ?? id),
    async trace(id) {
      const named = (await source.idOf?.(id, deadline)) ?? id;
      const fate = explanation.find(named);
      if (fate.outcome === 'hit') {
        const { rank, score } = fate;
        if (rank >= page.good) return { outcome: 'beyond the threshold', rank, score };
        return rank < page.from || rank >= page.to ? { outcome: 'on another page', rank, score } : fate;
      }
      if (fate.outcome !== 'not a candidate') return fate;
      const { rows } = await source.fetch({ ids: [named], vectors: false, ...reading });
      if (rows.ids.length === 0) return { outcome: 'no such point' };
      const only = bothFilters(filter, { op: 'ids', ids: [named] })!;
      return (await count({ filter: only, ...native })) === 0 ? { outcome: 'filtered out' } : fate;
    },
    async filtered() {
      const passing = { ...native, ...(filter && { filter }) };
      return { rows: await count({}), passed: await count(passing) };
    },
  };
}
