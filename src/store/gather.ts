/** Rows by id into one matrix: what a mirror reads at every search. */
import { Buffer } from '../core/buffer.js';
import { expected } from '../core/errors.js';
import { halfTable, halfToFloat } from '../core/half.js';
import { ownView } from '../core/realm.js';
import type { Id } from '../core/types.js';
import { checkAttached, honestList } from '../core/validate.js';
import { nativeFiles } from './files/native.js';
import { slotOf } from './files/row-image.js';
import { noRecord, type RowImages } from './files/row-images.js';
import type { IndexParts } from './parts.js';

/** @throws FunnelError BAD_ARGUMENT, BAD_DIMS, DETACHED_BUFFER, CORRUPT */
export function gather({ files, live }: IndexParts, ids: ArrayLike<Id>, given: Float32Array): number[] {
  const into = ownView(given, 'out');
  const { dim } = files.config;
  const count = typeof ids === 'object' && ids !== null ? ids.length : Number.NaN;
  if (!Number.isInteger(count) || count < 0) throw expected('BAD_ARGUMENT', 'an array of ids', 'ids', ids);
  honestList(ids, 'ids');
  checkRoom(into, count, dim);
  const ordinals = new Float64Array(count);
  for (let i = 0; i < count; i++) ordinals[i] = files.ordinalOf(ids[i]!) ?? NONE;
  checkRoom(into, count, dim); // an element may have been a getter; no code of the caller's runs from here on
  const out = new Float32Array(into.buffer, into.byteOffset, count * dim);
  const { state, images } = live;
  const rows = state.rows as RowImages;
  const copies = new Map<number, Copies>();
  const missing: number[] = [];
  for (let i = 0; i < count; i++) {
    const ordinal = ordinals[i]!;
    if (ordinal === NONE) {
      missing.push(i);
      continue;
    }
    let f = 0;
    while (f < images.length - 1 && ordinal > images[f]!.lastOrdinal) f++;
    const slot = slotOf(images[f]!, ordinal);
    if (slot < 0 || slot >= images[f]!.count) throw noRecord(images[f]!.path, ordinal); // native code trusts places
    const view = rows.views[f];
    const at = i * dim;
    if (view === undefined) {
      rows.read(ordinal, 1, out.subarray(at, at + dim), halfToFloat); // from disk, checked
    } else if (view instanceof Uint16Array) {
      convert(view, (slot * images[f]!.stride) / 2, out, at, dim);
    } else {
      if (!copies.has(f)) copies.set(f, new Copies(count));
      copies.get(f)!.add(slot, i);
    }
  }
  for (const [f, some] of copies) some.run(images[f]!.records!, images[f]!.stride, 4 * dim, out);
  return missing;
}

const NONE = -1;

function checkRoom(into: Float32Array, count: number, dim: number): void {
  if (!(into instanceof Float32Array)) throw expected('BAD_ARGUMENT', 'a Float32Array', 'out', into);
  checkAttached(into, 'out');
  if (into.length < count * dim) throw expected('BAD_DIMS', `room for ${count} × ${dim} values`, 'out', into);
}

/** Records of one image, and the rows of the matrix that they go to. */
class Copies {
  readonly #slots: Uint32Array;
  readonly #places: Uint32Array;
  #count = 0;

  constructor(most: number) {
    this.#slots = new Uint32Array(most);
    this.#places = new Uint32Array(most);
  }

  add(slot: number, place: number): void {
    this.#slots[this.#count] = slot;
    this.#places[this.#count++] = place;
  }

  run(records: Uint8Array, stride: number, bytes: number, out: Float32Array): void {
    const { copyRecords } = nativeFiles();
    if (copyRecords !== undefined) {
      copyRecords(records, stride, bytes, this.#slots, this.#places, this.#count, out);
      return;
    }
    const into = Buffer.from(out.buffer, out.byteOffset, out.byteLength);
    for (let i = 0; i < this.#count; i++) {
      // Images are shared memory, from which set() takes three times as long as this.
      const from = this.#slots[i]! * stride;
      const place = this.#places[i]! * bytes;
      into.fill(records.subarray(from, from + bytes), place, place + bytes);
    }
  }
}

function convert(halves: Uint16Array, from: number, out: Float32Array, at: number, dim: number): void {
  const table = halfTable();
  for (let j = 0; j < dim; j++) out[at + j] = table[halves[from + j]!]!;
}
