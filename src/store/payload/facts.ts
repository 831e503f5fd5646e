/** The facts of a payload that an index keeps: enough to answer conditions without it. */
import { isDate } from '../../core/realm.js';
import type { Path } from '../../query/filter/ast.js';
import { parseDate } from '../../query/filter/dates.js';
import { along } from '../../query/filter/evaluate.js';
import { exactKey } from '../../query/numbers.js';
import type { PayloadIndexType } from '../files/payload-index-type.js';
import type { Value } from './parts.js';

/** Flags of a row, beside its values; kept as postings of these numbers. */
export const FLAGS = {
  /** Something there is exactly null. */
  null: 1,
  /** Nothing is there but null and []. */
  empty: 2,
  /** Some value is neither null nor of the index's type. */
  other: 3,
  /** Some value is NaN, which has no place among numbers; it is of another type, too. */
  nan: 4,
} as const;

/** Three kinds of postings that make up an index. */
export interface PayloadFacts<P> {
  readonly values: P;
  /** How many values the path leads to, as `values_count` counts. */
  readonly counts: P;
  readonly flags: P;
}

export const FACTS = ['values', 'counts', 'flags'] as const;

type Add = { add(value: Value, ordinal: number): void };

/** Reads a payload at a path into postings. */
export function reader(
  path: Path,
  type: PayloadIndexType,
): (payload: unknown, ordinal: number, into: PayloadFacts<Add>) => void {
  const asValue = VALUES[type];
  let into: PayloadFacts<Add>;
  let ordinal = 0;
  let empty = true;
  const element = (value: unknown) => {
    if (value === null || value === undefined) return;
    const known = asValue(value);
    if (known !== undefined) {
      into.values.add(known, ordinal);
      return;
    }
    into.flags.add(FLAGS.other, ordinal);
    if (Number.isNaN(value)) into.flags.add(FLAGS.nan, ordinal);
  };
  const visit = along(path.steps, (found) => {
    if (found === null || found === undefined) {
      into.counts.add(0, ordinal);
      into.flags.add(FLAGS.null, ordinal);
    } else if (Array.isArray(found)) {
      into.counts.add(found.length, ordinal);
      for (const value of found) element(value);
      if (found.length > 0) empty = false;
    } else {
      into.counts.add(1, ordinal);
      element(found);
      empty = false;
    }
    return false; // on to the next
  });
  return (payload, at, postings) => {
    into = postings;
    ordinal = at;
    empty = true;
    visit(payload);
    if (empty) into.flags.add(FLAGS.empty, ordinal);
  };
}

/** A value as the index keeps it; undefined when it is of another type. */
const VALUES: Record<PayloadIndexType, (value: unknown) => Value | undefined> = {
  keyword: (value) => (typeof value === 'string' ? value : undefined),
  integer: numberOf,
  float: numberOf,
  bool: (value) => (typeof value === 'boolean' ? Number(value) : undefined),
  datetime: (value) => {
    const time =
      typeof value === 'string' ? parseDate(value) : isDate(value) ? Date.prototype.getTime.call(value) : undefined;
    return Number.isNaN(time) ? undefined : time;
  },
};

function numberOf(value: unknown): number | bigint | undefined {
  if (typeof value === 'bigint') return exactKey(value);
  return typeof value === 'number' && !Number.isNaN(value) ? value + 0 : undefined; // −0 is 0
}

/** The value by which `match` asks the index; undefined when values of this type are not in it. */
export function valueFor(type: PayloadIndexType, value: unknown): Value | undefined {
  return type === 'datetime' ? undefined : VALUES[type](value);
}
