/** Hits of one search's pool, out of what the kernels left of it. */
import type { Sliced } from '../core/slices.js';
import { byParts, explaining, type KeysAt } from '../funnel/explain.js';
import { hitsInSlices, type Prepared } from '../funnel/prepare.js';
import type { BadPosition, Kernels } from '../kernels/kernels.js';
import type { Answer, PlacedSearch, RankedPool } from './fitted.js';
import { inSliced, type PlaceName } from './place-name.js';
import { isPushed } from './pushed.js';
import { scoreAll } from './recommend.js';
import type { HeadRequest } from './source/source.js';

/** Points that a head search found, of which `count` are candidates. */
export function foundIn({ stats, byIds, lacking }: Pick<Answer, 'stats' | 'byIds' | 'lacking'>, count: number): number {
  return count + (stats?.gone ?? 0) + (byIds?.gone.length ?? 0) + (lacking?.length ?? 0);
}

/** @param ms that a funnel took */
function* rankedPool(
  kernels: Kernels,
  fitted: PlacedSearch,
  answer: Answer,
  prepared: Prepared<unknown>,
  bad: BadPosition,
  ms: number,
): Sliced<RankedPool> {
  const { search, candidates } = fitted;
  const found = foundIn(answer, prepared.matrix.count);
  const exhausted = found < candidates && answer.missing === undefined && !isPushed(fitted);
  const common = { fitted, answer, prepared, exhausted };
  if (search.recommend === undefined) {
    const hits = yield* hitsInSlices(prepared, bad);
    const explanation = search.options.explain ? yield* explaining(kernels, prepared) : undefined;
    return { hits, funnelMs: ms, explanation, ...common };
  }
  const start = performance.now();
  const explanation = yield* explaining(kernels, prepared, strategyKeys(kernels, prepared, search.recommend));
  return { hits: explanation.hits, funnelMs: performance.now() - start, explanation, ...common };
}

/** Answers of the kernels about the searches that they had to rank. */
interface RanHere {
  plain: readonly Prepared<unknown>[];
  /** Where each of these has a value that is not finite, or -1. */
  bad: readonly BadPosition[];
  ms: number;
}

/** Those of all searches, in order. */
export function* rankedPools(
  kernels: Kernels,
  all: readonly PlacedSearch[],
  answers: readonly Answer[],
  prepared: readonly Prepared<unknown>[],
  { plain, bad, ms }: RanHere,
  named: PlaceName,
): Sliced<RankedPool[]> {
  const ranked: RankedPool[] = [];
  for (const [i, fitted] of all.entries()) {
    const one = prepared[i]!;
    const position = bad[plain.indexOf(one)] ?? -1;
    const pool = rankedPool(kernels, fitted, answers[i]!, one, position, ms);
    ranked.push(yield* named === undefined ? pool : inSliced(named, i, pool));
  }
  return ranked;
}

/** Values that are compared with an example between two turns of others. */
const VALUES_AT_ONCE = 1 << 18;

/** Keys over the first dims, by a strategy. */
function strategyKeys(
  kernels: Kernels,
  prepared: Prepared<unknown>,
  { strategy, examples }: NonNullable<HeadRequest['recommend']>,
): KeysAt {
  const { metric, dim } = prepared.task;
  const values = VALUES_AT_ONCE / (examples.positive.length + examples.negative.length);
  return (to, keys) =>
    byParts(prepared, values, (rows, at, count) => {
      scoreAll(
        examples,
        strategy,
        metric,
        count,
        (query, some) => void kernels.scores({ metric, query, rows, dim, from: 0, to, keys: some }),
        keys.subarray(at, at + count),
      );
    });
}
