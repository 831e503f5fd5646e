/**
 * A filter as callers write it: Qdrant's JSON. With the type of the payload, keys and values are checked against it, as deep
 * as TypeScript can; without, every key is a path and every value fits.
 */
import type { Id } from '../../types.js';

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
  /** At least `min_count` of these. */
  min_should?: { conditions: readonly Condition<Payload>[]; min_count: number } | null;
}

type Clause<Payload> = Condition<Payload> | readonly Condition<Payload>[] | null;

/**
 * One condition. Of an array, one element that fits suffices; a missing key fits `is_empty` alone, so that `must_not` keeps it.
 */
export type Condition<Payload = unknown> =
  | FieldCondition<Payload>
  /** Missing, null or []. */
  | { is_empty: { key: FilterPath<Payload> } }
  /** Null itself. */
  | { is_null: { key: FilterPath<Payload> } }
  /** Ids that no point has are ignored. */
  | { has_id: readonly Id[] }
  /** One object of the array at `key` passes the whole filter, whose paths start there. */
  | NestedCondition<Payload>
  | Filter<Payload>;

/**
 * Paths into a payload: `a`, `a.b`, and `a[].b` for the elements of an array, which `a.b` does not enter; `"a b.c"` in quotes
 * is one key.
 */
export type FilterPath<Payload = unknown> = keyof Places<Payload> & string;

export type FieldCondition<Payload = unknown> = {
  [Key in FilterPath<Payload>]: { key: Key } & (
    | { match: MatchOf<Leaf<Places<Payload>[Key]>> }
    | { range: RangeOf<Leaf<Places<Payload>[Key]>> }
    /** Elements of an array; a scalar counts 1, null 0; a missing key has no count. */
    | { values_count: CountBounds }
  );
}[FilterPath<Payload>];

export type NestedCondition<Payload = unknown> = {
  [Key in FilterPath<Payload>]: ElementOf<Places<Payload>[Key]> extends infer Element
    ? [Element] extends [never]
      ? never
      : { nested: { key: Key; filter: Filter<Element> } }
    : never;
}[FilterPath<Payload>];

/** Bounds that all hold. */
export interface CountBounds {
  gt?: number | null;
  gte?: number | null;
  lt?: number | null;
  lte?: number | null;
}

type Bounded<Value> = { gt?: Value | null; gte?: Value | null; lt?: Value | null; lte?: Value | null };

/** Strings, booleans and integers match by type and value. */
type MatchOf<Value> =
  | { value: Extract<Value, string | number | boolean> }
  | AnyOf<Extract<Value, string>>
  | AnyOf<Extract<Value, number>>
  /** Contains it, case and all. */
  | (Extract<Value, string> extends never ? never : { text: string });

/** One of these; or something, not null, that is none of these. */
type AnyOf<Value> = [Value] extends [never] ? never : { any: readonly Value[] } | { except: readonly Value[] };

/** Numbers, or points in time: RFC 3339 or dates alone, compared in UTC. */
type RangeOf<Value> =
  | (Extract<Value, number> extends never ? never : Bounded<number>)
  | (Extract<Value, string | Date> extends never ? never : Bounded<string>);

/** What a condition compares: the elements of an array in its place. */
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

type IsUnknown<Value> = unknown extends Value ? true : false;

/** Paths with the types of the values there. Below the fifth level, and of types that say nothing: any path. */
type Places<Payload, Depth extends 0[] = []> =
  IsUnknown<Payload> extends true
    ? { [path: string]: unknown }
    : Depth['length'] extends 5
      ? { [path: string]: unknown }
      : Flat<
          {
            [Key in keyof Payload & string]: Place<Written<Key>, NonNullable<Payload[Key]>, [...Depth, 0]>;
          }[keyof Payload & string]
        >;

type Place<Key extends string, Value, Depth extends 0[]> = { [path in Key]: Value } & Elements<Key, Value, Depth> &
  Under<Key, Extract<Value, object>, Depth>;

type Elements<Key extends string, Value, Depth extends 0[]> =
  Extract<Value, readonly unknown[]> extends readonly (infer Element)[]
    ? { [path in `${Key}[]`]: NonNullable<Element> } & Under<`${Key}[]`, Extract<NonNullable<Element>, object>, Depth>
    : unknown;

type Under<Key extends string, Value, Depth extends 0[]> = [Value] extends [never]
  ? unknown
  : Value extends readonly unknown[] | Date | Uint8Array
    ? unknown
    : { [path in keyof Places<Value, Depth> & string as `${Key}.${path}`]: Places<Value, Depth>[path] };

/** A key as a path has it. */
type Written<Key extends string> = Key extends `${string}${'.' | '[' | ']'}${string}` ? `"${Key}"` : Key;

type Flat<Union> = (Union extends unknown ? (one: Union) => void : never) extends (all: infer All) => void
  ? All
  : never;
