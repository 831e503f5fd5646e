/**
 * Which searches stay on the calling thread. The way to another thread and back costs more than a short search does, so
 * one that is predicted to be short runs here, as long as this turn of the event loop is young.
 */

import { isAwaited, othersTurn, overdue } from '../core/turns.js';
import type { CheckedQuery } from './request.js';

/** Milliseconds that a call may be predicted to take: the way to a thread and back adds .1 to .2 to it. */
const SHORT = 0.5;
/** Milliseconds of searches in one turn of the event loop. */
const STRETCH = 1;
/** Shapes of queries whose costs are remembered. */
const SHAPES = 64;
/** Values of rows without codes that may come along unmeasured. */
const UNSEEN = 1 << 17;

interface Cost {
  /** Milliseconds a query. */
  ms: number;
  /** Values of the rows without codes that the last measured search read. */
  values: number;
}

export class InlineSearches {
  readonly #costs = new Map<string, Cost>();

  /** @param values values of the rows without codes, which every search reads */
  isShort(queries: readonly CheckedQuery[], values: number): boolean {
    let ms = 0;
    for (const query of queries) {
      const cost = this.#costs.get(shapeOf(query));
      if (cost === undefined || values > 2 * cost.values + UNSEEN) return false;
      ms += cost.ms;
      if (ms > SHORT) return false;
    }
    return true;
  }

  /**
   * Whether a short search may run here, now or in the next turn. Not where another waits for that already: of many that
   * are in flight the threads do their share.
   */
  async mayRun(): Promise<boolean> {
    if (!overdue(STRETCH)) return true;
    if (isAwaited()) return false;
    await othersTurn();
    return true;
  }

  /** @param ms what each query took, here or in a thread */
  measured(queries: readonly CheckedQuery[], ms: number, values: number): void {
    for (const query of queries) {
      const shape = shapeOf(query);
      const cost = this.#costs.get(shape);
      if (cost === undefined) {
        if (this.#costs.size >= SHAPES) this.#costs.clear();
        this.#costs.set(shape, { ms, values });
        continue;
      }
      // A first search pays for its compilation, and any may have been interrupted: one measurement alone decides little.
      cost.ms = (cost.ms + Math.min(ms, 2 * cost.ms)) / 2;
      cost.values = values;
    }
  }
}

/** The parts of a query that its time depends on, but for the index. */
function shapeOf({ request, filter }: CheckedQuery): string {
  const { mode, k, candidates, eps, probes } = request;
  return `${mode} ${k} ${candidates} ${eps} ${probes} ${filter !== undefined}`;
}
