/** One query on its way through the segments: what it has found, what it counts, what it may still ask for. */
import { BLOCK_ROWS, type Bound, type CodeKernels } from '../../kernels/codes.js';
import { Best } from './best.js';
import { codedMetric, type SeenQuery, seenQuery } from './centre.js';
import { makeAll } from './late-masks.js';
import { rowsBetween } from './lists.js';
import type { Scratch } from './memory.js';
import { type Rotated, thresholdOf } from './prepared.js';
import { isBlunt, type Segment } from './segment.js';
import type { Visit } from './shortlist.js';
import type { BoundTerms } from './stages.js';
import type { SearchAnswer, SearchState, SearchTask, StageCount } from './types.js';

/** Makes the bounds of one query's stages over a segment, against one threshold. @param eps shrinks what codes leave open */
export function boundsFor(segment: Segment, seen: SeenQuery, key: number, eps = 1): (terms: BoundTerms) => Bound {
  const { coding, norms } = segment;
  const { threshold, twoQuery, constant } = thresholdOf(segment, seen, key);
  const metric = codedMetric(coding.metric, coding.mean);
  return ({ error, within, tail, beyond, constant: own }) => ({
    metric,
    error: error.bytes,
    errorScale: error.scale * within * eps,
    tail: tail.bytes,
    tailScale: tail.scale * beyond * eps,
    constant: own + constant,
    norms,
    twoQuery,
    threshold,
  });
}

export function rowsIn({ request: { only } }: Run, segment: Segment, visit: Visit): number {
  return Math.min(only?.rows ?? segment.count, visit.count * BLOCK_ROWS);
}

/**
 * Do bounds decide, and not a number of candidates? Also where nobody asked for a number and codes would choose badly:
 * bounds cost more there, and lose nothing.
 */
export function isBounded({ segments }: SearchState, { mode, eps, candidates, probes }: SearchTask): boolean {
  if (mode === 'exact' || eps !== undefined) return true;
  return candidates === undefined && probes === undefined && segments.some(isBlunt);
}

/** Does the filter leave no row of a segment? */
export function isUnindexed({ only }: SearchTask): boolean {
  return only?.rows === 0;
}

/** A row in memory costs little; each from disk is a read of its own. The ten nearest of a million: 16 hold .985, 24 .991. */
export function defaultCandidates(k: number, resident: boolean): number {
  return resident ? Math.max(32, 2 * k) : Math.max(24, k + (k >> 1));
}

/** Rows that head codes pick, for finer codes to choose `keep` of them. @param more besides, at least */
export function picksFor(keep: number, more = 0): number {
  return keep + Math.max(64, keep, more);
}

/** The state of one request while it is searched. */
export class Run {
  readonly best: Best;
  readonly stages: StageCount[] = [];
  readonly #seen: SeenQuery[] = [];
  readonly rotated: Rotated[] = [];
  /** By segment: the rows that were scored before the refinement. */
  readonly first: Uint32Array[] = [];
  /** By all codes, in their units and best first: those of a segment's rows that are to be scored, where codes ordered them. */
  estimates: Float64Array | undefined;
  rowsRead = 0;
  missing = 0;
  readonly norm: number;

  constructor(
    readonly state: SearchState,
    readonly request: SearchTask,
  ) {
    this.best = new Best(request.k);
    this.norm = request.norm;
  }

  /** The query as the codes of a segment see it. */
  seenBy(s: number): SeenQuery {
    this.#seen[s] ??= seenQuery(this.state.segments[s]!.coding, this.request.vector, this.norm);
    return this.#seen[s];
  }

  result(certified: boolean): SearchAnswer {
    const { best, stages, rowsRead, missing, request } = this;
    const whole = certified && (request.eps ?? 1) >= 1;
    return { ordinals: best.ordinals, keys: best.keys, certified: whole, stages, rowsRead, missing };
  }
}

/** Rows that take part and were not scored, where fewer were than there is room for. */
export function missedBy(codes: CodeKernels, scratch: Scratch, { state, request, rowsRead }: Run): number {
  const { only, k } = request;
  if (rowsRead >= k) return 0;
  let rows = (only?.unindexed ?? state.unindexed).length;
  for (const [s, segment] of state.segments.entries()) {
    if (only !== undefined) makeAll(codes, scratch, only, s, segment);
    rows += rowsBetween(only?.masks[s] ?? segment.mask, 0, segment.count);
  }
  return Math.max(0, Math.min(k, rows) - rowsRead);
}
