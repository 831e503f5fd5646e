/** The index of one key: what is packed, what came later, and which conditions they answer. */

import { doneWork, type Sliced } from '../../core/slices.js';
import type { FilterNode, Path } from '../../query/filter/ast.js';
import { textTest } from '../../query/filter/evaluate.js';
import { parsePath } from '../../query/filter/path.js';
import type { PayloadIndexType } from '../files/payload-index-type.js';
import { FACTS, FLAGS, type PayloadFacts, reader, valueFor } from './facts.js';
import type { PendingRows } from './ordinal-set.js';
import { type OrdinalPart, rowsOfEach, type Value } from './parts.js';
import { PatchLayers } from './patches.js';
import { emptyPostings, Growing, merged, type Packed, type Postings } from './postings.js';

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
  /** The segment has changes of payloads up to this one. */
  packedChanges = 0;
  /** Changes of payloads up to this one were marked. */
  marked = 0;
  /** A segment that was not taken, since it has rounded values: the next one that is written goes in its place. */
  readonly replaces: string | null;
  #packed: PayloadFacts<Packed>;
  /** The last one takes new rows; one before it is being packed. */
  #growing: PayloadFacts<Growing>[] = [growing()];
  /** Rows above that changed. */
  readonly #patches = new PatchLayers();
  readonly #read: ReturnType<typeof reader>;

  constructor(
    /** As the caller wrote it. */
    readonly key: string,
    readonly type: PayloadIndexType,
    from?: { packed: PayloadFacts<Packed> | undefined; rows: number; file: string; changes: number },
  ) {
    this.path = parsePath(key, 'the key of a payload index');
    this.#read = reader(this.path, type);
    const taken = from?.packed === undefined ? undefined : from;
    this.#packed = taken?.packed ?? nothing(this.hasStrings);
    this.packedRows = taken?.rows ?? 0;
    this.covered = this.packedRows;
    this.file = taken?.file ?? null;
    this.packedChanges = taken?.changes ?? 0;
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

  /** Rows that have another payload since change number `change`; those that were not read yet will be. */
  mark(ordinals: Uint32Array, change: number): void {
    this.#patches.mark(ordinals, this.covered);
    this.marked = change;
  }

  /** Whether rows changed that were not read since. */
  get isBehind(): boolean {
    return this.#patches.isBehind;
  }

  /** Rows that changed are all pending then. */
  *sort(): Sliced<void> {
    yield* this.#patches.sort();
  }

  /** Rows whose payload is to be read once more. */
  get pending(): PendingRows {
    return this.#patches.pending;
  }

  /** The payload of a pending row. */
  patch(ordinal: number, payload: unknown, alive: boolean): void {
    const into = this.#patches.into(ordinal);
    if (alive) this.#read(payload, ordinal, into);
  }

  /** Rows that changed since they were packed, or somewhat more. */
  get patched(): number {
    return this.#patches.changed;
  }

  /** Pairs of value and row, by whether the row lives. */
  *census(alive: (ordinal: number) => boolean): Sliced<{ living: number; dead: number }> {
    let dead = 0;
    let work = 0;
    for (const kind of FACTS) {
      for (const postings of this.#base(kind)) {
        for (const [, ordinals] of postings.entries()) {
          for (let i = 0; i < ordinals.length; i++) {
            if (!alive(ordinals[i]!) || !this.#patches.hold(ordinals[i]!)) dead++;
            if (++work % COUNTED_AT_ONCE === 0) yield;
          }
          if (++work % COUNTED_AT_ONCE === 0) yield;
        }
      }
    }
    const all = FACTS.reduce((sum, kind) => this.#base(kind).reduce((of, { size }) => of + size, sum), 0);
    return { living: all - dead + this.#patches.pairs, dead };
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
    const changes = this.isBehind ? this.packedChanges : this.marked;
    const patched = this.#patches.begin();
    const packed: Partial<Record<(typeof FACTS)[number], Packed>> = {};
    for (const kind of FACTS) {
      const strings = kind === 'values' && this.hasStrings;
      packed[kind] = yield* merged(
        this.#packed[kind],
        later![kind],
        strings,
        alive,
        patched?.facts[kind],
        patched?.hold,
      );
    }
    this.#packed = packed as PayloadFacts<Packed>;
    this.packedRows = rows;
    this.packedChanges = changes;
    if (anew) this.file = null;
    this.#growing.shift();
    this.#patches.end();
  }

  /** The rows that meet a condition, in parts that may overlap, dead ones among them; undefined: it takes the payloads. */
  *answer(condition: ColumnCondition): Sliced<OrdinalPart[] | undefined> {
    // All of one moment: others may pack them while they are read.
    const patches = this.#patches.now;
    const base = [this.#packed, ...this.#growing];
    const found = yield* this.#answer(condition, (kind) => base.map((facts) => facts[kind]));
    if (patches.size === 0) return found;
    return found && (yield* patches.over(found, (facts) => this.#answer(condition, (kind) => [facts[kind]])));
  }

  *#answer(condition: ColumnCondition, postings: PostingsOf): Sliced<OrdinalPart[] | undefined> {
    switch (condition.op) {
      case 'match': {
        const listed = this.#listed(condition.values);
        return listed && (yield* rowsOfEach(listed, (value) => rowsWith(postings('values'), value)));
      }
      case 'except': {
        const listed = this.#listed(condition.values);
        if (listed === undefined) return undefined;
        const known = new Set(listed);
        const others = rowsWith(postings('flags'), FLAGS.other);
        return [...(yield* ofAll(postings('values'), (one) => one.but(known))), ...others];
      }
      case 'text': {
        if (!this.hasStrings) return undefined;
        const has = textTest(condition);
        return yield* ofAll(postings('values'), (one) => one.where((value) => has(value as string)));
      }
      case 'range': {
        if (this.type !== 'integer' && this.type !== 'float') return undefined;
        const found = yield* ofAll(postings('values'), (one) => one.within(condition.bounds));
        return isUnbounded(condition.bounds) ? [...found, ...rowsWith(postings('flags'), FLAGS.nan)] : found;
      }
      case 'dates':
        if (this.type !== 'datetime') return undefined;
        return yield* ofAll(postings('values'), (one) => one.within(condition.bounds));
      case 'count':
        return yield* ofAll(postings('counts'), (one) => one.within(condition.bounds));
      case 'empty':
        return rowsWith(postings('flags'), FLAGS.empty);
      case 'null':
        return rowsWith(postings('flags'), FLAGS.null);
      case 'geo':
      case 'nested':
        return undefined;
    }
  }

  /** Rows with a value that is not of the index's type. */
  *others(): Sliced<OrdinalPart[]> {
    const patches = this.#patches.now;
    const found = rowsWith(this.#base('flags'), FLAGS.other);
    return yield* patches.over(found, ({ flags }) => doneWork(rowsWith([flags], FLAGS.other)));
  }

  /** Values with their rows; one that is packed and came later, too, twice. */
  *entries(): Iterable<[Value, ArrayLike<number>]> {
    const patches = this.#patches.now;
    for (const postings of this.#base('values')) yield* patches.left(postings.entries());
    yield* patches.entries();
  }

  /** Pairs of value and row, those among them that no longer hold. */
  get size(): number {
    return this.#base('values').reduce((sum, { size }) => sum + size, this.#patches.values);
  }

  #listed(values: readonly unknown[]): Value[] | undefined {
    const known = values.map((value) => valueFor(this.type, value));
    return known.includes(undefined) ? undefined : (known as Value[]);
  }

  #base(kind: keyof PayloadFacts<unknown>): Postings[] {
    return [this.#packed[kind], ...this.#growing.map((facts) => facts[kind])];
  }
}

type PostingsOf = (kind: keyof PayloadFacts<unknown>) => Postings[];

function rowsWith(all: readonly Postings[], value: Value): ArrayLike<number>[] {
  return all.map((postings) => postings.of(value)).filter(({ length }) => length > 0);
}

function* ofAll(all: readonly Postings[], each: (one: Postings) => Sliced<OrdinalPart[]>): Sliced<OrdinalPart[]> {
  const found: OrdinalPart[] = [];
  for (const one of all) for (const part of yield* each(one)) found.push(part);
  return found;
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
