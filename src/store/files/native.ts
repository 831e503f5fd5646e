/** Functions of the binary for files and sets of rows, where there is a binary. */
import { loadAddon } from '../../kernels/addon.js';

export interface NativeFiles {
  crc32c?: (bytes: Uint8Array, seed: number, from: number, to: number) => number;
  /**
   * Records at `slots` of a file, one behind the other, into `out`: all that wait for the disk at once. Not on Windows.
   *
   * @returns `count`, or the place in the list of a record that could not be read or has another checksum
   */
  readRecords?: (
    fd: number,
    headerBytes: number,
    stride: number,
    slots: Uint32Array,
    ordinals: Uint32Array,
    count: number,
    out: Uint8Array,
  ) => number;
  /** Takes the lock of an open file, which goes with the descriptor: 0 taken, 1 another has it, 2 none here. Not on Windows. */
  lockFile?: (fd: number) => 0 | 1 | 2;
  unlockFile?: (fd: number) => void;
  /** Gives pages of a file back to the file system; they read as zeros. 0, or the system's error. Linux only. */
  punchHole?: (fd: number, pageSize: number, first: number, pages: number) => number;
  /** Asks for large pages for memory that nobody has written to yet. Linux only. */
  askLargePages?: (memory: Uint8Array) => void;
  /**
   * Gives free pages of malloc's back to the system, in a thread of its own, but for `keep` bytes at the end of the heap. glibc
   * only, which keeps them otherwise.
   */
  trimMemory?: (keep: number) => void;
  /**
   * Rows [from, to) of a list into `words`, bit o & 31 of word o >> 5 for row o: from bitmaps of its first `end` and its
   * first `begin` rows, of equal length.
   */
  stretchBits?: (
    words: Uint32Array,
    high: Uint32Array,
    low: Uint32Array,
    rows: Uint32Array,
    begin: number,
    from: number,
    end: number,
    to: number,
  ) => void;
  /** How many bits are set. */
  countBits?: (words: Uint32Array) => number;
  /** The rows of a set, ascending, as many as there is room for. */
  listBits?: (words: Uint32Array, rows: Uint32Array) => void;
  /** Into `words` what is in a and in b, which have as many words at least; how many rows that are. */
  commonBits?: (a: Uint32Array, b: Uint32Array, words: Uint32Array) => number;
  /**
   * Into `placed` the places of the ordinals that have one, into `left` those that have none; room for all in both.
   *
   * @param places by ordinal, from ordinal `first` on
   * @param nowhere the place of an ordinal that has none
   * @returns how many have one
   */
  placesAt?: (
    places: Uint32Array,
    first: number,
    nowhere: number,
    ordinals: Uint32Array,
    placed: Uint32Array,
    left: Uint32Array,
  ) => number;
  /**
   * Rows as records, as rows.ts has them. Callers check that all of it lies within.
   *
   * @param bytes of a row
   * @param half whether values are float16
   * @param first the ordinal of the first row
   * @returns `count`, or the first row with a value that is not finite
   */
  encodeRecords?: (
    rows: Float32Array | Uint16Array,
    bytes: number,
    half: boolean,
    count: number,
    first: number,
    stride: number,
    into: Uint8Array,
  ) => number;
  /**
   * Copies the first `bytes` of each record in memory: from `slots[i] * stride` to `places[i] * bytes` in `out`.
   * Callers check that all of it lies within.
   */
  copyRecords?: (
    records: Uint8Array,
    stride: number,
    bytes: number,
    slots: Uint32Array,
    places: Uint32Array,
    count: number,
    out: Float32Array,
  ) => void;
}

let found: NativeFiles | undefined;

export function nativeFiles(): NativeFiles {
  found ??= find();
  return found;
}

function find(): NativeFiles {
  try {
    return loadAddon().common as NativeFiles;
  } catch {
    return {}; // who asks for native kernels is told why
  }
}
