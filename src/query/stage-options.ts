/** The options that say where the stages of a plan run. */
import { expected } from '../core/errors.js';

/**
 * Where stages run. 'server': in the database, which sends the best rows alone. 'client': here, on the vectors of all candidates,
 * which the database sends. 'mirror': here, on vectors of the mirror. 'auto': where they are cheapest.
 */
export type Stages = 'auto' | 'server' | 'client' | 'mirror';

const STAGES: readonly Stages[] = ['auto', 'server', 'client', 'mirror'];

/** The options that say where stages run, and whose scores hits have. */
export interface StageOptions {
  /**
   * Where the stages of the plan run; `stats.ran` tells where they did, and why. 'auto': on the mirror where there is one, else in
   * the database where that gives the same hits (but for its float32, see `rescore`), else here. The others refuse what cannot be done there.
   *
   * @default 'auto'
   */
  stages?: Stages;
  /**
   * Whether hits of stages that the database runs are scored again here, on their full vectors, so that scores and order have the same bits
   * as everywhere; the vectors of the page travel for it. A list without pages that ends among rows of one score holds those of them
   * that the database put first. False: no vector travels, and scores are the database's, in float32:
   * `stats.scores` is 'server', and rows that float32 cannot tell apart may stand in another order, in which pages of `offset` may
   * have one of them twice, or lack it.
   *
   * @default false; true for pages
   */
  rescore?: boolean;
}

/**
 * @param exact whether there are no stages
 * @throws FunnelError BAD_ARGUMENT
 */
export function checkStages({ stages, rescore }: StageOptions, exact = false): void {
  if (stages !== undefined && !STAGES.includes(stages)) {
    throw expected('BAD_ARGUMENT', `one of ${STAGES.join(', ')}`, 'stages', stages);
  }
  if (rescore !== undefined && typeof rescore !== 'boolean') {
    throw expected('BAD_ARGUMENT', 'a boolean', 'rescore', rescore);
  }
  if (exact && stages !== undefined && stages !== 'auto') {
    throw expected('BAD_ARGUMENT', "no stages for mode 'exact', which has none,", 'stages', stages);
  }
  const here = exact || stages === 'client' || stages === 'mirror';
  if (rescore === false && here) {
    const what = exact ? "mode 'exact'" : `stages '${stages}'`;
    throw expected(
      'BAD_ARGUMENT',
      `true or nothing beside ${what}, whose scores are of this process,`,
      'rescore',
      rescore,
    );
  }
}
