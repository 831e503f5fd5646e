/** The image of a row file: where its records are, and their values. */

/** The part of a row file that a search needs: plain data, for any thread. */
export interface RowImage {
  readonly path: string;
  readonly fd: number;
  readonly headerBytes: number;
  /** Bytes of a record. */
  readonly stride: number;
  readonly firstOrdinal: number;
  readonly lastOrdinal: number;
  readonly count: number;
  /** The ordinal of each record, where they do not simply follow `firstOrdinal`. */
  readonly ordinals: Uint32Array | undefined;
  /** The records, in shared memory, checked; undefined: read from `fd`. */
  readonly records: Uint8Array | undefined;
  /** The records come into memory soon: a search answers as it will then. */
  readonly isComing?: boolean;
}

/** A record's values as float32, from `at` on. */
export function put(
  values: Float32Array | Uint16Array,
  out: Float32Array,
  at: number,
  toFloat: (half: number) => number,
): void {
  if (values instanceof Float32Array) out.set(values, at);
  else for (let j = 0; j < values.length; j++) out[at + j] = toFloat(values[j]!);
}

/** The values of records, one behind the other. */
export function valuesOf(bytes: Uint8Array, half: boolean): Float32Array | Uint16Array {
  return half
    ? new Uint16Array(bytes.buffer, bytes.byteOffset, bytes.length >> 1)
    : new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length >> 2);
}

/** Where an ordinal's record is; −1 when it has none. */
export function slotOf(image: RowImage, ordinal: number): number {
  const { ordinals } = image;
  if (ordinals === undefined) return ordinal - image.firstOrdinal;
  let low = 0;
  let high = ordinals.length - 1;
  while (low <= high) {
    const middle = (low + high) >> 1;
    const value = ordinals[middle]!;
    if (value === ordinal) return middle;
    if (value < ordinal) low = middle + 1;
    else high = middle - 1;
  }
  return -1;
}
