/**
 * A filter as callers write it: Qdrant's JSON. With the type of the payload, keys and values are checked against it, as deep
 * as TypeScript can; without, every key is a path and every value fits.
 */
import type { Id } from '../../core/types.js';
import type { GeoPoint } from './ast.js';

/**
 * Passes what every clause passes; a clause that is absent or empty passes everything.
 *
 * @example
 * const filter: Filter<{ year: number; genres: string[]; cast: { name: string }[] }> = {
 *   must: [{ key: 'year', range: { gte: 1990 } }, { key: 'cast[].name', match: { text: 'Kidman' } }],
 *   must_not: { key: 'genres', match: { any: ['horror', 'war'] } },
 * };
 */
export interface Filter<Payload = unknown> {
  /** All of these. */
  must?: Clause<Payload>;
  /** At least one of these. */
  should?: Clause<Payload>;
  /** None of these. */
  must_not?: Clause<Payload>;
  /** At least `min_count` of these; of none, nothing passes. */
  min_should?: {
    /** The conditions that are counted. */
    conditions: readonly Condition<Payload>[];
    /** Number of conditions that have to pass; 0 restricts nothing. */
    min_count: number;
  } | null;
}

type Clause<Payload> = Condition<Payload> | readonly Condition<Payload>[] | null;

/**
 * One condition. Where the value is an array, one element that fits suffices; a missing key fits `is_empty`, and a
 * `values_count` that 0 fits, alone, so that `must_not` keeps it.
 */
export type Condition<Payload = unknown> =
  | FieldCondition<Payload>
  | Exclusive<
      Said,
      {
        /** The path leads to nothing, null or []. */
        is_empty: {
          /** The path that is looked at. */
          key: FilterPath<Payload>;
        };
      }
    >
  | Exclusive<
      Said,
      {
        /** The path leads to null itself. */
        is_null: {
          /** The path that is looked at. */
          key: FilterPath<Payload>;
        };
      }
    >
  | Exclusive<
      Said,
      {
        /** The point has one of these ids; ids that no point has are ignored. */
        has_id: readonly Id[];
      }
    >
  | Exclusive<
      Said,
      {
        /**
         * The point is in one of `total` disjoint slices of all ids, by a hash of its id: for scans in parallel, and samples
         * that stay the same. Qdrant (1.19) and embedded indexes put an id into the same slice.
         */
        slice: {
          /** Number of slices. */
          total: number;
          /** The slice, from 0. */
          index: number;
        };
      }
    >
  | NestedCondition<Payload>
  | Exclusive<Said, Filter<Payload>>;

/** Every key that a condition may have: those of one of its forms, or the clauses of a filter. */
type Said = Compared | 'key' | 'is_empty' | 'is_null' | 'has_id' | 'slice' | 'nested' | keyof Filter;
type Compared = 'match' | 'range' | 'values_count' | keyof GeoTests;

/** Nothing of the others beside it. */
type Exclusive<Others extends string, One> = One & { [Other in Exclude<Others, keyof One>]?: never };

/**
 * Paths into a payload: `a`, `a.b`, and `a[].b` for the elements of an array, which `a.b` does not enter; `"a b.c"` in quotes
 * is one key.
 */
export type FilterPath<Payload = unknown> = keyof Places<Payload> & string;

/** A closed line: at least four places, the last of which is the first again. */
export interface GeoRing {
  /** Places in order. */
  points: readonly GeoPoint[];
}

/** Conditions on places: one that is inside passes, and none on the edge. */
export interface GeoTests {
  /** Within so many metres, along a great circle. */
  geo_radius: {
    /** The middle. */
    center: GeoPoint;
    /** Metres, rounded to float32. */
    radius: number;
  };
  /** Between two meridians and two parallels; over the 180th meridian where the left one is east of the right one. */
  geo_bounding_box: {
    /** The north-western corner. */
    top_left: GeoPoint;
    /** The south-eastern corner. */
    bottom_right: GeoPoint;
  };
  /** Within a ring and in none of its holes, on a plane of degrees. */
  geo_polygon: {
    /** The line around it. */
    exterior: GeoRing;
    /** Lines around holes. */
    interiors?: readonly GeoRing[] | null;
  };
}

/** A condition on the values at one path: `match`, `range`, `values_count`, or one on places. */
export type FieldCondition<Payload = unknown> = {
  [Key in FilterPath<Payload>]:
    | Exclusive<
        Said,
        {
          /** The path of the values. */
          key: Key;
          /**
           * Strings, integers and booleans: one `value`, `any` of some, `except` some; of strings: `text` or a `phrase` that is
           * contained, one of the words of `text_any`, a `prefix`.
           */
          match: MatchOf<Leaf<Places<Payload>[Key]>>;
        }
      >
    | Exclusive<
        Said,
        {
          /** The path of the values. */
          key: Key;
          /** Numbers, or dates, between bounds that all hold. */
          range: RangeOf<Leaf<Places<Payload>[Key]>>;
        }
      >
    | Exclusive<
        Said,
        {
          /** The path of the values. */
          key: Key;
          /** Bounds on the number of elements; a scalar counts 1, null and a missing key 0. */
          values_count: CountBounds;
        }
      >
    | GeoOf<Key, Places<Payload>[Key]>;
}[FilterPath<Payload>];

/** A place is an object with `lon` and `lat`. */
type GeoOf<Key, Value> = unknown extends Value
  ? GeoCondition<Key>
  : [Extract<Value extends readonly (infer Element)[] ? Element : Value, GeoPoint>] extends [never]
    ? never
    : GeoCondition<Key>;

type GeoCondition<Key> = {
  [Test in keyof GeoTests]: Exclusive<
    Said,
    {
      /** The path of the values. */
      key: Key;
    } & Pick<GeoTests, Test>
  >;
}[keyof GeoTests];

/** One object of the array at `key` passes the whole filter. */
export type NestedCondition<Payload = unknown> = {
  [Key in FilterPath<Payload>]: ElementOf<Places<Payload>[Key]> extends infer Element
    ? [Element] extends [never]
      ? never
      : Exclusive<
          Said,
          {
            /** A filter that one object of an array has to pass. */
            nested: {
              /** The path of the array. */
              key: Key;
              /** Its paths start at the object. */
              filter: Filter<Element>;
            };
          }
        >
    : never;
}[FilterPath<Payload>];

/** Bounds that all hold. */
export interface CountBounds {
  /** More values than this. */
  gt?: number | null;
  /** At least so many. */
  gte?: number | null;
  /** Fewer values than this. */
  lt?: number | null;
  /** At most so many. */
  lte?: number | null;
}

type Bounded<Value> = { gt?: Value | null; gte?: Value | null; lt?: Value | null; lte?: Value | null };

/** Strings, booleans and integers match by type and value. Integers beyond ±(2^53 − 1) are bigints: 3n is 3. */
type MatchOf<Value> =
  | Exclusive<Matched, { value: Extract<Value, string | boolean> | IntegerOf<Value> }>
  | AnyOf<Extract<Value, string>>
  | AnyOf<IntegerOf<Value>>
  | (Extract<Value, string> extends never ? never : TextOf);

/** Case and all; where a key has a text index in Qdrant, its tokenizer decides. */
type TextOf =
  /** Contains it. */
  | Exclusive<Matched, { text: string }>
  /** Contains it; where Qdrant has an index for phrases: its words, one behind the other. */
  | Exclusive<Matched, { phrase: string }>
  /** Contains one of its words. */
  | Exclusive<Matched, { text_any: string }>
  /** Begins with it. */
  | Exclusive<Matched, { prefix: string }>;

/** One of these; or something, not null, that is none of these. */
type AnyOf<Value> = [Value] extends [never]
  ? never
  : Exclusive<Matched, { any: readonly Value[] }> | Exclusive<Matched, { except: readonly Value[] }>;

type Matched = 'value' | 'any' | 'except' | 'text' | 'phrase' | 'text_any' | 'prefix';

type IntegerOf<Value> = Extract<Value, number> | (number extends Value ? bigint : never);

/** Numbers and bigints, compared exactly; or points in time: Dates, RFC 3339 or dates alone, compared in UTC. */
type RangeOf<Value> =
  | (Extract<Value, number> extends never ? never : Bounded<number | bigint>)
  | (Extract<Value, string | Date> extends never ? never : Bounded<string | Date>);

/** The type that a condition compares: for an array, that of its elements. */
type Leaf<Value> = unknown extends Value
  ? string | number | boolean
  : Value extends readonly (infer E)[]
    ? Widened<E>
    : Widened<Value>;

type Widened<Value> = Value extends bigint ? number : Value;

type ElementOf<Value> = unknown extends Value
  ? unknown
  : Value extends readonly (infer Element)[]
    ? Extract<NonNullable<Element>, object>
    : never;

/** Types that say nothing of what is in there: any, unknown, object, {}. */
type IsOpen<Value> = unknown extends Value
  ? true
  : [Value extends object ? ([keyof Value] extends [never] ? true : never) : never] extends [never]
    ? false
    : true;

/** Keys of any member of a union, and what they are in those that have them. */
type KeyOf<Payload> = Payload extends unknown ? keyof Payload & string : never;
type At<Payload, Key> = Payload extends unknown ? (Key extends keyof Payload ? Payload[Key] : never) : never;

/** Paths with the types of the values there. Below the fifth level, and of types that say nothing: any path. */
type Places<Payload, Depth extends 0[] = []> =
  IsOpen<Payload> extends true
    ? { [path: string]: unknown }
    : Depth['length'] extends 5
      ? { [path: string]: unknown }
      : Flat<{ [Key in KeyOf<Payload>]: Place<Written<Key>, At<Payload, Key>, [...Depth, 0]> }[KeyOf<Payload>]>;

type Place<Key extends string, Value, Depth extends 0[]> =
  IsOpen<Value> extends true
    ? { [path in Key]: unknown } & Anything<Key> & Anything<`${Key}[]`>
    : { [path in Key]: NonNullable<Value> } & Elements<Key, Extract<Value, readonly unknown[]>, Depth> &
        Under<Key, Inner<Value>, Depth>;

type Anything<Key extends string> = { [path in `${Key}[]` | `${Key}.${string}`]: unknown };

type Elements<Key extends string, Arrays, Depth extends 0[]> = [Arrays] extends [never]
  ? unknown
  : [Arrays] extends [readonly (infer Element)[]]
    ? IsOpen<Element> extends true
      ? { [path in `${Key}[]`]: unknown } & Anything<`${Key}[]`>
      : { [path in `${Key}[]`]: NonNullable<Element> } & Under<`${Key}[]`, Inner<Element>, Depth>
    : unknown;

type Under<Key extends string, Value, Depth extends 0[]> = [Value] extends [never]
  ? unknown
  : { [path in keyof Places<Value, Depth> & string as `${Key}.${path}`]: Places<Value, Depth>[path] };

/** Objects that have paths. */
type Inner<Value> = Exclude<Extract<Value, object>, readonly unknown[] | Date | Uint8Array>;

/** A key as a path has it. */
type Written<Key extends string> = Key extends `${string}${'.' | '[' | ']'}${string}` ? `"${Key}"` : Key;

type Flat<Union> = (Union extends unknown ? (one: Union) => void : never) extends (all: infer All) => void
  ? All
  : never;
