/** Memory of an index in use: lists of rows, descriptors, and segments that were replaced. */
import { sharedBuffer } from '../core/shared.js';
import { atOnce, type Sliced } from '../core/slices.js';
import type { CodeKernels } from '../kernels/codes.js';
import { releaseIn } from './engine/memory.js';
import type { Segment } from './engine/segment.js';
import { blocksOf, kernelArrays } from './engine/segment.js';
import { firstNotBelow } from './files/ordered-rows.js';

/** Rows that are looked at before others get their turn. */
export const LOOKED_AT_ONCE = 1 << 16;

/**
 * Ordinals, and those of new rows behind them. Where a list has grown before there is room behind it, so that a write of one row
 * copies none of the others; search threads read the list where it is.
 *
 * @param ordinals the last list that was made here of those that share its memory
 */
export function withNews(ordinals: Uint32Array, news: ArrayLike<number>): Uint32Array {
  const length = ordinals.length + news.length;
  const { buffer, byteOffset } = ordinals;
  let all: Uint32Array;
  if (byteOffset + 4 * length <= buffer.byteLength) all = new Uint32Array(buffer, byteOffset, length);
  else {
    all = new Uint32Array(sharedBuffer(4 * Math.ceil(1.5 * length)), 0, length);
    all.set(ordinals);
  }
  all.set(news, ordinals.length);
  return all;
}

/** The ordinals `from..to` that live, of which `alive` has a bit each. */
export function livingIn(alive: Uint8Array, from: number, to: number): Uint32Array {
  const living = new Uint32Array(Math.max(0, to - from));
  let n = 0;
  for (let ordinal = from; ordinal < to; ) {
    if ((ordinal & 7) === 0 && ordinal + 8 <= to && alive[ordinal >>> 3] === 255) {
      for (const end = ordinal + 8; ordinal < end; ordinal++) living[n++] = ordinal;
      continue;
    }
    living[n] = ordinal;
    n += (alive[ordinal >>> 3]! >>> (ordinal & 7)) & 1; // the next one takes the place of one that is dead
    ordinal++;
  }
  return living.subarray(0, n);
}

/** Whether so many die that each row is looked at; else those that die are sought. */
export function dieMany(ordinals: Uint32Array, dead: readonly number[]): boolean {
  return 16 * dead.length > ordinals.length;
}

/** Ordinals without those that died, both ascending; the same list where it has none of these. */
export function withoutDead(ordinals: Uint32Array, dead: readonly number[]): Uint32Array {
  if (ordinals.length === 0) return ordinals;
  if (dieMany(ordinals, dead)) return atOnce(withoutMany(ordinals, dead));
  const places: number[] = [];
  for (let i = 0, from = 0; i < dead.length && from < ordinals.length; i++) {
    from = firstNotBelow(dead[i]!, ordinals, from);
    if (ordinals[from] === dead[i]) places.push(from);
  }
  if (places.length === 0) return ordinals;
  const left = ordinals.slice();
  let n = places[0]!;
  for (let i = n, next = 0; i < ordinals.length; i++) {
    if (i === places[next]) next++;
    else left[n++] = ordinals[i]!;
  }
  return left.subarray(0, n);
}

/** The same where many died: by a look at each, in parts. */
export function* withoutMany(ordinals: Uint32Array, dead: readonly number[]): Sliced<Uint32Array> {
  const left = new Uint32Array(ordinals.length);
  const done = { from: 0, next: 0, kept: 0 };
  while (done.from < ordinals.length) {
    withoutSome(ordinals, dead, left, done);
    yield;
  }
  return done.kept === ordinals.length ? ordinals : left.subarray(0, done.kept);
}

function withoutSome(
  ordinals: Uint32Array,
  dead: readonly number[],
  left: Uint32Array,
  done: { from: number; next: number; kept: number },
): void {
  let { from, next, kept } = done;
  for (const end = Math.min(ordinals.length, from + LOOKED_AT_ONCE); from < end; from++) {
    const ordinal = ordinals[from]!;
    while (next < dead.length && dead[next]! < ordinal) next++;
    if (dead[next] !== ordinal) left[kept++] = ordinal;
  }
  Object.assign(done, { from, next, kept });
}

const NONE = new Float32Array(0);

/** Descriptors that stay open while anybody uses them. */
export class Lease {
  #users = 1;

  constructor(readonly release: () => void) {}

  take(): void {
    this.#users++;
  }

  drop(): void {
    if (--this.#users === 0) this.release();
  }
}

/**
 * A segment without the parts that only a build reads, or a file of it: in memory no file has them. A basis that has none stays the
 * same object, by which an extension is known to be coded as its build.
 */
export function withoutBuilding(segment: Segment, inMemory: boolean): Segment {
  const { coding, partition } = segment;
  const { basis: whole } = coding;
  const basis = whole === null || whole.columns.length === 0 ? whole : { ...whole, columns: NONE };
  const centroids = inMemory ? partition?.centroids : NONE;
  return {
    ...segment,
    coding: { ...coding, basis },
    partition: partition === null ? null : { ...partition, centroids: centroids! },
  };
}

export function withoutFull(segment: Segment): Segment {
  return { ...segment, coding: { ...segment.coding, full: 0 }, fullPlane: segment.fullPlane.subarray(0, 0) };
}

/** Segments that were replaced: their memory is given back when no search can see them any more. */
export class Retired {
  /** Searches under way in threads, by the version that they see. */
  readonly #uses = new Map<number, number>();
  /** With the last version that has each. */
  #arrays: { array: ArrayBufferView; version: number }[] = [];

  constructor(readonly codes: CodeKernels) {}

  /** A search sees this version until `done()`. */
  use(version: number): void {
    this.#uses.set(version, (this.#uses.get(version) ?? 0) + 1);
  }

  done(version: number): void {
    const left = this.#uses.get(version)! - 1;
    if (left > 0) this.#uses.set(version, left);
    else this.#uses.delete(version);
    this.#sweep();
  }

  /**
   * @param staying those that may share memory with them
   * @param version the last one that has them
   */
  add(segments: readonly Segment[], staying: readonly Segment[], version: number): void {
    const used = new Set(staying.flatMap(kernelArrays));
    for (const array of new Set(segments.flatMap(kernelArrays))) {
      if (array.byteLength > 0 && !used.has(array)) this.#arrays.push({ array, version }); // else of a plane that was left out
    }
    this.#sweep();
  }

  #sweep(): void {
    const oldest = Math.min(...this.#uses.keys());
    this.#arrays = this.#arrays.filter(({ array, version }) => {
      if (oldest > version) releaseIn(this.codes, array);
      return oldest <= version;
    });
  }
}

/** Makes a segment's mask that of the rows which live, of which `alive` has a bit each. */
export function remask({ ordinals, mask }: Segment, alive: Uint8Array): void {
  for (let block = 0; block < blocksOf(ordinals.length); block++) {
    let bits = 0;
    const end = Math.min(16, ordinals.length - 16 * block);
    for (let r = 0; r < end; r++) {
      const ordinal = ordinals[16 * block + r]!;
      bits |= ((alive[ordinal >>> 3]! >>> (ordinal & 7)) & 1) << r;
    }
    mask[block] = bits;
  }
}
