/** Stamps: values of a payload key that grow with every write, such as `updated_at`. */

import { FunnelError } from '../core/errors.js';
import { coversPath } from '../query/coverage.js';
import type { FilterNode, Path } from '../query/filter/ast.js';
import { parseDate } from '../query/filter/dates.js';
import { valuesAt } from '../query/filter/evaluate.js';
import type { PayloadSelector } from '../query/payload.js';
import type { Since } from './sync-mark.js';

/** A number, an integer beyond 2^53, or a date in milliseconds. */
export type Stamp = number | bigint;

export interface Stamped {
  value: Stamp;
  kind: Since['kind'];
}

/** The largest stamp of a payload; undefined where it has none. */
export function stampOf(payload: unknown, path: Path): Stamped | undefined {
  let best: Stamped | undefined;
  for (const value of valuesAt(payload, path)) {
    const one = stamped(value);
    if (one !== undefined && (best === undefined || (one.kind === best.kind && one.value > best.value))) best = one;
  }
  return best;
}

function stamped(value: unknown): Stamped | undefined {
  if (typeof value === 'bigint' || (typeof value === 'number' && Number.isFinite(value)))
    return { value, kind: 'number' };
  const ms = value instanceof Date ? value.getTime() : typeof value === 'string' ? parseDate(value) : undefined;
  return ms === undefined || Number.isNaN(ms) ? undefined : { value: ms, kind: 'date' };
}

/**
 * A stamp for databases that compare numbers as float64 and refuse integers which that rounds: a float64 below, so that every
 * later stamp is larger, however it is rounded.
 */
export function asFloat64({ value, kind }: Stamped): Stamped {
  const near = Number(value);
  return { value: near - Math.abs(near) * Number.EPSILON, kind };
}

/** Rows with larger stamps; dates are compared in milliseconds, in which those of the databases are written. */
export function laterThan({ value, kind }: Stamped, path: Path): FilterNode {
  if (kind === 'number') return { op: 'range', path, bounds: { gt: value } };
  const gt = Math.floor(Number(value));
  return { op: 'dates', path, bounds: { gt }, text: { gt: new Date(gt).toISOString() } };
}

/** Rows with the stamp, or earlier ones. */
export function upTo({ value, kind }: Stamped, path: Path): FilterNode {
  if (kind === 'number') return { op: 'range', path, bounds: { lte: value } };
  const lte = Math.floor(Number(value));
  return { op: 'dates', path, bounds: { lte }, text: { lte: new Date(lte).toISOString() } };
}

/**
 * The largest stamp up to which all rows are here; undefined where none is known. A round may have missed a row that was
 * written behind the place where it read, so that the largest stamp it saw is good when a later round, which looked from an
 * older stamp on, began `overlap` behind its end. Before that, stamps that are times say which rows could be read when it began.
 *
 * @param at when the last round that was completed began
 */
export function settledStamp({ kind, seen }: Since, at: number, overlap: number): Stamped | undefined {
  let best: Stamp | undefined;
  for (const [text, began, ended] of seen) {
    const value = valueIn(text);
    const unit = perMillisecond(value, kind);
    if (ended + overlap <= at) best = value;
    else if (unit !== undefined) {
      const from = less(value, unit * (overlap + ended - began));
      if (best === undefined || from > best) best = from;
    }
  }
  return best === undefined ? undefined : { value: best, kind };
}

/** With what one more round saw; entries that no `settledStamp` will need are left out. @param at as of that round */
export function withSeen(since: Since, { value, kind }: Stamped, at: number, ended: number, overlap: number): Since {
  const last = since.seen.at(-1);
  const grows = last === undefined || (kind === since.kind && valueIn(last[0]) < value);
  // Fewer entries are safe: more is read again.
  if (!grows || (last !== undefined && ended - last[2] < overlap / 32)) return since;
  const from = since.seen.findLastIndex((one) => one[2] + overlap <= at);
  return { ...since, kind, seen: [...since.seen.slice(Math.max(0, from)), [String(value), at, ended]] };
}

function less(value: Stamp, by: number): Stamp {
  return typeof value === 'bigint' ? value - BigInt(Math.ceil(by)) : Math.floor(value - by);
}

function valueIn(text: string): Stamp {
  const value = Number(text);
  return Number.isInteger(value) && !Number.isSafeInteger(value) && /^-?\d+$/.test(text) ? BigInt(text) : value;
}

/** Numbers that look like times since 1970 are taken for such; undefined of a counter, which tells no time. */
function perMillisecond(value: Stamp, kind: Since['kind']): number | undefined {
  if (kind === 'date') return 1;
  const size = Math.abs(Number(value));
  if (size > 1e17) return 1e6;
  if (size > 1e14) return 1e3;
  if (size > 1e11) return 1;
  return size > 1e8 ? 1e-3 : undefined;
}

/** The part of payloads that is kept, with the stamp. @throws FunnelError BAD_ARGUMENT */
export function withStamp(selection: PayloadSelector, path: Path): PayloadSelector {
  if (selection === false) return [path.text];
  if (coversPath(selection, path.steps)) return selection;
  if (selection === true || 'exclude' in selection) {
    throw new FunnelError(
      'BAD_ARGUMENT',
      `Expected withPayload to leave ${JSON.stringify(path.text)}, the key of since, which is kept to find changes by`,
    );
  }
  const paths = 'include' in selection ? selection.include : selection;
  return [...paths, path.text];
}
