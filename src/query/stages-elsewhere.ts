/**
 * The parts of a search whose stages may run elsewhere: in the database, or on the vectors of a mirror. An index that searches its
 * own rows needs none of them, and pages that load an index alone leave them out.
 */
import { checkMirror, Matrices, withMirrorVectors } from './mirror.js';
import { isCertain, numberHits, pushable, rankedHere, ranksOfDatabase, stagedRequest } from './pushed.js';

export const STAGES_ELSEWHERE = {
  checkMirror,
  isCertain,
  newMatrices: (): Matrices => new Matrices(),
  numberHits,
  pushable,
  rankedHere,
  ranksOfDatabase,
  stagedRequest,
  withMirrorVectors,
};

export type StagesElsewhere = typeof STAGES_ELSEWHERE;
