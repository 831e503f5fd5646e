/** The index of one key: what is packed, what came later, and which conditions they answer. */

import type { Sliced } from '../../core/slices.js';
import type { FilterNode, Path } from '../../query/filter/ast.js';
import { parsePath } from '../../query/filter/path.js';
import { textTest } from '../../query/filter/texts.js';
import type { PayloadIndexType } from '../files/payload-index-type.js';
import { FACTS, FLAGS, type PayloadFacts, reader, valueFor } from './facts.js';
import {
  emptyPostings,
  Growing,
  merged,
  type OrdinalPart,
  type Packed,
  type Postings,
  type Value,
} from './postings.js';

/** A condition on the value at one path. */
export type ColumnCondition = Extract<FilterNode, { path: Path }>;

export class Column {
  readonly path: Path;
  /** Rows below are packed. */
  packedRows = 0;
  /** Rows below are in here; the next one to read has this ordinal. */
  covered = 0;
  /** The segment that has what is packed; null: none has. */
  file: string | null = null;
  /** A segment that was not taken, since it has rounded values: the next one that is written goes in its place. */
  readonly replaces: string | null;
  #packed: PayloadFacts<Packed>;
  /** The last one takes new rows; one before it is being packed. */
  #growing: PayloadFacts<Growing>[] = [growing()];
  readonly #read: ReturnType<typeof reader>;

  constructor(
    /** As the caller wrote it. */
    readonly key: string,
    readonly type: PayloadIndexType,
    from?: { packed: PayloadFacts<Packed> | undefined; rows: number; file: string },
  ) {
    this.path = parsePath(key, 'the key of a payload index');
    this.#read = reader(this.path, type);
    const taken = from?.packed === undefined ? undefined : from;
    this.#packed = taken?.packed ?? nothing(this.hasStrings);
    this.packedRows = taken?.rows ?? 0;
    this.covered = this.packedRows;
    this.file = taken?.file ?? null;
    this.replaces = taken === undefined ? (from?.file ?? null) : null;
  }

  get hasStrings(): boolean {
    return this.type === 'keyword';
  }

  get packed(): PayloadFacts<Packed> {
    return this.#packed;
  }

  /** The row `covered`: its payload; a dead row is skipped. */
  take(payload: unknown, alive: boolean): void {
    if (alive) this.#read(payload, this.covered, this.#growing.at(-1)!);
    this.covered++;
  }

  /** Pairs of value and row, by whether the row lives. */
  *census(alive: (ordinal: number) => boolean): Sliced<{ living: number; dead: number }> {
    let dead = 0;
    let work = 0;
    for (const kind of FACTS) {
      for (const postings of this.#postings(kind)) {
        for (const [, ordinals] of postings.entries()) {
          for (let i = 0; i < ordinals.length; i++) {
            if (!alive(ordinals[i]!)) dead++;
            if (++work % COUNTED_AT_ONCE === 0) yield;
          }
          if (++work % COUNTED_AT_ONCE === 0) yield;
        }
      }
    }
    const all = FACTS.reduce((sum, kind) => this.#postings(kind).reduce((of, { size }) => of + size, sum), 0);
    return { living: all - dead, dead };
  }

  /**
   * Packs what is here now; rows may come meanwhile. Does nothing while it is being done.
   *
   * @param anew also when no row came: those that died go, and what the file has is not what is packed
   */
  *pack(alive: (ordinal: number) => boolean, anew = false): Sliced<void> {
    if (this.#growing.length > 1 || (this.covered === this.packedRows && !anew)) return;
    const rows = this.covered;
    const [later] = this.#growing;
    this.#growing.push(growing());
    const packed: Partial<Record<(typeof FACTS)[number], Packed>> = {};
    for (const kind of FACTS) {
      packed[kind] = yield* merged(this.#packed[kind], later![kind], kind === 'values' && this.hasStrings, alive);
    }
    this.#packed = packed as PayloadFacts<Packed>;
    this.packedRows = rows;
    if (anew) this.file = null;
    this.#growing.shift();
  }

  /** The rows that meet a condition, in parts that may overlap, dead ones among them; undefined: it takes the payloads. */
  answer(condition: ColumnCondition): OrdinalPart[] | undefined {
    switch (condition.op) {
      case 'match':
        return this.#listed(condition.values)?.flatMap((value) => this.#of('values', value));
      case 'except': {
        const listed = this.#listed(condition.values);
        if (listed === undefined) return undefined;
        const known = new Set(listed);
        return [...this.#postings('values').flatMap((postings) => postings.but(known)), ...this.others];
      }
      case 'text': {
        if (!this.hasStrings) return undefined;
        const has = textTest(condition);
        return this.#postings('values').flatMap((postings) => postings.where((value) => has(value as string)));
      }
      case 'range': {
        if (this.type !== 'integer' && this.type !== 'float') return undefined;
        const found = this.#postings('values').flatMap((postings) => postings.within(condition.bounds));
        return isUnbounded(condition.bounds) ? [...found, ...this.#of('flags', FLAGS.nan)] : found;
      }
      case 'dates':
        if (this.type !== 'datetime') return undefined;
        return this.#postings('values').flatMap((postings) => postings.within(condition.bounds));
      case 'count':
        return this.#postings('counts').flatMap((postings) => postings.within(condition.bounds));
      case 'empty':
        return this.#of('flags', FLAGS.empty);
      case 'null':
        return this.#of('flags', FLAGS.null);
      case 'geo':
      case 'nested':
        return undefined;
    }
  }

  /** Rows with a value that is not of the index's type. */
  get others(): ArrayLike<number>[] {
    return this.#of('flags', FLAGS.other);
  }

  /** Values with their rows; one that is packed and came later, too, twice. */
  *entries(): Iterable<[Value, ArrayLike<number>]> {
    for (const postings of this.#postings('values')) yield* postings.entries();
  }

  /** Pairs of value and row. */
  get size(): number {
    return this.#postings('values').reduce((sum, { size }) => sum + size, 0);
  }

  #listed(values: readonly unknown[]): Value[] | undefined {
    const known = values.map((value) => valueFor(this.type, value));
    return known.includes(undefined) ? undefined : (known as Value[]);
  }

  #of(kind: keyof PayloadFacts<unknown>, value: Value): ArrayLike<number>[] {
    return this.#postings(kind)
      .map((postings) => postings.of(value))
      .filter(({ length }) => length > 0);
  }

  #postings(kind: keyof PayloadFacts<unknown>): Postings[] {
    return [this.#packed[kind], ...this.#growing.map((facts) => facts[kind])];
  }
}

const COUNTED_AT_ONCE = 8192;

function isUnbounded(bounds: object): boolean {
  return Object.values(bounds).every((bound) => bound === undefined);
}

function growing(): PayloadFacts<Growing> {
  return { values: new Growing(), counts: new Growing(), flags: new Growing() };
}

function nothing(strings: boolean): PayloadFacts<Packed> {
  return { values: emptyPostings(strings), counts: emptyPostings(false), flags: emptyPostings(false) };
}
