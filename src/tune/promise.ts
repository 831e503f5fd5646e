/** The three promises that a target can ask for: what is tested, what is promised instead, how many queries it would take. */
import { logOf } from '../core/exact-math.js';
import {
  betsAreWon,
  bettingBound,
  clopperPearson,
  conformalRisk,
  fewFailures,
  growth,
  mean,
  queriesWithoutLoss,
  stepOf,
} from './bounds.js';
import type { BoundMethod, PromiseKind } from './types.js';

/** Losses of one plan by query: on the queries that it was chosen by, and on those that nothing was chosen by. */
export interface Losses {
  choosing: Float64Array;
  certifying: Float64Array;
}

export interface Rule {
  method: BoundMethod;
  /** Does the plan keep the promise, as far as these losses can say? */
  holds(losses: Losses): boolean;
  /** The recall that these losses allow to be promised, were this the only plan. */
  bound(losses: Losses): number;
  /** Certifying queries that would do if all were like these; undefined where no number would. */
  needed(losses: Losses): number | undefined;
}

/** @param binary losses are 0 or 1 alone, as at k = 1 */
export function ruleOf(kind: PromiseKind, recall: number, confidence: number, binary: boolean): Rule {
  const alpha = 1 - recall;
  const delta = 1 - confidence;
  if (kind === 'expected') return expected(alpha);
  return kind === 'complete' || binary ? counted(alpha, delta) : betting(alpha, delta);
}

function betting(alpha: number, delta: number): Rule {
  return {
    method: 'betting',
    holds: ({ choosing, certifying }) => betsAreWon(certifying, alpha, stepOf(choosing), delta),
    bound: ({ choosing, certifying }) => bettingBound(certifying, stepOf(choosing), delta),
    needed(losses) {
      const all = joined(losses);
      if (mean(all) >= alpha) return undefined;
      return Math.ceil(Math.max(1.1 * queriesWithoutLoss(alpha, delta), -logOf(delta) / growth(all, alpha)));
    },
  };
}

/** Queries that lose nothing are counted. */
function counted(alpha: number, delta: number): Rule {
  const whole = (losses: Float64Array) => losses.reduce((sum, loss) => sum + (loss === 0 ? 1 : 0), 0);
  return {
    method: 'clopper-pearson',
    holds: ({ certifying: { length }, certifying }) => fewFailures(length - whole(certifying), length, alpha) <= delta,
    bound: ({ certifying }) => clopperPearson(whole(certifying), certifying.length, delta),
    needed(losses) {
      const all = joined(losses);
      const rate = 1 - whole(all) / all.length;
      if (rate >= alpha) return undefined;
      const enough = (n: number) => fewFailures(Math.ceil(rate * n), n, alpha) <= delta;
      let high = queriesWithoutLoss(alpha, delta);
      if (enough(high)) return high;
      while (!enough(high)) high *= 2;
      let low = high / 2;
      while (high - low > 1) {
        const middle = Math.ceil((low + high) / 2);
        if (enough(middle)) high = middle;
        else low = middle;
      }
      return high;
    },
  };
}

function expected(alpha: number): Rule {
  return {
    method: 'conformal',
    holds: ({ certifying }) => conformalRisk(certifying) <= alpha,
    bound: ({ certifying }) => Math.max(0, 1 - conformalRisk(certifying)),
    needed(losses) {
      const spare = alpha - mean(joined(losses));
      return spare <= 0 ? undefined : Math.ceil((1 - alpha) / spare);
    },
  };
}

function joined({ choosing, certifying }: Losses): Float64Array {
  const all = new Float64Array(choosing.length + certifying.length);
  all.set(choosing);
  all.set(certifying, choosing.length);
  return all;
}
