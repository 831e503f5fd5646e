/** Rows of a payload index whose payload was changed in place: what the index has of them is of no use, and this is instead. */
import { LargeMap } from '../../core/large-map.js';
import type { Sliced } from '../../core/slices.js';
import { firstNotBelow } from '../files/ordered-rows.js';
import { FACTS, type PayloadFacts } from './facts.js';
import { OrdinalSet, type PendingRows } from './ordinal-set.js';
import { type OrdinalPart, Parts, rowsWhere, type Value } from './parts.js';
import { isWithin, type Postings } from './postings.js';
import { ordinalsWithBit } from './row-set.js';
import { Stretch } from './stretch.js';

/** Postings of rows in any order, which may go again. */
class LoosePostings implements Postings {
  /** One row alone, or several: there may be as many values as rows. */
  readonly #rows = new LargeMap<Value, number | OrdinalSet>();
  size = 0;

  add(value: Value, ordinal: number): boolean {
    const rows = this.#rows.get(value);
    if (rows === undefined) {
      this.#rows.set(value, ordinal);
    } else if (typeof rows === 'number') {
      if (rows === ordinal) return false;
      const both = new OrdinalSet();
      both.add(rows);
      both.add(ordinal);
      this.#rows.set(value, both);
    } else if (!rows.add(ordinal)) {
      return false;
    }
    this.size++;
    return true;
  }

  delete(value: Value, ordinal: number): void {
    const rows = this.#rows.get(value)!;
    if (typeof rows !== 'number') rows.delete(ordinal);
    if (typeof rows === 'number' || rows.size === 0) this.#rows.delete(value);
    this.size--;
  }

  values(): Iterable<Value> {
    return this.#rows.keys();
  }

  /** Ascending. */
  of(value: Value): Uint32Array {
    const rows = this.#rows.get(value);
    return rows === undefined ? NONE : listed(rows);
  }

  within(bounds: Parameters<Postings['within']>[0]): Sliced<OrdinalPart[]> {
    return this.where((value) => isWithin(value as number | bigint, bounds));
  }

  where(test: (value: Value) => boolean): Sliced<OrdinalPart[]> {
    return rowsWhere(this.#rows, test, listed);
  }

  but(values: ReadonlySet<Value>): Sliced<OrdinalPart[]> {
    return this.where((value) => !values.has(value));
  }

  *entries(): Iterable<[Value, Uint32Array]> {
    for (const [value, rows] of this.#rows) yield [value, listed(rows)];
  }
}

function listed(rows: number | OrdinalSet): Uint32Array {
  return typeof rows === 'number' ? Uint32Array.of(rows) : rows.list();
}

const NONE = new Uint32Array(0);
/** Rows of parts that are looked at before others get their turn, and what a part costs beside. */
const PARTS_WORK = 1 << 18;
const PART_COST = 64;
/** Rows that become pending before others get their turn. */
const SORTED_AT_ONCE = 1024;

/** A pair that a row has, and its others. */
interface Pair {
  readonly postings: LoosePostings;
  readonly value: Value;
  readonly next: Pair | null;
}

class Patches {
  readonly facts: PayloadFacts<LoosePostings> = {
    values: new LoosePostings(),
    counts: new LoosePostings(),
    flags: new LoosePostings(),
  };
  /** Rows whose payload is yet to be read. */
  readonly pending = new OrdinalSet();
  /** Those of each row that is here. */
  readonly #pairs = new LargeMap<number, Pair | null>();
  /** The row whose facts are being read. */
  #reading = 0;
  readonly #into = {
    values: this.#adding(this.facts.values),
    counts: this.#adding(this.facts.counts),
    flags: this.#adding(this.facts.flags),
  };
  /** Bit o & 31 of word o >>> 5. */
  #words = new Uint32Array(0);

  /** Rows that were marked, of which the first `#sorted` of the first list are here. */
  readonly #marked: Uint32Array[] = [];
  #sorted = 0;
  /** Rows, but for the marked ones that are yet to come here; those are so many, or fewer where some were marked twice. */
  size = 0;
  waiting = 0;

  has(ordinal: number): boolean {
    return ((this.#words[ordinal >>> 5] ?? 0) & (1 << (ordinal & 31))) !== 0;
  }

  /** Rows have another payload now. In the turn of the commit, which may be of very many: what follows from it is for sort(). */
  mark(ordinals: Uint32Array): void {
    if (ordinals.length === 0) return;
    this.#marked.push(ordinals);
    this.waiting += ordinals.length;
  }

  #add(ordinal: number): void {
    if (this.has(ordinal)) return;
    const word = ordinal >>> 5;
    if (word >= this.#words.length) {
      const grown = new Uint32Array(Math.max(word + 1, 2 * this.#words.length));
      grown.set(this.#words);
      this.#words = grown;
    }
    this.#words[word]! |= 1 << (ordinal & 31);
    this.size++;
  }

  get isBehind(): boolean {
    return this.pending.size > 0 || this.#marked.length > 0;
  }

  /** Takes in the marked rows: what they had goes, and they are pending. Others may do the same meanwhile. */
  *sort(): Sliced<void> {
    for (let list = this.#marked[0]; list !== undefined; list = this.#marked[0]) {
      const to = Math.min(list.length, this.#sorted + SORTED_AT_ONCE);
      for (const ordinal of list.subarray(this.#sorted, to)) {
        this.#forget(ordinal);
        this.#add(ordinal);
        this.pending.add(ordinal);
      }
      this.waiting -= to - this.#sorted;
      this.#sorted = to;
      if (to === list.length) {
        this.#marked.shift();
        this.#sorted = 0;
      }
      yield;
    }
  }

  /** A row has no pairs here any more. */
  #forget(ordinal: number): void {
    for (let pair = this.#pairs.get(ordinal) ?? null; pair !== null; pair = pair.next) {
      pair.postings.delete(pair.value, ordinal);
    }
    this.#pairs.set(ordinal, null);
  }

  /** Rows that are yet to be read. */
  *behind(): Iterable<Uint32Array> {
    yield this.pending.list();
    yield* this.#marked;
  }

  /** Where a pending row's facts go, until the next one is asked for. */
  into(ordinal: number): PayloadFacts<{ add(value: Value, ordinal: number): void }> {
    this.pending.delete(ordinal);
    this.#reading = ordinal;
    return this.#into;
  }

  #adding(postings: LoosePostings) {
    return {
      add: (value: Value) => {
        const ordinal = this.#reading;
        if (!postings.add(value, ordinal)) return;
        this.#pairs.set(ordinal, { postings, value, next: this.#pairs.get(ordinal) ?? null });
      },
    };
  }

  /** A part without the rows that are here. */
  without(part: OrdinalPart): Uint32Array {
    const list = part instanceof Stretch ? part.list() : part instanceof Uint32Array ? part : new Uint32Array(part);
    return ordinalsWithBit(list, this.#words, 0);
  }

  /** Pairs of value and row. */
  get pairs(): number {
    return FACTS.reduce((sum, kind) => sum + this.facts[kind].size, 0);
  }
}

type Entries = Iterable<[Value, ArrayLike<number>]>;

/** The patches of a column. The last ones take what changes; those before are being packed. */
export class PatchLayers {
  readonly #layers: Patches[];

  constructor(layers = [new Patches()]) {
    this.#layers = layers;
  }

  /** As they are: they are not packed into what is below while that is read. */
  get now(): PatchLayers {
    return new PatchLayers([...this.#layers]);
  }

  get #last(): Patches {
    return this.#layers.at(-1)!;
  }

  /** Rows whose payload is to be read once more. */
  get pending(): PendingRows {
    return this.#last.pending;
  }

  /** Rows. */
  get size(): number {
    return this.#layers.reduce((sum, { size }) => sum + size, 0);
  }

  /** Rows, or somewhat more: also those that were marked and are yet to be looked at. */
  get changed(): number {
    return this.#layers.reduce((sum, { size, waiting }) => sum + size + waiting, 0);
  }

  /** Pairs of value and row, of all kinds. */
  get pairs(): number {
    return this.#layers.reduce((sum, { pairs }) => sum + pairs, 0);
  }

  /** Those of values. */
  get values(): number {
    return this.#layers.reduce((sum, { facts }) => sum + facts.values.size, 0);
  }

  /** Rows have another payload, ascending; those from `covered` on are yet to be read anyway. */
  mark(ordinals: Uint32Array, covered: number): void {
    this.#last.mark(ordinals.subarray(0, firstNotBelow(covered, ordinals)));
  }

  /** Whether rows changed that were not read since. */
  get isBehind(): boolean {
    return this.#last.isBehind;
  }

  /** All rows that changed are pending then. */
  sort(): Sliced<void> {
    return this.#last.sort();
  }

  /** Where a pending row's facts go. */
  into(ordinal: number): PayloadFacts<{ add(value: Value, ordinal: number): void }> {
    return this.#last.into(ordinal);
  }

  /** Whether what the column has of a row below still holds. */
  hold(ordinal: number): boolean {
    return this.#layers.every((patches) => !patches.has(ordinal));
  }

  /** Parts without the rows that changed, and what there is of these. */
  *over(
    parts: OrdinalPart[],
    of: (facts: PayloadFacts<Postings>) => Sliced<OrdinalPart[] | undefined>,
  ): Sliced<OrdinalPart[]> {
    let all = parts;
    for (const patches of this.#layers) {
      if (patches.size === 0) continue;
      const left = new Parts();
      let work = 0;
      for (const part of all) {
        left.add(patches.without(part));
        work += part.length + PART_COST;
        if (work < PARTS_WORK) continue;
        work = 0;
        yield;
      }
      left.addAll((yield* of(patches.facts)) ?? []);
      all = left.all;
    }
    return all;
  }

  /** Values below with the rows that still have them. */
  *left(entries: Entries, above: readonly Patches[] = this.#layers): Entries {
    const layers = above.filter(({ size }) => size > 0);
    for (const [value, rows] of entries) {
      yield [value, layers.reduce<ArrayLike<number>>((rest, patches) => patches.without(rest), rows)];
    }
  }

  /** Values here with their rows. */
  *entries(): Entries {
    for (const [i, { facts }] of this.#layers.entries()) {
      yield* this.left(facts.values.entries(), this.#layers.slice(i + 1));
    }
  }

  /** The patches that are packed now; what is yet to be read comes behind it. Until end(). */
  begin(): { facts: PayloadFacts<LoosePostings>; hold: (ordinal: number) => boolean } {
    const patches = this.#last;
    this.#layers.push(new Patches());
    for (const ordinals of patches.behind()) this.#last.mark(ordinals);
    return { facts: patches.facts, hold: (ordinal) => !patches.has(ordinal) };
  }

  end(): void {
    this.#layers.shift();
  }
}
