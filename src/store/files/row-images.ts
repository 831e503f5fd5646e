/** The rows themselves, as a search and a build read them: images of the row files in memory, or records read from disk. */
import type { CodeKernels } from '../../kernels/codes.js';
import type { Metric } from '../../kernels/kernels.js';
import { Scratch } from '../engine/memory.js';
import type { RowTier } from '../engine/types.js';
import { readFromDisk, scoreFromDisk } from './disk-records.js';
import { corrupt } from './errors.js';
import { put, type RowImage, slotOf, valuesOf } from './row-image.js';

/** Rows over images. One per thread. */
export class RowImages implements RowTier {
  readonly resident: boolean;
  readonly #scratch: Scratch;
  /** By image: its records as values; undefined: on disk. */
  readonly views: readonly (Float32Array | Uint16Array | undefined)[];

  constructor(
    readonly codes: CodeKernels,
    readonly images: readonly RowImage[],
    readonly dim: number,
    readonly half: boolean,
    /** This thread's memory, kept over many versions of an index. */
    scratch = new Scratch(codes),
  ) {
    this.#scratch = scratch;
    this.resident = images.every(({ records, isComing }) => records !== undefined || isComing === true);
    this.views = images.map(({ records }) => (records === undefined ? undefined : valuesOf(records, half)));
  }

  score(query: Float32Array, metric: Metric, ordinals: Uint32Array, count: number, keys: Float64Array): void {
    const { images } = this;
    if (images.length === 1) {
      const slots = this.#scratch.take('slots', Uint32Array, count);
      for (let i = 0; i < count; i++) {
        slots[i] = slotAfter(images[0]!, ordinals[i]!, i > 0 ? slots[i - 1]! : -1);
        // Kernels trust places; −1 is far beyond any count here.
        if (slots[i]! >= images[0]!.count) throw noRecord(images[0]!.path, ordinals[i]!);
      }
      this.#scoreIn(0, query, metric, slots, count, keys);
      return;
    }
    const slots = this.#scratch.take('slots', Uint32Array, count);
    const places = this.#scratch.take('places', Uint32Array, count);
    const some = this.#scratch.take('some keys', Float64Array, count);
    let found = 0;
    for (const [f, image] of images.entries()) {
      let n = 0;
      for (let i = 0; i < count; i++) {
        const ordinal = ordinals[i]!;
        if (ordinal < image.firstOrdinal || ordinal > image.lastOrdinal) continue;
        slots[n] = slotAfter(image, ordinal, n > 0 ? slots[n - 1]! : -1);
        if (slots[n]! >= image.count) throw noRecord(image.path, ordinal);
        places[n++] = i;
      }
      if (n === 0) continue;
      found += n;
      this.#scoreIn(f, query, metric, slots, n, some);
      for (let i = 0; i < n; i++) keys[places[i]!] = some[i]!;
    }
    if (found < count) throw noRecord('the row files', ordinals[0]!);
  }

  /** Rows of consecutive ordinals as float32, `n × dim`; zeros where there is none. */
  read(first: number, n: number, out: Float32Array, toFloat: (half: number) => number): void {
    const { dim } = this;
    if (!this.images.some((image) => hasAll(image, first, n))) out.fill(0, 0, n * dim);
    for (const [f, image] of this.images.entries()) {
      const from = Math.max(first, image.firstOrdinal);
      const to = Math.min(first + n - 1, image.lastOrdinal);
      if (this.views[f] === undefined) {
        readFromDisk(this, this.#scratch, image, first, from, to, out, toFloat);
        continue;
      }
      for (let ordinal = from; ordinal <= to; ordinal++) {
        const slot = slotOf(image, ordinal);
        if (slot < 0) continue;
        put(this.#values(this.views[f]!, image, slot), out, (ordinal - first) * dim, toFloat);
      }
    }
  }

  /** The values of a record. */
  #values(all: Float32Array | Uint16Array, { stride }: RowImage, slot: number): Float32Array | Uint16Array {
    const from = slot * (stride / (this.half ? 2 : 4));
    return all.subarray(from, from + this.dim);
  }

  #scoreIn(
    f: number,
    query: Float32Array,
    metric: Metric,
    slots: Uint32Array,
    count: number,
    keys: Float64Array,
  ): void {
    const image = this.images[f]!;
    const { dim, half, codes } = this;
    const stride = image.stride / (half ? 2 : 4);
    const view = this.views[f];
    if (view !== undefined) {
      codes.scoresAt({ metric, query, chunks: [view], chunkRows: 2 ** 31, stride, dim, rows: slots, count, keys });
    } else {
      scoreFromDisk(this, this.#scratch, image, query, metric, slots, count, keys);
    }
  }
}

/** Whether an image has a record of each of `n` ordinals from `first` on, as far as is seen without a look at them. */
function hasAll({ ordinals, firstOrdinal, lastOrdinal }: RowImage, first: number, n: number): boolean {
  return ordinals === undefined && firstOrdinal <= first && first + n - 1 <= lastOrdinal;
}

export function noRecord(path: string, ordinal: number): Error {
  return corrupt(path, 'records', `lack one of ${ordinal}`);
}

/** The same where an ordinal often follows the one of the record `before`. */
function slotAfter(image: RowImage, ordinal: number, before: number): number {
  return image.ordinals?.[before + 1] === ordinal ? before + 1 : slotOf(image, ordinal);
}

/** The rows of listed ordinals, in their order, as float32: what a build reads. */
export class OrdinalReader {
  readonly count: number;
  #buffer = new Float32Array(0);

  constructor(
    readonly rows: RowImages,
    readonly ordinals: Uint32Array,
    readonly toFloat: (half: number) => number,
  ) {
    this.count = ordinals.length;
  }

  /** Valid until the next call. */
  read(first: number, n: number): Float32Array {
    const { dim } = this.rows;
    if (this.#buffer.length < n * dim) this.#buffer = new Float32Array(n * dim);
    const { ordinals } = this;
    for (let i = 0; i < n; ) {
      let run = 1;
      while (i + run < n && ordinals[first + i + run] === ordinals[first + i]! + run) run++;
      this.rows.read(ordinals[first + i]!, run, this.#buffer.subarray(i * dim, (i + run) * dim), this.toFloat);
      i += run;
    }
    return this.#buffer.subarray(0, n * dim);
  }
}
