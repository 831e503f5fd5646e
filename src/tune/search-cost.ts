/**
 * The cost of a FunnelSearch's plan: the time of the head search, with transport and decoding, by the size of its pool;
 * and that of the kernels, by the rows and dims that they score. Both are fitted to searches made in this run.
 */
import { checkPlan, type Plan, resolvePlan } from '../funnel/plan.js';
import { between, fitted, median, rising } from './measure.js';

/** One search, as it was measured. */
export interface Timed {
  plan: Plan;
  /** Milliseconds in all, and in the kernels. */
  ms: number;
  funnelMs: number;
}

export class SearchCost {
  readonly #sizes: number[];
  readonly #head: number[];
  readonly #weights: number[];

  constructor(timed: readonly Timed[]) {
    const bySize = groups(timed, ({ plan }) => plan.candidates!);
    this.#sizes = [...bySize.keys()].sort((a, b) => a - b);
    this.#head = rising(this.#sizes.map((size) => median(bySize.get(size)!.map(({ ms, funnelMs }) => ms - funnelMs))));
    const byPlan = [...groups(timed, ({ plan }) => JSON.stringify(plan)).values()];
    this.#weights = fitted(
      byPlan.map(([first]) => workOf(first!.plan)),
      byPlan.map((some) => Math.max(1e-4, median(some.map(({ funnelMs }) => funnelMs)))),
    );
  }

  /** Milliseconds. */
  of(plan: Plan): number {
    const kernels = workOf(plan).reduce((sum, term, i) => sum + term * this.#weights[i]!, 0);
    return between(this.#sizes, this.#head, plan.candidates!) + kernels;
  }
}

/** A call, its rows by stage, and its products. */
function workOf(plan: Plan): number[] {
  const checked = checkPlan(plan, plan.scales.at(-1)!);
  const { stages } = resolvePlan(checked, checked.candidates!, checked.limit);
  let [rows, products, from] = [0, 0, 0];
  for (const stage of stages) {
    rows += stage.in;
    products += stage.in * (stage.scale - from);
    from = stage.scale;
  }
  return [1, rows, products];
}

function groups<T, K>(items: readonly T[], key: (item: T) => K): Map<K, T[]> {
  const all = new Map<K, T[]>();
  for (const item of items) {
    const some = all.get(key(item));
    if (some) some.push(item);
    else all.set(key(item), [item]);
  }
  return all;
}
