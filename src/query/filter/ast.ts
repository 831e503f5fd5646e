/**
 * A filter after it was checked: every source compiles it, each in its own way. Each condition's meaning is written
 * beside it; Qdrant 1.19 is the model.
 */
import type { Id } from '../../core/types.js';

/**
 * A value that a condition compares with. Strings, integers and booleans compare by type and value. Integers up to
 * ±(2^53 − 1) are numbers, larger ones are bigints.
 */
export type Scalar = string | number | bigint | boolean;

/** One step of a path: a key of an object, and then, with `each` (`key[]`), every element of the array there. */
export interface Step {
  /** The key, without quotes. */
  key: string;
  /** Whether the path goes on in each element of the array there. */
  each: boolean;
}

/**
 * Where a condition looks. Without `each` a step does not enter an array; the value that the last step leads to may be an
 * array all the same, whose elements are the values then.
 */
export interface Path {
  /** As the caller wrote it. */
  text: string;
  /** From the payload inwards; at least one. */
  steps: readonly Step[];
}

/** Bounds that all hold; none: every number. */
export interface Bounds<Bound = number> {
  /** Above it. */
  gt?: Bound;
  /** At it or above. */
  gte?: Bound;
  /** Below it. */
  lt?: Bound;
  /** At it or below. */
  lte?: Bound;
}

/** A place on the earth, in degrees. */
export interface GeoPoint {
  /** −180 to 180. */
  lon: number;
  /** −90 to 90. */
  lat: number;
}

/** An area on the earth, without its edge. Rings are closed: the last point is the first. */
export type GeoArea =
  | { is: 'circle'; center: GeoPoint /** In metres, as float32 has it. */; radius: number }
  | { is: 'box'; topLeft: GeoPoint; bottomRight: GeoPoint }
  | { is: 'polygon'; exterior: readonly GeoPoint[]; interiors: readonly (readonly GeoPoint[])[] };

/** A bigint is beyond ±(2^53 − 1). */
export type NumberBounds = Bounds<number | bigint>;

/** A condition of a filter, or several joined. `op` says which; a source switches over it. */
export type FilterNode =
  | {
      /** All nodes pass, or one of them does: `and` of nothing is true, `or` of nothing false. */
      op: 'and' | 'or';
      /** The conditions that are joined. */
      nodes: readonly FilterNode[];
    }
  | {
      /** The node does not pass. */
      op: 'not';
      /** The condition that is negated. */
      node: FilterNode;
    }
  | {
      /** At least `count` of the nodes pass. */
      op: 'atLeast';
      /** Number of nodes that have to pass, at least 1. */
      count: number;
      /** The conditions that are counted. */
      nodes: readonly FilterNode[];
    }
  | {
      /** Some value is one of these. */
      op: 'match';
      /** The path of the values. */
      path: Path;
      /** Values to compare with, by type and value. */
      values: readonly Scalar[];
    }
  | {
      /** Some value is not null and none of these. */
      op: 'except';
      /** The path of the values. */
      path: Path;
      /** Values to compare with, by type and value. */
      values: readonly Scalar[];
    }
  | {
      /** Some value is a string that has this one, case and all. */
      op: 'text';
      /** The path of the values. */
      path: Path;
      /**
       * How it has it: contains it (`text`; `phrase`, which a server's text index may know more of), contains one of its words
       * (`text_any`), begins with it (`prefix`).
       */
      by: 'text' | 'phrase' | 'text_any' | 'prefix';
      /** The text to find. */
      text: string;
    }
  | {
      /** Some value is an object with a place (`lon`, `lat`) in the area. */
      op: 'geo';
      /** The path of the values. */
      path: Path;
      /** The area, without its edge. */
      area: GeoArea;
    }
  | {
      /** Some value is a number or a bigint within, compared exactly. */
      op: 'range';
      /** The path of the values. */
      path: Path;
      /** Bounds that all hold. */
      bounds: NumberBounds;
    }
  | {
      /** Some value is a string that reads as a date within. */
      op: 'dates';
      /** The path of the values. */
      path: Path;
      /** In milliseconds since 1970 (UTC). */
      bounds: Bounds;
      /** The same as the caller wrote it. */
      text: Bounds<string>;
    }
  | {
      /** The number of values is within: null and [] have 0, [null] and scalars 1; a missing key passes `empty` alone. */
      op: 'count';
      /** The path of the values. */
      path: Path;
      /** Bounds that all hold. */
      bounds: Bounds;
    }
  | {
      /** The path leads to nothing, null or []. */
      op: 'empty';
      /** The path that is looked at. */
      path: Path;
    }
  | {
      /** The path leads to null itself. */
      op: 'null';
      /** The path that is looked at. */
      path: Path;
    }
  | {
      /** The point's id is one of these. */
      op: 'ids';
      /** Ids as the caller wrote them. */
      ids: readonly Id[];
    }
  | {
      /** The point's id is in one of `total` slices of all ids, by its hash. */
      op: 'slice';
      /** Number of slices, 1 to 2^32 − 1. */
      total: number;
      /** The slice, from 0. */
      index: number;
    }
  | {
      /** One object in the array satisfies all of `node`. */
      op: 'nested';
      /** The array; its last step has `each`. */
      path: Path;
      /** Its paths start at the object; it holds no `ids` and no `slice`. */
      node: FilterNode;
    };
