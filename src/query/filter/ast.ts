/**
 * A filter after it was checked: every source compiles it, each in its own way. Each condition's meaning is written
 * beside it; Qdrant 1.18 is the model.
 */
import type { Id } from '../../core/types.js';

/**
 * A value that a condition compares with. Strings, integers and booleans compare by type and value. Integers up to
 * ±(2^53 − 1) are numbers, larger ones are bigints.
 */
export type Scalar = string | number | bigint | boolean;

/** One step of a path: a key of an object, and then, with `each` (`key[]`), every element of the array there. */
export interface Step {
  key: string;
  each: boolean;
}

/**
 * Where a condition looks. Without `each` a step does not enter an array; the value that the last step leads to may be an
 * array all the same, whose elements are the values then.
 */
export interface Path {
  /** As the caller wrote it. */
  text: string;
  steps: readonly Step[];
}

/** Bounds that all hold; none: every number. */
export interface Bounds<Bound = number> {
  gt?: Bound;
  gte?: Bound;
  lt?: Bound;
  lte?: Bound;
}

/** A bigint is beyond ±(2^53 − 1). */
export type NumberBounds = Bounds<number | bigint>;

export type FilterNode =
  /** `and` of nothing is true, `or` of nothing false. */
  | { op: 'and' | 'or'; nodes: readonly FilterNode[] }
  | { op: 'not'; node: FilterNode }
  | { op: 'atLeast'; count: number; nodes: readonly FilterNode[] }
  /** Some value is one of these. */
  | { op: 'match'; path: Path; values: readonly Scalar[] }
  /** Some value is not null and none of these. */
  | { op: 'except'; path: Path; values: readonly Scalar[] }
  /** Some value is a string that contains this one. */
  | { op: 'text'; path: Path; text: string }
  /** Some value is a number or a bigint within, compared exactly. */
  | { op: 'range'; path: Path; bounds: NumberBounds }
  /** Some value is a string that reads as a date within; in milliseconds since 1970 (UTC). */
  | { op: 'dates'; path: Path; bounds: Bounds; text: Bounds<string> }
  /** The number of values: null and [] have 0, [null] and scalars 1; of a missing key no count is within. */
  | { op: 'count'; path: Path; bounds: Bounds }
  /** Missing, null or []. */
  | { op: 'empty'; path: Path }
  /** Exactly null. */
  | { op: 'null'; path: Path }
  | { op: 'ids'; ids: readonly Id[] }
  /** One object in the array satisfies all of it; its paths start there. The last step has `each`; no `ids` within. */
  | { op: 'nested'; path: Path; node: FilterNode };
