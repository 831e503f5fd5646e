/**
 * Which of the rows that finer codes kept are worth reading from disk: the first are scored, and tell how far scores are from
 * estimates. The others are left where they would have to be farther away than scores are.
 */
import { codedMetric } from './centre.js';
import { splitLengths, thresholdOf } from './prepared.js';
import type { Run } from './run.js';
import { twiceIn } from './shortlist.js';

/** Standard deviations that a row may be better than its estimate. */
const FAR = 4;
/**
 * The least standard deviation, as a share of |q| · |x| beyond the coded dims: ten rows may happen to be near to their estimates,
 * or to have less beyond these dims than a row that comes later. Measured on a million made rows: .13.
 */
const LEAST_SHARE = 0.13;

/** Fewer than this are scored with the first: to judge them takes as long. */
const FEW = 4;

/** Rows that are scored before the others are asked for: those wanted, and some, to know how far scores are from estimates. */
function firstOf(k: number): number {
  return k + Math.max(4, k >> 2);
}

/**
 * Scores a segment's rows, or the first and those that may still be among the k best. Returns how many were scored.
 *
 * @param rows best estimates first
 * @param ordinals theirs; those that are scored come to the front
 * @param score scores a part of them, and answers their keys
 */
export function scoreInReach(
  run: Run,
  s: number,
  rows: Uint32Array,
  ordinals: Uint32Array,
  count: number,
  score: (from: number, to: number) => Float64Array,
): number {
  const { request, state, estimates } = run;
  const first = firstOf(request.k);
  if (estimates === undefined || state.rows.resident || first + FEW > count) {
    score(0, count);
    return count;
  }
  const segment = state.segments[s]!;
  const seen = run.seenBy(s);
  const inUnits = (key: number) => thresholdOf(segment, seen, key).threshold;
  const keys = score(0, first);
  let sum = 0;
  let squares = 0;
  let most = -Infinity;
  for (let i = 0; i < first; i++) {
    const off = inUnits(keys[i]!) - estimates[i]!;
    sum += off;
    squares += off * off;
    most = Math.max(most, off);
  }
  const mean = sum / first;
  const deviation = Math.sqrt(Math.max(0, squares / first - mean * mean));
  // As far as one that was scored lay, another may: it may be its copy.
  const reach = Math.max(FAR * deviation, most - mean);
  const threshold = inUnits(Math.max(run.best.threshold, request.above ?? -Infinity)) - mean;
  const open = openOf(run, s);
  let to = first;
  for (let i = first; i < count; i++) {
    const better = Math.max(reach, FAR * LEAST_SHARE * open(rows[i]!));
    // Were that no number, all would be read.
    if (!(estimates[i]! + better < threshold)) ordinals[to++] = ordinals[i]!;
  }
  if (to > first) score(first, to);
  return to;
}

/** How much of a row's estimate is open at most: what lies beyond the dims that codes are of. */
function openOf(run: Run, s: number): (row: number) => number {
  const segment = run.state.segments[s]!;
  const { norm } = run.seenBy(s);
  const { coding, norms, headTail, levelTail } = segment;
  const { beyond } = splitLengths(coding, run.rotated[s]!, coding.width);
  const tail = coding.width > coding.head ? levelTail : headTail;
  const metric = codedMetric(coding.metric, coding.mean);
  const scale = beyond * tail.scale;
  if (metric === 'cosine') return (row) => scale * tail.bytes[row]!;
  // As keyOf makes keys of cosines.
  const factor = metric === 'dot' ? scale : scale * twiceIn(segment, norm);
  return (row) => factor * tail.bytes[row]! * norms[row]!;
}
