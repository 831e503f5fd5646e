/** Why a promise is not made, and what would help. */
import { mean, queriesWithoutLoss } from './bounds.js';
import type { Chosen } from './choose.js';
import type { Rule } from './promise.js';
import type { Session } from './session.js';
import type { Subject } from './subject.js';
import type { Latency, TuneResult } from './types.js';

export function tuneRefusal(
  { losses, promised }: Chosen,
  rule: Rule,
  { truth }: Subject,
  { target, alpha, budget }: Session,
  exact: Latency,
): NonNullable<TuneResult['refused']> {
  const n = losses.certifying.length;
  const all = losses.choosing.length + n;
  const recall = 1 - (losses.choosing.length * mean(losses.choosing) + n * mean(losses.certifying)) / all;
  const needed = rule.needed(losses);
  const made = `recall of ${target.recall} at k = ${target.k} (promise '${target.promise}')`;
  if (needed === undefined) {
    const scan = truth === 'certified' ? `; mode 'exact' needs no promise and takes ${exact.p50.toFixed(2)} ms` : '';
    const found = `even the best plan of up to ${budget.candidates} candidates has ${recall.toFixed(4)} here`;
    return { reason: `No ${made}: ${found}. A longer head, or a larger budget.candidates, would help${scan}` };
  }
  const least = queriesWithoutLoss(alpha, 1 - target.confidence);
  const few = target.promise !== 'expected' && n < least;
  // A sample that just misses the need may miss it again by bad luck: ask for a tenth more, at least.
  // Few queries do not tell how many would do, only how many it takes where none loses anything.
  const told = Number.isSafeInteger(needed);
  const moreQueries = Math.max(2 * (told ? needed : least) - all, Math.ceil(all / 10));
  const why = few
    ? `${n} queries could not promise it even if none lost anything (it takes ${least} beside those that choose)`
    : `the best plan has ${recall.toFixed(4)} on ${all} queries, which allow a promise of ${promised.toFixed(4)}`;
  const more = told
    ? `About ${moreQueries} more queries like these would do`
    : `It takes at least ${moreQueries} more queries like these, so few that they do not tell how many would do`;
  return { reason: `No ${made} yet: ${why}. ${more}`, moreQueries };
}
